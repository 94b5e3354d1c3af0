//! Rules on text: how fast a hundred patterns pass over it.

use super::engine;
use anyhow::{Result, ensure};
use portcullis_policy::{Call, Effect, Request, Text};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

pub(super) fn run(rounds: usize, notes: &mut Vec<(String, f64)>) -> Result<()> {
    let plain = |number: usize| json!({"field": "request.text", "operator": "contains", "value": format!("forbidden phrase {number}")});
    let regex = |number: usize| json!({"field": "request.text", "operator": "matches", "value": format!("(secret|token)-{number}[a-f0-9]{{8}}")});
    let half = |number: usize| if number.is_multiple_of(2) { plain(number) } else { regex(number) };
    let kinds: [(&str, &dyn Fn(usize) -> Value); 3] =
        [("100 literals", &plain), ("100 regexes", &regex), ("50 literals, 50 regexes", &half)];
    let words = "Summarise the dispute history of the account for the reviewer, and the token counts of each secret phrase. ";
    let text: String = words.chars().cycle().take(65_536).collect();
    let call = Call {
        operation: "Converse".to_owned(),
        request: Request { text: Some(Text { text, ..Default::default() }), ..Request::default() },
        ..Call::default()
    };
    for (name, condition) in kinds {
        let rules: Vec<Value> =
            (0..100).map(|number| json!({"id": format!("t{number}"), "action": "block", "conditions": [condition(number)]})).collect();
        let bundle = engine::bundle(engine::MANIFEST, &rules)?;
        ensure!(bundle.decide(&call).effect == Effect::Allow, "a pattern matched");
        let mut speeds = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            for _ in 0..50 {
                drop(black_box(bundle.decide(black_box(&call))));
            }
            speeds.push(50.0 * 65_536.0 / 1e6 / begun.elapsed().as_secs_f64());
        }
        eprintln!("  text, {name}: {:.0} MB/s", crate::report::median(&speeds));
        notes.push((format!("text of 64 KiB, {name}: MB/s"), crate::report::median(&speeds)));
    }
    Ok(())
}
