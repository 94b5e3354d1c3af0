//! Rolling bundles out with the real binary: keys, signatures, archives, pins, restarts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests panic as tests do; clippy knows only functions marked #[test]"
)]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const ADMIN_TOKEN: &str = "pcl_admin_for_tests_of_the_rollout";

/// A command without the environment of whoever runs the tests.
fn portcullis(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(args).env_clear();
    command
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    admin: String,
}

impl Server {
    fn start(data_dir: &Path, args: &[&str]) -> Server {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut child =
                portcullis(&["serve", "--data-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"])
                    .arg("--data-dir")
                    .arg(data_dir)
                    .args(args)
                    .env("PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN", ADMIN_TOKEN)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if let Ok(ports) = serde_json::from_str::<Value>(&line) {
                return Server { child, admin: format!("http://{}", ports["admin"].as_str().unwrap()) };
            }
            // A process that another test has just started may hold the store's lock for a moment.
            child.wait().unwrap();
            assert!(Instant::now() < deadline, "the server does not start");
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        portcullis(args)
            .env("PORTCULLIS_URL", &self.admin)
            .env("PORTCULLIS_ADMIN_TOKEN", ADMIN_TOKEN)
            .output()
            .unwrap()
    }

    /// Runs a command that must end with this code; gives what it says on both streams.
    fn says(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        println!("$ portcullis {}\n{text}", args.join(" "));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        text
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--output", "json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn active(&self) -> Value {
        self.json(&["policy", "versions"])["active"].clone()
    }

    fn until_active(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let active = self.active();
            if active["name"] == name {
                return;
            }
            assert!(Instant::now() < deadline, "`{name}` does not become active: {active:#}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(directory: &Path, name: &str) {
    std::fs::create_dir_all(directory).unwrap();
    let manifest = format!("version: \"7\"\nname: {name}\ndefault: allow\n");
    std::fs::write(directory.join("bundle.yaml"), manifest).unwrap();
}

#[test]
fn a_rollout_with_signatures_from_the_first_key_to_the_last_pin() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (data, source, key) = (dir.path().join("data"), path("bundle"), path("release.pem"));
    let ok = |args: &[&str]| {
        let output = portcullis(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let public = ok(&["policy", "keygen", "--key", &key]);
    let again = portcullis(&["policy", "keygen", "--key", &key]).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a key is never replaced");
    write(dir.path().join("bundle").as_path(), "first");
    let digest = ok(&["policy", "digest", &source]);
    ok(&["policy", "sign", &source, "--key", &key]);
    assert_eq!(ok(&["policy", "digest", &source]), digest, "a signature is no part of the digest");
    let archive = path("first.tar.gz");
    ok(&["policy", "pack", &source, "--file", &archive]);
    assert_eq!(ok(&["policy", "digest", &archive]), digest);
    ok(&["policy", "check", &archive]);

    // The server follows an archive, and takes signed bundles only.
    let args = ["--bundle", &archive, "--bundle-keys", &public, "--require-signed-bundles"];
    let server = Server::start(&data, &args);
    let active = server.active();
    assert_eq!((active["digest"].as_str(), active["pinned"].as_bool()), (Some(digest.as_str()), Some(false)));
    assert!(active["signed_by"].as_str().unwrap().starts_with("ed25519:"), "{active}");
    let next = path("next.tar.gz");
    write(dir.path().join("bundle").as_path(), "second");
    ok(&["policy", "pack", &source, "--file", &next]);
    std::fs::rename(&next, &archive).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.active()["errors"].to_string().contains("changed after signing") {
        assert!(Instant::now() < deadline, "{:#}", server.active());
    }
    ok(&["policy", "sign", &source, "--key", &key]);
    ok(&["policy", "pack", &source, "--file", &next]);
    std::fs::rename(&next, &archive).unwrap();
    server.until_active("second");

    // Over the API: what is not signed, or signed for other files, stays out.
    let push = |code: i32, extra: &[&str]| {
        server.says(&[&["policy", "push", &source, "--why", "test"], extra].concat(), code)
    };
    write(dir.path().join("bundle").as_path(), "third");
    assert!(push(1, &["--activate"]).contains("changed after signing"));
    std::fs::remove_file(dir.path().join("bundle/bundle.sig")).unwrap();
    assert!(push(1, &[]).contains("is not signed"));
    ok(&["policy", "sign", &source, "--key", &key]);
    assert!(server.says(&["policy", "push", &source, "--dry-run"], 0).contains("would be taken"));
    let stored = push(0, &[]);
    assert!(stored.contains("third 7 (0 rules, signed by ed25519:") && stored.contains("policy activate"));
    assert_eq!(server.active()["name"], "second");
    let third = ok(&["policy", "digest", &source]);
    let activated = server.says(&["policy", "activate", &third[..16], "--why", "go"], 0);
    assert!(activated.contains("is active, and pinned"));

    // Until the directory's turn comes again.
    let table = server.says(&["policy", "versions"], 0);
    let marked: Vec<_> = table.lines().filter(|line| line.starts_with('*')).collect();
    assert!(
        marked.len() == 1 && marked[0].contains(&third[..12]) && marked[0].contains("bootstrap"),
        "{table}"
    );
    assert!(table.contains("is pinned by bootstrap") && table.contains("waits with"), "{table}");
    assert!(server.says(&["policy", "rollback", "--why", "no good"], 0).contains("second"));
    assert!(server.says(&["policy", "rollback", "--why", "good after all"], 0).contains("third"));
    drop(server);
    let server = Server::start(&data, &args);
    assert_eq!(server.active()["name"], "third", "the pin survives a kill");
    assert!(server.says(&["policy", "unpin", "--why", "over"], 0).contains("second"));
    assert!(server.says(&["policy", "unpin", "--why", "over"], 2).contains("not_pinned"));
    let events = server.json(&["policy", "versions"]);
    let names: Vec<_> = events["versions"].as_array().unwrap().iter().map(|v| v["name"].clone()).collect();
    assert_eq!(names, ["third", "second", "first"], "newest first");

    // A prefix of several digests.
    let mut seen = Vec::new();
    let twice = (0..).find_map(|at| {
        write(dir.path().join("bundle").as_path(), &format!("n{at}"));
        ok(&["policy", "sign", &source, "--key", &key]);
        let digest =
            server.json(&["policy", "push", &source, "--why", "x"])["digest"].as_str().unwrap().to_owned();
        let first = digest[..1].to_owned();
        let twice = seen.contains(&first).then(|| first.clone());
        seen.push(first);
        twice
    });
    let twice = twice.unwrap();
    for (prefix, expected) in [
        (twice.as_str(), "begins several digests"),
        (&"0".repeat(64), "no version's digest begins"),
        ("xyz", "is no digest"),
    ] {
        assert!(server.says(&["policy", "activate", prefix, "--why", "x"], 2).contains(expected));
    }
    assert_eq!(server.active()["name"], "second", "nothing has changed");
    assert!(server.says(&["policy", "activate", &third], 2).contains("--why"), "a reason is required");
}

#[test]
fn without_a_directory_the_api_alone_works() {
    let dir = tempfile::tempdir().unwrap();
    let (data, source) = (dir.path().join("data"), dir.path().join("bundle"));
    write(&source, "pushed");
    let source = source.to_str().unwrap();
    let server = Server::start(&data, &[]);
    assert!(server.says(&["policy", "versions"], 0).contains("every call is refused"));
    server.says(&["policy", "push", source, "--activate", "--why", "begin"], 0);
    drop(server);
    let server = Server::start(&data, &[]);
    assert_eq!(server.active()["name"], "pushed");
    assert!(server.says(&["policy", "unpin", "--why", "x"], 2).contains("no_directory"));
    // What does not compile is shown with its lines, and changes nothing.
    std::fs::write(Path::new(source).join("bundle.yaml"), "version: \"1\"\nname: x\ndefualt: allow\n")
        .unwrap();
    let refused = server.says(&["policy", "push", source, "--activate", "--why", "x"], 1);
    assert!(refused.contains("bundle.yaml:3:1") && refused.contains("defualt: allow"), "{refused}");
    assert_eq!(server.active()["name"], "pushed");
}
