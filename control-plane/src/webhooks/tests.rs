//! Webhooks against receivers that hang, refuse, fail and come back.

use super::*;
use crate::app::{App, KeyRing, Settings};
use crate::bundle::ActiveBundle;
use crate::clock;
use crate::storage::{OpenError, SqliteOptions, SqliteStore, Store};
use crate::telemetry::Telemetry;
use crate::tokens::{MasterKey, Tokens};
use portcullis_approvals::{Approval, Approver, Context, Step, Subject};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What a receiver does with a request.
#[derive(Debug, Clone)]
enum Does {
    Answer(u16),
    Redirect(String),
    Close,
    Hang,
}

/// A request as received.
#[derive(Debug)]
struct Seen {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `approval.pending apr_1`
    fn what(&self) -> String {
        let body = self.json();
        format!("{} {}", body["type"].as_str().unwrap(), body["approval"]["id"].as_str().unwrap())
    }
}

/// A receiver that does one thing after the other, and then the last for ever. It ends with the test's process: each of its
/// threads sits in `accept` or holds a connection open, on loopback.
fn receiver(listener: TcpListener, script: Vec<Does>) -> (SocketAddr, mpsc::Receiver<Seen>) {
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for at in 0.. {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let does = script.get(at).or(script.last()).cloned().unwrap_or(Does::Answer(200));
            if matches!(does, Does::Close) {
                continue;
            }
            let Some(seen) = request(&stream) else { continue };
            let _ = tell.send(seen);
            let answer = match does {
                Does::Answer(status) => format!("HTTP/1.1 {status} X\r\n"),
                Does::Redirect(to) => format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\n"),
                Does::Hang | Does::Close => {
                    open.push(stream);
                    continue;
                }
            };
            let _ = stream
                .write_all(format!("{answer}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
        }
    });
    (address, told)
}

fn request(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { headers, body })
}

fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn hook(name: &str, address: SocketAddr) -> Webhook {
    Webhook {
        name: name.to_owned(),
        url: format!("http://{address}/hook"),
        secret: Some(SECRET.as_bytes().to_vec()),
        ca: None,
        format: Format::Json,
        events: Vec::new(),
    }
}

struct Control {
    app: Arc<App>,
    dispatchers: Vec<JoinHandle<()>>,
}

async fn control(dir: &Path, webhooks: Vec<Webhook>) -> Control {
    // A process that another test starts just then holds the lock too, until it has become its program.
    let store: Arc<dyn Store> = loop {
        match SqliteStore::open(SqliteOptions::new(dir)) {
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            result => break Arc::new(result.unwrap()),
        }
    };
    store.subscribe(webhooks.iter().map(Webhook::subscription).collect());
    let master = MasterKey::load_or_create(dir).unwrap();
    let keys = KeyRing::load(Arc::clone(&store), Tokens::default(), master).await.unwrap();
    let mut app =
        App::load(store, ActiveBundle::empty(), keys, Telemetry::new(), Settings::default()).await.unwrap();
    app.desk.link = Some("https://gate.example/approvals/{id}".to_owned());
    let app = Arc::new(app);
    let dispatchers = webhooks
        .into_iter()
        .map(|webhook| tokio::spawn(Dispatcher::new(Arc::clone(&app), webhook).hasty().run()))
        .collect();
    Control { app, dispatchers }
}

