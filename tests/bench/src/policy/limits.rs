//! What five limits add to a decision: charges, a reservation over all five, and its release.

use super::{engine, median_us};
use crate::report::Outcome;
use anyhow::{Result, ensure};
use portcullis_limits::{Ledger, Want};
use portcullis_policy::{Bundle, Call, Effect, Model, Principal, Request};
use std::hint::black_box;
use std::sync::Arc;

const LIMITS: &str = r#"
limits:
- {id: calls, measure: requests, max: 1000000, window: 1m, per: [principal.name]}
- {id: tokens-a-day, measure: tokens, max: 1000000000, window: 24h, per: [principal.name]}
- {id: tokens-of-a-model, measure: output_tokens, max: 1000000000, window: 1h, per: [model.base]}
- {id: money, measure: cost, max: 100000.00, window: 30d, per: [principal.tenant]}
- {id: everybody, measure: requests, max: 100000000, window: 1h}
prices:
  currency: USD
  unpriced: deny
  models:
  - {models: ["anthropic.*"], input: 3.00, output: 15.00}
"#;

pub(super) fn run(rounds: usize, results: &mut Vec<Outcome>) -> Result<()> {
    let rules = engine::rules(100);
    let plain = engine::bundle(engine::MANIFEST, &rules)?;
    let limited = engine::bundle(&format!("{}{LIMITS}", engine::MANIFEST), &rules)?;
    let call = call();
    let mut ledger = Ledger::new();
    let now = 1_764_000_000_000_u64;
    let mut number = 0_u64;
    ensure!(
        limited.decide(&call).effect == Effect::Allow
            && limited.charges(&call, &limited.decide(&call)).len() == 5,
        "five charges"
    );
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        without.push(median_us(500, || drop(black_box(plain.decide(black_box(&call))))));
        with.push(median_us(500, || {
            number += 1;
            let id = format!("{number:016x}-00000001");
            let reserved = ledger.reserve(now + number / 1000, &id, &wants(&limited, &call));
            drop(black_box(reserved));
            drop(black_box(ledger.release(now + number / 1000, &id)));
        }));
        eprintln!(
            "  limits, round {round}/{rounds}: {:.2} µs without, {:.2} µs with five",
            engine::last(&without),
            engine::last(&with)
        );
    }
    results.push(super::compare(
        "100 rules and 5 limits: decide, reserve, release",
        "without limits",
        &with,
        &without,
    ));
    Ok(())
}

/// Decides, and says what is to be reserved: what the control plane does with every call.
fn wants(bundle: &Bundle, call: &Call) -> Vec<Want> {
    let decision = bundle.decide(black_box(call));
    let charges = bundle.charges(call, &decision);
    charges
        .into_iter()
        .map(|charge| Want {
            limit: Arc::from(charge.limit.id.as_str()),
            key: Arc::from(charge.key),
            amount: charge.amount,
            max: charge.limit.max,
            window_ms: charge.limit.window_ms,
            enforced: true,
            retry_of: None,
            note: Arc::from(""),
        })
        .collect()
}

fn call() -> Call {
    let id = "anthropic.claude-3-5-sonnet-20241022-v2:0".to_owned();
    Call {
        principal: Principal {
            name: "billing".to_owned(),
            tenant: Some("finance".to_owned()),
            ..Principal::default()
        },
        operation: "Converse".to_owned(),
        action: "bedrock:InvokeModel".to_owned(),
        action_type: "model_invoked".to_owned(),
        service: "bedrock-runtime".to_owned(),
        region: "eu-central-1".to_owned(),
        model: Some(Model { base: Some(id.clone()), id, ..Model::default() }),
        request: Request { bytes: 650, max_tokens: Some(512), ..Request::default() },
        ..Call::default()
    }
}
