//! `prices` and `estimate` of `bundle.yaml`.

use super::operator::read_globs;
use super::units::nano;
use crate::charge::Estimate;
use crate::limit::Price;
use crate::price::{PriceTable, Unpriced};
use crate::source::node::Node;
use crate::source::read::{Map, Reader};

pub(crate) const KEYS: &[&str] = &["currency", "unpriced", "estimate", "models"];
pub(crate) const ROW_KEYS: &[&str] = &["models", "input", "output", "cache_read", "cache_write"];
pub(crate) const ESTIMATE_KEYS: &[&str] = &["bytes_per_token", "output_tokens"];
pub(crate) const UNPRICED: &[(&str, Unpriced)] = &[("deny", Unpriced::Deny), ("allow", Unpriced::Allow)];
/// Prices are written per so many tokens.
const PER_TOKENS: u128 = 1_000_000;

/// Reads `prices`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<PriceTable> {
    let map = reader.map(node, "`prices`", KEYS)?;
    let currency = reader.required(map, "currency", "`prices`");
    let currency = currency.and_then(|node| {
        let currency = reader.text(node, "`currency`", 16)?;
        let good = currency.text.len() == 3 && currency.text.bytes().all(|byte| byte.is_ascii_uppercase());
        if !good {
            let message = format!("currency `{}` is not three capital letters, such as `USD`", currency.text);
            reader.error(currency.at, message);
        }
        good.then_some(currency.text)
    });
    let unpriced = map.get("unpriced").map(|node| reader.choice(node, "choice of `unpriced`", UNPRICED));
    let rows = reader.required(map, "models", "`prices`");
    let rows = rows.and_then(|node| {
        let nodes = reader.list(node, "`models` of `prices`")?;
        let rows: Vec<_> = nodes.iter().filter_map(|node| read_row(reader, node)).collect();
        (rows.len() == nodes.len()).then_some(rows)
    });
    // A choice that was read wrong is an error already; `None` here would be another.
    let unpriced = unpriced.map(|unpriced| unpriced.unwrap_or(Unpriced::Deny));
    Some(PriceTable::new(currency.unwrap_or_default(), unpriced, rows.unwrap_or_default()))
}

fn read_row(reader: &mut Reader<'_>, node: &Node) -> Option<(Vec<crate::glob::Glob>, Price)> {
    let map = reader.map(node, "a price", ROW_KEYS)?;
    let models = reader.required(map, "models", "the price").and_then(|node| {
        let texts = reader.texts(node, "`models`")?;
        read_globs(reader, &texts, true)
    });
    let input = reader.required(map, "input", "the price").and_then(|node| price(reader, node, "input"));
    let output = reader.required(map, "output", "the price").and_then(|node| price(reader, node, "output"));
    let mut cache = |key: &str| map.get(key).map(|node| price(reader, node, key));
    let (cache_read, cache_write) = (cache("cache_read"), cache("cache_write"));
    let (input, output) = (input?, output?);
    // Where the cache has no price of its own its tokens cost what input costs.
    let (cache_read, cache_write) = (cache_read.unwrap_or(Some(input))?, cache_write.unwrap_or(Some(input))?);
    Some((models?, Price { input, output, cache_read, cache_write }))
}

/// A price for a million tokens, as billionths for one; rounded up, so that nothing becomes free.
fn price(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<u64> {
    let what = format!("the price `{key}`");
    let price = nano(reader, node, &what)?.div_ceil(PER_TOKENS);
    let read = u64::try_from(price).ok();
    if read.is_none() {
        reader.error(node.at, format!("{what} is too large"));
    }
    read
}

/// Reads `estimate`, at the top or in `prices`.
pub(crate) fn read_estimate(reader: &mut Reader<'_>, map: Map<'_>, prices: Option<&Node>) -> Estimate {
    let inner = prices.and_then(|node| node.entry("estimate"));
    let node = match (map.get("estimate"), inner) {
        (Some(top), Some(_)) => {
            reader.error(top.at, "`estimate` stands in `prices` too; write it once");
            return Estimate::default();
        }
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Estimate::default(),
    };
    let Some(map) = reader.map(node, "`estimate`", ESTIMATE_KEYS) else { return Estimate::default() };
    let mut number = |key: &str, max: i64, default: u64| {
        let Some(node) = map.get(key) else { return default };
        match reader.integer(node, &format!("`{key}`")) {
            Some(number) if (1..=max).contains(&number) => number.unsigned_abs(),
            Some(number) => {
                reader
                    .error(node.at, format!("`{key}` is {number}; it must be at least 1 and at most {max}"));
                default
            }
            None => default,
        }
    };
    let default = Estimate::default();
    Estimate {
        bytes_per_token: number("bytes_per_token", 100, default.bytes_per_token),
        output_tokens: number("output_tokens", 10_000_000, default.output_tokens),
    }
}
