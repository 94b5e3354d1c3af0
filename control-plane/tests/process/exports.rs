//! Continuous export to a real S3 server, with both sides killed and the server failing and slow in the middle.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::export::Manifest;
use portcullis_audit::log::{
    Checkpoint, Entry, Frontier, Hash, SignedNote, VerifyingKey, verify_consistency,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The Python of `cargo xtask setup`, or `$PORTCULLIS_PYTHON`.
fn python() -> PathBuf {
    let python = std::env::var_os("PORTCULLIS_PYTHON")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python"));
    assert!(
        python.exists(),
        "no Python at `{}`: run `cargo xtask setup`, or set PORTCULLIS_PYTHON",
        python.display()
    );
    python
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/s3.py")
}

/// An S3 server; what it has acknowledged is there again when it starts again, on the same port.
struct S3 {
    directory: PathBuf,
    child: Child,
    url: String,
}

impl S3 {
    fn start(directory: &Path) -> S3 {
        std::fs::create_dir_all(directory).unwrap();
        let mut child = Command::new(python())
            .arg(script())
            .args(["serve", directory.to_str().unwrap(), "audit"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(
            !port.is_empty(),
            "the S3 server does not start: is everything of tests/requirements.txt installed?"
        );
        S3 { directory: directory.to_owned(), child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }

    fn behave(&self, how: &str) {
        std::fs::write(self.directory.join("mode"), how).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.kill();
        let again = S3::start(&self.directory.clone());
        assert_eq!(self.url, again.url);
        *self = again;
    }

    /// Every object, and what the server says of it.
    fn fetch(&self, out: &Path) -> Vec<Value> {
        let fetched = Command::new(python())
            .arg(script())
            .args(["fetch", &self.url, "audit"])
            .arg(out)
            .output()
            .unwrap();
        serde_json::from_str(&stdout(&fetched)).unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(server: &Server, path: &str) -> String {
    let request = server.agent.get(format!("{}{path}", server.admin));
    let mut answer = request.header("authorization", format!("Bearer {ADMIN_TOKEN}")).call().unwrap();
    answer.body_mut().read_to_string().unwrap()
}

fn export(server: &Server) -> Value {
    server.get("/v1/audit/exports").1["exports"][0].clone()
}

/// What happens to whom in a round.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillS3,
    KillControlPlane,
    Down,
    Slow,
    KillBoth,
}

#[test]
fn an_export_to_s3_survives_whatever_happens_to_either_side() {
    let (dir, data, bundle) = dirs();
    let mut s3 = S3::start(&dir.path().join("s3"));
    let config = dir.path().join("portcullis.yaml");
    let text_of_config = format!(
        "audit:\n  exports:\n  - name: archive\n    to: s3://audit/log\n    options: {{endpoint: '{}', region: us-east-1, \
         allow_http: 'true', access_key_id: test, secret_access_key: test}}\n    object_lock: {{mode: governance, retain: 30d}}\n    \
         compression: gzip\n    flush_records: 100\n    flush_every: 200ms\n",
        s3.url
    );
    std::fs::write(&config, text_of_config).unwrap();
    let config = config.to_str().unwrap().to_owned();
    let mut answered: Vec<String> = Vec::new();
    let rounds = [
        Fault::KillS3,
        Fault::KillControlPlane,
        Fault::Down,
        Fault::KillControlPlane,
        Fault::Slow,
        Fault::KillBoth,
        Fault::KillS3,
        Fault::KillControlPlane,
    ];
    for (round, fault) in rounds.into_iter().enumerate() {
        s3.behave("ok");
        let server = Server::start(&data, &bundle, &["--config", &config]);
        let (tell, told) = std::sync::mpsc::channel();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (server, tell, done) = (&server, tell.clone(), &done);
                scope.spawn(move || {
                    for at in 0.. {
                        if done.load(Ordering::Relaxed) {
                            return;
                        }
                        match server.decide(&format!("{round}-{lane}-{at}")) {
                            Ok((200, answer)) => {
                                tell.send(answer["decision_id"].as_str().unwrap().to_owned()).unwrap();
                            }
                            _ => return,
                        }
                    }
                });
            }
            drop(tell);
            for (seen, id) in told.into_iter().enumerate() {
                answered.push(id);
                match (seen, fault) {
                    (150, Fault::KillS3) => s3.restart(),
                    (150, Fault::Down) => s3.behave("down"),
                    (150, Fault::Slow) => s3.behave("slow"),
                    (150, Fault::KillBoth) => s3.kill(),
                    (200, Fault::KillControlPlane | Fault::KillBoth) => server.signal("KILL"),
                    (400, _) => done.store(true, Ordering::Relaxed),
                    _ => {}
                }
            }
        });
        if matches!(fault, Fault::KillBoth) {
            s3.restart();
        }
    }
    s3.behave("ok");
    let server = Server::start(&data, &bundle, &["--config", &config]);
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let view = export(&server);
        if view["lag_records"] == 0 && view["cursor"] == view["size"] {
            break;
        }
        assert!(Instant::now() < deadline, "waited too long for everything to be exported: {view}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let metrics = text(&server, "/metrics");
    for line in [
        "portcullis_audit_export_lag_records{export=\"archive\"} 0",
        "portcullis_audit_export_failing{export=\"archive\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in the metrics");
    }

    // What is there, by name.
    let out = dir.path().join("fetched");
    let objects = s3.fetch(&out);
    let (mut chunks, mut files) = (BTreeMap::new(), BTreeSet::new());
    let month = 30 * 86_400_000;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    for object in &objects {
        assert_eq!(object["mode"], "GOVERNANCE", "{object}");
        let until = object["until"].as_u64().unwrap();
        assert!(until >= now - 600_000 + month && until < now + month + 2 * 86_400_000, "{object}");
        let name = object["key"].as_str().unwrap().strip_prefix("log/").unwrap();
        if name.starts_with("manifest-") {
            let manifest: Manifest =
                serde_json::from_slice(&std::fs::read(out.join("log").join(name)).unwrap()).unwrap();
            assert_eq!(name, format!("manifest-{:012}-{:012}.json", manifest.first, manifest.end - 1));
            chunks.insert(manifest.first, manifest);
        } else if name.starts_with("records-") {
            files.insert(name.to_owned());
        }
    }
    let named: BTreeSet<String> =
        chunks.values().flat_map(|manifest| manifest.files.iter().map(|file| file.name.clone())).collect();
    assert_eq!(files, named, "every file has its manifest, and nothing else is there");

    // Every index once, and all of it is the log.
    let keys: Vec<VerifyingKey> = {
        let (_, keys) = server.get("/v1/audit/keys");
        let found = keys.to_string();
        let vkeys = found.split('"').filter(|text| text.matches('+').count() >= 2);
        vkeys.filter_map(|text| text.parse().ok()).collect()
    };
    assert!(!keys.is_empty());
    let (mut tree, mut ids) = (Frontier::default(), BTreeSet::new());
    for manifest in chunks.values() {
        assert_eq!(manifest.first, tree.size(), "no gap and no overlap");
        for file in &manifest.files {
            let packed = std::fs::read(out.join("log").join(&file.name)).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&packed)), file.sha256);
            let mut lines = String::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut lines).unwrap();
            for line in lines.lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let entry: Entry = serde_json::from_value(line["entry"].clone()).unwrap();
                assert_eq!(line["index"], tree.size());
                assert!(line.get("record").is_some());
                tree.push(entry.leaf(), |_, _, _| {});
                ids.insert(entry.id);
            }
        }
        assert_eq!(tree.size(), manifest.end);
        let note = SignedNote::parse(&manifest.checkpoint).unwrap();
        note.verify(&keys).unwrap();
        let head = Checkpoint::parse(&note.text).unwrap();
        let proof: Vec<Hash> = manifest
            .consistency
            .iter()
            .map(|hash| STANDARD.decode(hash).unwrap().try_into().unwrap())
            .collect();
        verify_consistency(tree.size(), head.size, &proof, &tree.root(), &head.root).unwrap();
    }
    let head =
        Checkpoint::parse(&SignedNote::parse(&text(&server, "/v1/audit/checkpoint")).unwrap().text).unwrap();
    assert_eq!((tree.size(), tree.root()), (head.size, head.root), "what is in the bucket is the log");
    let key = dir.path().join("log.vkey");
    std::fs::write(&key, keys.iter().map(|key| format!("{key}\n")).collect::<String>()).unwrap();
    let verified =
        run(portcullis(&["audit", "verify", "--export"]).arg(out.join("log")).arg("--key").arg(&key));
    let said =
        String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
    assert_eq!(verified.status.code(), Some(0), "{said}");
    println!("audit verify: {}", said.trim_end().lines().next_back().unwrap_or_default());
    let missing = answered.iter().filter(|id| !ids.contains(*id)).count();
    assert_eq!(missing, 0, "every answered decision is in the bucket");
    println!(
        "{} answered decisions and {} records in {} chunks, {} objects, after {rounds:?}",
        answered.len(),
        tree.size(),
        chunks.len(),
        objects.len()
    );
}
