//! The log from outside: a second implementation (Python) verifies what a running server serves, and the command verifies its
//! store.

use super::{ADMIN_TOKEN, Server, dirs, portcullis, run, stdout};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn here() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if root.join("testdata").exists() { root } else { PathBuf::from(".") }
}

/// The second implementation; `None` where there is no Python for it, which CI does not allow.
fn python(args: &[&str]) -> Option<Value> {
    let Some(python) = std::env::var_os("PORTCULLIS_PYTHON") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "PORTCULLIS_PYTHON names no Python with tests/requirements.txt"
        );
        println!("PORTCULLIS_PYTHON is not set: nothing is compared");
        return None;
    };
    let script = here().join("control-plane/tests/python/audit_log.py");
    let output = Command::new(python).arg(script).args(args).output().unwrap();
    let text = stdout(&output);
    println!("{text}");
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn a_second_implementation_agrees_on_the_vectors() {
    let directory = here().join("testdata/audit");
    let Some(done) = python(&["vectors", directory.to_str().unwrap()]) else { return };
    assert_eq!((&done["roots"], &done["inclusion"], &done["consistency"]), (&9.into(), &5.into(), &4.into()));
}

#[test]
fn a_second_implementation_verifies_the_log_of_a_server() {
    let (_dir, data, bundle) = dirs();
    let server = Server::start(&data, &bundle, &[]);
    // More than a tile.
    let ids: Vec<String> = (0..300)
        .map(|at| server.decide(&format!("call-{at}")).unwrap().1["decision_id"].as_str().unwrap().to_owned())
        .collect();
    let (_, keys) = server.get("/v1/audit/keys");
    let key = keys["keys"][0].as_str().unwrap().to_owned();
    let mut args = vec!["server", &server.admin, "--token", ADMIN_TOKEN, "--key", &key];
    for id in ids.iter().step_by(50) {
        args.extend(["--id", id]);
    }
    if let Some(done) = python(&args) {
        let number = |name: &str| done[name].as_u64().unwrap();
        assert!(number("size") >= 300 && number("tiles") >= 3, "{done}");
        assert!(
            number("inclusion") >= 80 && number("consistency") >= 10 && number("checkpoints") >= 1,
            "{done}"
        );
    }
    // The store verifies while the server has it open, and says so to programs.
    let verify = |extra: &[&str]| {
        let mut command =
            portcullis(&["audit", "verify", "--key", &key, "--deep", "--output", "json", "--store"]);
        command.arg(&data).args(extra);
        let output = run(&mut command);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        println!("{}", told["counts"]);
        (output.status.code(), told)
    };
    let (code, told) = verify(&[]);
    assert_eq!((code, &told["sound"]), (Some(0), &true.into()), "{told}");
    // Nobody has said what became of the calls.
    assert_eq!(told["counts"]["decision_without_outcome"], 300);
    assert_eq!(verify(&["--strict"]).0, Some(3));
}

#[test]
fn a_store_that_was_put_back_goes_on_under_another_name_and_still_verifies() {
    let (dir, data, bundle) = dirs();
    let mut server = Server::start(&data, &bundle, &[]);
    server.decide("call-0").unwrap();
    server.signal("TERM");
    server.child.wait().unwrap();
    let old = dir.path().join("old");
    copy(&data, &old);

    server = Server::start(&data, &bundle, &[]);
    server.decide("call-1").unwrap();
    server.signal("TERM");
    server.child.wait().unwrap();
    // All but the copy of the newest checkpoint goes back to what it was.
    let newest = std::fs::read(data.join("checkpoint")).unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&old, &data);
    std::fs::write(data.join("checkpoint"), newest).unwrap();

    let refused = run(portcullis(&[
        "serve",
        "--data-addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
        "--data-dir",
    ])
    .arg(&data));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("portcullis audit key recover"), "{said}");
    let recovered = run(portcullis(&["audit", "key", "recover", "--data-dir"]).arg(&data));
    println!("{}", stdout(&recovered));

    server = Server::start(&data, &bundle, &[]);
    server.decide("call-2").unwrap();
    let keys = stdout(&run(&mut server.client(&["audit", "key", "show"])));
    println!("{keys}");
    assert_eq!(keys.lines().count(), 2, "the old name's and the new one's");
    let names: Vec<&str> = keys.lines().filter_map(|key| key.split('+').next()).collect();
    assert_eq!(names[1], format!("{}/2", names[0]));
    let file = dir.path().join("log.vkey");
    std::fs::write(&file, &keys).unwrap();
    let verify = |key: &str| run(portcullis(&["audit", "verify", "--key", key, "--store"]).arg(&data));
    let verified = verify(file.to_str().unwrap());
    println!("{}{}", stdout(&verified), String::from_utf8_lossy(&verified.stderr));
    assert!(verified.status.success());
    // Who knows the old key only is told that something happened.
    assert_eq!(verify(keys.lines().next().unwrap()).status.code(), Some(2));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