impl Control {
    async fn stop(self) {
        for dispatcher in self.dispatchers {
            dispatcher.abort();
            let _ = dispatcher.await;
        }
        let store = Arc::downgrade(&self.app.store);
        drop(self.app);
        while store.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn ask(&self, id: &str) {
        let now = clock::unix_ms();
        let approval = Approval {
            id: id.to_owned(),
            rule: "big <spender>".to_owned(),
            message: Some("Is <!channel> & co. right?\nPrincipal: *ceo*\u{202e}".to_owned()),
            digest: format!("{:0>64}", hex::encode(id)),
            call: Subject {
                principal: "billing".to_owned(),
                operation: "Converse".to_owned(),
                models: vec!["amazon.nova-lite-v1:0".to_owned()],
                ..Subject::default()
            },
            context: Context { source: Some("10.0.0.1".to_owned()), ..Context::default() },
            created_at_ms: now,
            expires_at_ms: now + 60_000,
            valid_for_ms: 60_000,
            ..Approval::default()
        };
        self.app.store.ask(approval.asked()).await.unwrap();
    }

    async fn approve(&self, id: &str) {
        let by = Approver { name: "alice".to_owned(), principal: None };
        let step = Step::Approve { by, why: "fine".to_owned() };
        self.app.store.step(id.to_owned(), step, clock::unix_ms()).await.unwrap().unwrap();
    }

    /// Until nothing is in the outbox of that webhook.
    async fn done(&self, webhook: &str) {
        while self.app.store.deliveries(webhook.to_owned(), 0, 1).await.unwrap().1.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits for the next request, off the runtime's threads.
async fn next(told: &mut Option<mpsc::Receiver<Seen>>) -> Seen {
    let receiver = told.take().unwrap();
    let (seen, receiver) = tokio::task::spawn_blocking(move || {
        (receiver.recv_timeout(Duration::from_secs(20)).expect("a request within 20 s"), receiver)
    })
    .await
    .unwrap();
    *told = Some(receiver);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_tried_again_in_order_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let listener = bind();
    let address = listener.local_addr().unwrap();
    drop(listener);
    // Nobody listens: connections are refused.
    let control_plane = control(dir.path(), vec![hook("ops", address)]).await;
    control_plane.ask("apr_1").await;
    control_plane.approve("apr_1").await;
    control_plane.ask("apr_2").await;
    while !control_plane.app.telemetry.render().contains("result=\"failed\"") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    control_plane.stop().await;

    let script =
        vec![Does::Answer(500), Does::Close, Does::Answer(503), Does::Answer(429), Does::Answer(204)];
    let (_, told) = receiver(TcpListener::bind(address).unwrap(), script);
    let mut told = Some(told);
    let control_plane = control(dir.path(), vec![hook("ops", address)]).await;
    control_plane.done("ops").await;
    let mut seen: Vec<(String, String)> = Vec::new();
    while let Ok(request) = told.as_mut().unwrap().try_recv() {
        seen.push((request.what(), request.header(DELIVERY_HEADER).to_owned()));
    }
    println!("{seen:?}");
    let of = |id: &str| seen.iter().filter(|(what, _)| what.ends_with(id)).collect::<Vec<_>>();
    let (pending, approved): (Vec<_>, Vec<_>) =
        of("apr_1").into_iter().partition(|(what, _)| what.starts_with("approval.pending"));
    let last_pending = seen.iter().rposition(|seen| seen == pending[0]).unwrap();
    let first_approved = seen.iter().position(|seen| seen == approved[0]).unwrap();
    assert!(last_pending < first_approved, "of one approval in order");
    assert!(pending.iter().all(|(_, id)| *id == pending[0].1), "a delivery keeps its id");
    assert!(!of("apr_2").is_empty());
    assert!(seen.len() >= 6, "three that arrive and three that do not");
    control_plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_delays_neither_another_nor_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (hangs, hung) = receiver(bind(), vec![Does::Hang]);
    let (works, told) = receiver(bind(), vec![Does::Answer(200)]);
    let (mut hung, mut told) = (Some(hung), Some(told));
    let control_plane = control(dir.path(), vec![hook("hangs", hangs), hook("works", works)]).await;
    let at = Instant::now();
    control_plane.ask("apr_0").await;
    next(&mut hung).await;
    for n in 1..20 {
        control_plane.ask(&format!("apr_{n}")).await;
        control_plane.approve(&format!("apr_{n}")).await;
    }
    let committed = at.elapsed();
    for _ in 0..39 {
        next(&mut told).await;
    }
    println!(
        "39 changes durable after {committed:?}, told after {:?}, while one webhook hangs",
        at.elapsed()
    );
    assert!(at.elapsed() < Duration::from_secs(5), "less than the time that the other hangs for");
    while !control_plane.app.telemetry.render().contains("webhook=\"hangs\",result=\"failed\"") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(at.elapsed() < Duration::from_secs(10), "it is not waited for long: {:?}", at.elapsed());
    control_plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (elsewhere, stolen) = receiver(bind(), vec![Does::Answer(200)]);
    let script = vec![Does::Redirect(format!("http://{elsewhere}/")), Does::Answer(200)];
    let (address, told) = receiver(bind(), script);
    let control_plane = control(dir.path(), vec![hook("moved", address)]).await;
    control_plane.ask("apr_1").await;
    control_plane.done("moved").await;
    assert_eq!(told.try_iter().count(), 2, "it was no delivery, and is tried again");
    assert!(stolen.try_recv().is_err());
    control_plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_signature_verifies_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let (address, told) = receiver(bind(), vec![Does::Answer(200)]);
    let control_plane = control(dir.path(), vec![hook("ops", address)]).await;
    control_plane.ask("apr_1").await;
    let seen = next(&mut Some(told)).await;
    let header = seen.header(SIGNATURE_HEADER).to_owned();
    let body = seen.json();
    assert_eq!((&body["type"], &body["approval"]["id"]), (&"approval.pending".into(), &"apr_1".into()));
    assert_eq!(body["id"], seen.header(DELIVERY_HEADER));
    assert_eq!(body["link"], "https://gate.example/approvals/apr_1");
    assert_eq!(body["approval"]["call"]["operation"], "Converse");

    // With another implementation of HMAC.
    let (time, hex_mac) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert!(clock::unix_ms() / 1_000 - time.parse::<u64>().unwrap() < 60);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = [time.as_bytes(), b".", &seen.body].concat();
    ring::hmac::verify(&key, &signed, &hex::decode(hex_mac).unwrap()).unwrap();

    // With the lines of Python that the documentation gives.
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/approvals.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let snippet = docs.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let python = std::env::var("PORTCULLIS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let run = |header: &str, body: &[u8]| {
        let program = format!(
            "{snippet}\nimport sys\nprint(verify(sys.argv[1].encode(), sys.argv[2], sys.stdin.buffer.read()))"
        );
        let mut child = std::process::Command::new(&python)
            .args(["-c", &program, SECRET, header])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(body).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let old = signature(SECRET.as_bytes(), 1_000_000_000, &seen.body);
    let mut forged = seen.body.clone();
    forged.push(b' ');
    let cases = [
        (header.as_str(), &seen.body, "True"),
        (header.as_str(), &forged, "False"),
        (old.as_str(), &seen.body, "False"),
        ("t=1,v1=00", &seen.body, "False"),
    ];
    for (header, body, expected) in cases {
        assert_eq!(run(header, body), expected, "{header}");
    }
    println!("compared {} signatures with ring and Python", cases.len() + 1);
    control_plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_shows_it_and_callers_cannot_mention_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let (address, told) = receiver(bind(), vec![Does::Answer(200)]);
    let webhook = Webhook { format: Format::Slack, secret: None, ..hook("slack", address) };
    let control_plane = control(dir.path(), vec![webhook]).await;
    let mut told = Some(told);
    control_plane.ask("apr_1").await;
    let asked = next(&mut told).await;
    assert!(asked.headers.iter().all(|(name, _)| name != SIGNATURE_HEADER));
    let asked = asked.json();
    assert_eq!(asked["text"], "Approval needed: `big &lt;spender&gt;`");
    let blocks = asked["blocks"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] == "section"), "{asked:#}");
    let text = asked.to_string();
    assert!(text.contains("Is &lt;!channel&gt; &amp; co. right?") && !text.contains("<!channel>"), "{text}");
    // A caller writes no lines and no bold letters of the message.
    assert_eq!(blocks[1]["text"]["type"], "plain_text");
    assert_eq!(blocks[1]["text"]["text"], "Is &lt;!channel&gt; &amp; co. right?\\nPrincipal: *ceo*\\u{202e}");
    assert!(
        blocks[2]["fields"].as_array().unwrap().iter().all(|field| field["type"] == "plain_text"),
        "{text}"
    );
    for shown in
        ["billing", "Converse", "amazon.nova-lite-v1:0", "10.0.0.1", "portcullis approvals approve apr_1"]
    {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(text.contains("<https://gate.example/approvals/apr_1|Answer>"), "{text}");
    control_plane.approve("apr_1").await;
    let approved = next(&mut told).await.json();
    assert_eq!(approved["text"], "Approval approved by alice: `big &lt;spender&gt;`");
    control_plane.stop().await;
}

#[test]
fn webhooks_that_make_no_sense_are_refused_with_a_hint() {
    let variable = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
    let check = |yaml: &str| {
        let raw: RawWebhook = serde_yaml_ng::from_str(yaml).map_err(|error| error.to_string())?;
        Webhook::check(raw, &variable).map_err(|error| error.to_string())
    };
    let good =
        check("{name: ops, url: 'https://x.example/h', secret_env: SECRET, events: [approval.pending]}")
            .unwrap();
    assert_eq!((good.format, good.events.len()), (Format::Json, 1));
    assert!(!format!("{good:?}").contains(SECRET) && !format!("{good:?}").contains("x.example"));
    let slack = check("{name: s, url_env: SECRET, format: slack}").unwrap_err();
    assert!(slack.contains("https://") && !slack.contains(SECRET), "the URL may be a secret: {slack}");
    check("{name: s, url: 'https://hooks.example/x', format: slack}").unwrap();
    let cases = [
        ("{name: '', url: 'http://x/', secret_env: SECRET}", "`name`"),
        ("{name: 'a b', url: 'http://x/', secret_env: SECRET}", "`name`"),
        ("{name: a, secret_env: SECRET}", "`url_file`"),
        ("{name: a, url: 'ftp://x/', secret_env: SECRET}", "https://"),
        ("{name: a, url: 'http://u:p@x/', secret_env: SECRET}", "password"),
        ("{name: a, url: '/x', secret_env: SECRET}", "https://"),
        ("{name: a, url: 'http://x/'}", "secret_env"),
        ("{name: a, url: 'http://x/', secret_env: NOT_SET}", "NOT_SET"),
        ("{name: a, url: 'http://x/', secret_file: /does/not/exist}", "/does/not/exist"),
        ("{name: a, url: 'http://x/', secret_env: SECRET, secret_file: f}", "more than once"),
        ("{name: a, url: 'http://x/', secret_env: SECRET, format: teams}", "slack"),
        ("{name: a, url: 'http://x/', secret_env: SECRET, events: [approval.maybe]}", "approval.pending"),
        ("{name: a, url: 'http://x/', secret: abc}", "secret"),
    ];
    for (yaml, hint) in cases {
        let error = check(yaml).unwrap_err();
        assert!(error.contains(hint), "{yaml}: {error}");
    }
    println!("compared {} errors", cases.len());
}
