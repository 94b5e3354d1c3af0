//! What is taken as an export, and what is refused with a hint.

use super::*;
use crate::export::formats::ExportFormat as Format;
use crate::export::{Compression, Destination};
use std::time::Duration;

fn check(yaml: &str) -> Result<Export, String> {
    let raw: RawExport = serde_yaml_ng::from_str(yaml).map_err(|error| error.to_string())?;
    let variable = |name: &str| match name {
        "SECRET" => Some("0123456789abcdef".to_owned()),
        "SHORT" => Some("short".to_owned()),
        "URL" => Some("https://collector.example/v1/logs".to_owned()),
        _ => None,
    };
    Export::check(raw, &variable).map_err(|error| error.to_string())
}

#[test]
fn nonsense_is_refused_with_a_hint() {
    let cases = [
        ("{}", "`name` is needed"),
        ("{name: 'a b', to: /x}", "letters, digits"),
        ("{name: a}", "`to`, `to_env`"),
        ("{name: a, to: /x, to_env: URL}", "more than once"),
        ("{name: a, to_env: NONE}", "`NONE` is not set"),
        ("{name: a, to: /x, colour: red}", "colour"),
        ("{name: a, to: /x, format: csv}", "jsonl, ocsf, parquet, in-toto"),
        ("{name: a, to: /x, format: in-toto}", "single records"),
        ("{name: a, to: /x, compression: bz2}", "zstd, gzip or none"),
        ("{name: a, to: /x, format: parquet, compression: gzip}", "by itself"),
        ("{name: a, to: /x, flush_records: 0}", "flush_records"),
        ("{name: a, to: /x, flush_bytes: 1000000000}", "flush_bytes"),
        ("{name: a, to: /x, flush_every: soon}", "60s"),
        ("{name: a, to: /x, kinds: []}", "leave it out"),
        ("{name: a, to: /x, kinds: [decisions]}", "decisions"),
        ("{name: a, to: /x, from: yesterday}", "beginning or now"),
        ("{name: a, to: /x, secret_env: SECRET}", "webhooks"),
        ("{name: a, to: /x, options: {region: x}}", "region"),
        ("{name: a, to: /x, object_lock: {mode: compliance, retain: 1d}}", "s3://"),
        ("{name: a, to: 's3://b', object_lock: {mode: compliance, retain: 12h}}", "whole days"),
        ("{name: a, to: 's3://b', object_lock: {mode: forever, retain: 1d}}", "forever"),
        ("{name: a, to: 's3://b', options: {regoin: x}}", "regoin"),
        ("{name: a, to: 's3://b', options_env: {region: NONE}}", "`NONE` is not set"),
        ("{name: a, to: 'ftp://b'}", "ftp://b"),
        ("{name: a, to: 'https://h/x'}", "secret_env"),
        ("{name: a, to: 'https://h/x', secret_env: SHORT}", "openssl"),
        ("{name: a, to: 'https://u:p@h/x', secret_env: SECRET}", "user or password"),
        ("{name: a, to: 'https://h/x', secret_env: SECRET, format: jsonl}", "`format` is for directories"),
        ("{name: a, to: 'https://h/x', secret_env: SECRET, headers_env: {x: SECRET}}", "otlp+https"),
        ("{name: a, to: 'otlp+https://h/x', secret_env: SECRET}", "headers_env"),
        ("{name: a, to: 'otlp+https://h/x', headers_env: {'a b': SECRET}}", "a b"),
        ("{name: a, to: 'otlp+https://h/x', ca_file: /does/not/exist}", "/does/not/exist"),
    ];
    for (yaml, hint) in cases {
        let error = check(yaml).unwrap_err();
        assert!(error.contains(hint), "{yaml}: {error}");
        assert!(!error.contains("0123456789abcdef"), "no secret is told: {error}");
    }
    println!("compared {} mistakes", cases.len());
}

#[test]
fn what_is_left_out_has_a_default() {
    let files = check("{name: a, to: /var/audit}").unwrap();
    let Destination::Files(to) = &files.to else { panic!("{files:?}") };
    assert_eq!((to.format, to.compression), (Format::Jsonl, Compression::Zstd));
    assert_eq!((files.flush.records, files.flush.every), (10_000, Duration::from_secs(60)));
    assert!(files.required && !files.from_now && files.kinds.is_empty());
    let webhook =
        check("{name: a, to: 'https://h/x', secret_env: SECRET, from: now, required: false}").unwrap();
    assert_eq!((webhook.flush.records, webhook.flush.every), (500, Duration::from_secs(5)));
    assert!(!webhook.required && webhook.from_now);
    let lock =
        "{name: a, to: 's3://b/p', options: {region: r}, object_lock: {mode: compliance, retain: 400d}}";
    let Destination::Files(to) = check(lock).unwrap().to else { panic!() };
    assert_eq!(to.lock, Some((crate::object::LockMode::Compliance, 400)));
    let otlp = check("{name: a, to_env: URL, secret_env: SECRET}").unwrap();
    assert!(!format!("{otlp:?}").contains("collector"), "where it goes may be a secret");
}
