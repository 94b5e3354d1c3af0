//! Real boto3 against the fake: its answers parse, its refusals are AWS's, and every call is on record.

use fake_bedrock::{Config, FakeBedrock, Principal, Principals};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of `cargo xtask setup`, or `$PORTCULLIS_PYTHON`.
fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("PORTCULLIS_PYTHON") {
        return python.into();
    }
    let cache = std::env::var_os("PORTCULLIS_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    cache.unwrap_or_else(|| home.join(".cache/portcullis")).join("venv/bin/python")
}

fn config(dir: &Path) -> Config {
    let secret = "secret/of+the+long+term+principal+000000";
    let temporary = Principal::new("ASIAQFAKEBEDROCKTEMP", "secret/of+the+temporary+principal+000000");
    let mut expired = Principal::new("ASIAQFAKEBEDROCKGONE", secret).with_session_token("gone");
    expired.expired = true;
    let principals = vec![
        Principal::new("AKIAQFAKEBEDROCKTEST", secret),
        temporary.with_session_token("session//token=="),
        expired,
    ];
    let principals = Principals { principals, api_keys: vec!["ABSKlongterm".into()] };
    Config { ca_dir: Some(dir.to_owned()), principals, ..Config::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3() {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeBedrock::start(config(dir.path())).await.unwrap();
    let python = python();
    assert!(
        python.is_file(),
        "no Python at `{}`: run `cargo xtask setup`, or set PORTCULLIS_PYTHON",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk.py"))
        .env("ENDPOINT", format!("https://localhost:{}", fake.https.port()))
        .env("CA", dir.path().join("ca.pem"))
        .env_remove("HTTPS_PROXY")
        .env_remove("AWS_CA_BUNDLE");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());

    let calls = fake.calls();
    println!("{} calls on record", calls.len());
    let rejected = calls.iter().filter(|call| !call.signature_valid);
    for call in rejected {
        println!("{} {} {:?}", call.status, call.operation, call.rejected);
        assert_eq!(call.status, 403);
        assert!(call.rejected.is_some());
    }
    let profile = calls.iter().find(|call| call.path.contains("inference-profile")).unwrap();
    println!("{profile:?}");
    assert!(
        profile
            .path
            .starts_with("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F")
    );
    assert_eq!(profile.model.as_deref().unwrap().matches(':').count(), 6);
    assert_eq!(profile.access_key_id.as_deref(), Some("AKIAQFAKEBEDROCKTEST"));
    assert_eq!(profile.protocol, "HTTP/1.1");
    // What was said and what was sent of it is on record.
    let parallel =
        calls.iter().find(|call| call.said.as_ref().is_some_and(|said| said.tool_calls.len() == 2));
    println!("{:?} {:?}", parallel.unwrap().said, parallel.unwrap().sent);
    assert!(parallel.unwrap().sent.as_ref().is_some_and(|sent| sent.whole && sent.bytes > 100));
    assert!(calls.iter().all(|call| call.body_sha256.len() == 64 && call.operation != "Unknown"));
}
