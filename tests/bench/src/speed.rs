//! Latency and throughput: every variant in turn, round after round, so that a drifting machine drifts for all.

use crate::RunOptions;
use crate::cpu;
use crate::load::{self, Measured, Plan};
use crate::report::Outcome;
use crate::setup::{Bench, HOST};
use crate::variants::Variant;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Connections at once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// Bodies, by name and by bytes of text in them.
const BODIES: [(&str, usize); 2] = [("650 B", 560), ("64 KB", 65_400)];

/// Measures all of it.
///
/// # Errors
/// A call was not answered 200.
pub(crate) fn run(
    runtime: &tokio::runtime::Runtime,
    bench: &Bench,
    options: &RunOptions,
    phases: &mut Vec<(String, f64)>,
) -> Result<Vec<Outcome>> {
    let mut results = Vec::new();
    for (body, text) in BODIES {
        let request = Arc::new(converse(text));
        for connections in CONNECTIONS {
            let mut measured: BTreeMap<Variant, Vec<Measured>> = BTreeMap::new();
            let mut times: BTreeMap<(Variant, &str), Vec<f64>> = BTreeMap::new();
            for round in 0..options.rounds {
                for variant in Variant::ALL {
                    let plan = Plan {
                        address: bench.envoy(variant)?.transparent,
                        host: HOST.to_owned(),
                        tls: Arc::clone(&bench.tls),
                        request: Arc::clone(&request),
                        connections,
                        warm_up: Duration::from_millis(500),
                        measure: Duration::from_secs_f64(options.seconds),
                    };
                    let processes = [bench.envoy(variant)?.id(), bench.control_plane.id()];
                    let before = cpu::of(&processes);
                    let one = runtime
                        .block_on(load::run(&plan))
                        .with_context(|| format!("{} {body}", variant.name()))?;
                    eprintln!(
                        "  {body} x{connections} round {}/{}: {:12} p50 {:.3} ms, p99 {:.3} ms, {:.0}/s",
                        round + 1,
                        options.rounds,
                        variant.name(),
                        one.p50_ms,
                        one.p99_ms,
                        one.per_second
                    );
                    // The warm-up is served, too; it is in proportion.
                    let served = one.per_second * (options.seconds + 0.5);
                    let spent = before
                        .into_iter()
                        .zip(cpu::of(&processes))
                        .map(|(before, after)| (after - before) / served);
                    for (process, seconds) in ["Envoy", "control plane"].into_iter().zip(spent) {
                        times.entry((variant, process)).or_default().push(seconds * 1e6);
                    }
                    measured.entry(variant).or_default().push(one);
                }
            }
            for ((variant, process), spent) in &times {
                if *variant == Variant::Gate || *process == "Envoy" {
                    let name = format!(
                        "processor time of {process}, {}, {body}, {connections} conn.",
                        variant.name()
                    );
                    phases.push((name, crate::report::median(spent)));
                }
            }
            compare(&mut results, &format!("{body}, {connections} conn."), &measured);
        }
    }
    Ok(results)
}

/// Loads the gate alone, saying which processes to look at.
///
/// # Errors
/// As [`run`].
pub(crate) fn hold(
    runtime: &tokio::runtime::Runtime,
    bench: &Bench,
    connections: usize,
    text: usize,
    seconds: f64,
) -> Result<()> {
    let gate = bench.envoy(Variant::Gate)?;
    println!("envoy {:?} portcullis {:?}", gate.id(), bench.control_plane.id());
    let plan = Plan {
        address: gate.transparent,
        host: HOST.to_owned(),
        tls: Arc::clone(&bench.tls),
        request: Arc::new(converse(text)),
        connections,
        warm_up: Duration::from_millis(500),
        measure: Duration::from_secs_f64(seconds),
    };
    let before = cpu::of(&[gate.id(), bench.control_plane.id()]);
    let measured = runtime.block_on(load::run(&plan))?;
    let after = cpu::of(&[gate.id(), bench.control_plane.id()]);
    let total = measured.per_second * (seconds + 0.5);
    for (name, (before, after)) in ["envoy", "portcullis"].into_iter().zip(before.into_iter().zip(after)) {
        println!("{name}: {:.1} µs of processor time per request", (after - before) * 1e6 / total);
    }
    println!("{measured:?}");
    for (phase, microseconds) in crate::phases::read(bench)? {
        println!("{phase}: {microseconds:.0} µs");
    }
    Ok(())
}

fn compare(results: &mut Vec<Outcome>, case: &str, measured: &BTreeMap<Variant, Vec<Measured>>) {
    let of = |variant: Variant, pick: fn(&Measured) -> f64| -> Vec<f64> {
        measured.get(&variant).into_iter().flatten().map(pick).collect()
    };
    for baseline in [Variant::Plain, Variant::ExtAuthz] {
        for (metric, pick) in [
            ("p50_ms", (|one| one.p50_ms) as fn(&Measured) -> f64),
            ("requests_per_second", |one| one.per_second),
        ] {
            results.push(Outcome::compare(
                case,
                baseline.name(),
                metric,
                &of(Variant::Gate, pick),
                &of(baseline, pick),
            ));
        }
    }
    // ext_authz against plain Envoy, for scale.
    for (metric, pick) in [
        ("p50_ms", (|one| one.p50_ms) as fn(&Measured) -> f64),
        ("requests_per_second", |one| one.per_second),
    ] {
        let mut scale = Outcome::compare(
            case,
            Variant::Plain.name(),
            metric,
            &of(Variant::ExtAuthz, pick),
            &of(Variant::Plain, pick),
        );
        scale.case = format!("{case} (ext_authz)");
        results.push(scale);
    }
}

/// A Converse call as boto3 sends it, with this much text. The signature is well-formed; nobody checks it here.
#[must_use]
pub(crate) fn converse(text: usize) -> Vec<u8> {
    let words = "Summarise the dispute history of the account for the reviewer. ";
    let text: String = words.chars().cycle().take(text).collect();
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"text":"{text}"}}]}}],"inferenceConfig":{{"maxTokens":512}}}}"#
    );
    request("/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse", body.as_bytes())
}

/// A whole HTTP/1.1 request.
#[must_use]
pub(crate) fn request(path: &str, body: &[u8]) -> Vec<u8> {
    let mut whole = format!(
        "POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\nuser-agent: Boto3/1.44.5 md/Botocore#1.44.5\r\nx-amz-date: 20261121T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAQAAAAAAAAAAAAAAA/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature={}\r\namz-sdk-request: attempt=1; max=3\r\ncontent-length: {}\r\n\r\n",
        "0".repeat(64),
        body.len()
    )
    .into_bytes();
    whole.extend_from_slice(body);
    whole
}
