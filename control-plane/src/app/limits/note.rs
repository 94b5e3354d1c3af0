//! What a reservation needs to be settled, as text: the measure, and for costs the prices of the day.

use portcullis_policy::{Measure, Price, Usage};
use std::sync::Arc;

const MEASURES: [Measure; 8] = [
    Measure::Requests,
    Measure::Tokens,
    Measure::InputTokens,
    Measure::OutputTokens,
    Measure::CacheReadTokens,
    Measure::CacheWriteTokens,
    Measure::Cost,
    Measure::ToolCalls,
];

/// `tokens`, or `cost 3000 15000 300 3750`: nano-units per token, in the order of [`Price`].
pub(super) fn write(measure: Measure, price: Option<Price>) -> Arc<str> {
    match price {
        None => measure.as_str().into(),
        Some(Price { input, output, cache_read, cache_write }) => {
            format!("{} {input} {output} {cache_read} {cache_write}", measure.as_str()).into()
        }
    }
}

/// How much a call used of that; `None` for a note that cannot be read.
pub(super) fn amount(note: &str, usage: &Usage) -> Option<u64> {
    let mut words = note.split(' ');
    let name = words.next()?;
    let measure = MEASURES.into_iter().find(|own| own.as_str() == name)?;
    let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    let price = match numbers.as_slice() {
        [] => None,
        [input, output, cache_read, cache_write] => {
            Some(Price { input: *input, output: *output, cache_read: *cache_read, cache_write: *cache_write })
        }
        _ => return None,
    };
    // Unknown prices are not free.
    if measure == Measure::Cost && price.is_none() {
        return None;
    }
    Some(measure.amount(usage, price))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_back() {
        let usage = Usage {
            input_tokens: 10,
            output_tokens: 5,
            cache_read_tokens: 2,
            cache_write_tokens: 1,
            tool_calls: 3,
        };
        let price = Price { input: 3_000, output: 15_000, cache_read: 300, cache_write: 3_750 };
        for measure in MEASURES {
            let price = (measure == Measure::Cost).then_some(price);
            let note = write(measure, price);
            println!("{note:?} -> {:?}", amount(&note, &usage));
            assert_eq!(amount(&note, &usage), Some(measure.amount(&usage, price)), "{note}");
        }
        for bad in ["", "x", "cost", "cost 1 2", "cost a b c d", "tokens 1"] {
            assert_eq!(amount(bad, &usage), None, "{bad:?}");
        }
    }
}
