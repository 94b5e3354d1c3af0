//! An Envoy with every entrance, and an upstream that writes down what it gets.

use portcullis::certs::{Authority, Directory, Leaf, Plan, Validity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// The smallest module that Envoy takes as a filter: it has the ABI's version, memory and an allocator, and no callbacks, so
/// that requests pass. It stands for the gate where the configuration around it is tested.
const STAND_IN: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x09\x02\x60\0\0\x60\x01\x7f\x01\x7f\
    \x03\x03\x02\0\x01\
    \x05\x03\x01\0\x01\
    \x07\x3f\x03\x06memory\x02\0\x17proxy_abi_version_0_2_1\0\0\x18proxy_on_memory_allocate\0\x01\
    \x0a\x09\x02\x02\0\x0b\x04\0\x41\0\x0b";

/// Where Envoy is, if it is.
pub(crate) fn envoy() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("PORTCULLIS_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("portcullis")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/portcullis")));
    let found =
        set("ENVOY").or_else(|| cache.map(|cache| cache.join("bin/envoy")).filter(|path| path.exists()));
    if found.is_none() {
        let required = std::env::var("PORTCULLIS_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "envoy"),
            "no Envoy: run `cargo xtask setup`, or set ENVOY"
        );
        println!("SKIPPED, no Envoy: run `cargo xtask setup`, or set ENVOY");
    }
    found
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

pub(crate) fn stand_in(folder: &Path) -> PathBuf {
    let path = folder.join("stand-in.wasm");
    std::fs::write(&path, STAND_IN).unwrap();
    path
}

pub(crate) fn certificates(folder: &Path, regions: &[&str]) -> Directory {
    let directory = Directory::new(folder.join("certs"));
    let plan = Plan {
        regions: regions.iter().map(|region| (*region).to_owned()).collect(),
        also_allow_regions: Vec::new(),
        extra_hosts: Vec::new(),
        gateway_hosts: Vec::new(),
        mount_path: None,
        days: 2,
        ca_days: 2,
    };
    directory.init(&plan, None, false, now()).unwrap();
    directory
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// A running Envoy.
pub(crate) struct Gate {
    pub(crate) certs: Directory,
    pub(crate) upstream: Upstream,
    ports: serde_json::Value,
    envoy: Child,
    _folder: tempfile::TempDir,
}

impl Gate {
    pub(crate) fn start() -> Option<Self> {
        envoy()?;
        Self::start_with(Upstream::start(&[
            "bedrock-runtime.us-east-1.amazonaws.com",
            "bedrock-agent-runtime.us-east-1.amazonaws.com",
            "bedrock-agent-runtime.us-west-2.amazonaws.com",
        ]))
    }

    pub(crate) fn start_with(upstream: Upstream) -> Option<Self> {
        let program = envoy()?;
        let folder = tempfile::tempdir().unwrap();
        let certs = certificates(folder.path(), &["us-east-1", "us-west-2"]);
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("upstream-ca.pem"), &upstream.ca_pem).unwrap();
        let gateway = format!(
            r#"
regions: [us-east-1, us-west-2]
listeners:
  egress: {{address: 127.0.0.1, port: 0}}
  transparent: {{address: 127.0.0.1, port: 0}}
  gateway:
    address: 127.0.0.1
    port: 0
    region: us-east-1
    credential: {{access_key_id: AKIAGATEWAY, secret_access_key: secret}}
control_plane: {{address: "127.0.0.1:1"}}
filter: {{path: {wasm}}}
tls: {{dir: {leaves}}}
upstream: {{address: "127.0.0.1:{port}", ca_file: {ca}}}
admin: {{port: 0}}
"#,
            wasm = stand_in(folder.path()).display(),
            leaves = certs.path("leaves").display(),
            port = upstream.port,
            ca = file("upstream-ca.pem").display(),
        );
        let bootstrap = portcullis_envoy::render(&portcullis_envoy::Config::parse(&gateway).unwrap());
        std::fs::write(file("bootstrap.yaml"), bootstrap).unwrap();
        let log = std::fs::File::create(file("envoy.log")).unwrap();
        let mut envoy = Command::new(program)
            // With hot restart Envoy asks the kernel to be ended with the thread that started it, here one test's.
            .args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning", "-c"])
            .arg(file("bootstrap.yaml"))
            .arg("--admin-address-path")
            .arg(file("admin"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut ports = serde_json::Value::Null;
        eventually("Envoy listens", || {
            if let Some(status) = envoy.try_wait().unwrap() {
                panic!("Envoy ended ({status}): {}", std::fs::read_to_string(file("envoy.log")).unwrap());
            }
            let Ok(admin) = std::fs::read_to_string(file("admin")) else { return false };
            let listeners = get_json(&admin, "/listeners?format=json");
            let count = listeners["listener_statuses"].as_array().map_or(0, Vec::len);
            ports = listeners;
            count == 5
        });
        Some(Self { certs, upstream, ports, envoy, _folder: folder })
    }

    pub(crate) fn tcp(&self, listener: &str) -> TcpStream {
        let listeners = self.ports["listener_statuses"].as_array().unwrap();
        let of = listeners.iter().find(|status| status["name"] == listener).unwrap();
        let port = of["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
        let stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// TLS to a host through an entrance, trusting the gate's CA alone.
    pub(crate) fn tls(&self, way: &str, host: &str) -> std::io::Result<Tls> {
        let mut stream = self.tcp(way);
        if way == "egress" {
            stream
                .write_all(format!("CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n").as_bytes())?;
            let answer = read_head(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certs.path("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    /// The certificate that an entrance shows for a host.
    pub(crate) fn leaf(&self, way: &str, host: &str) -> Vec<u8> {
        self.tls(way, host).unwrap().conn.peer_certificates().unwrap()[0].to_vec()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _gone = self.envoy.kill();
        let _reaped = self.envoy.wait();
    }
}

/// A TLS server that answers 503 to everything and keeps every request's head.
pub(crate) struct Upstream {
    ca_pem: String,
    port: u16,
    seen: mpsc::Receiver<(String, String)>,
}

impl Upstream {
    pub(crate) fn start(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let validity = Validity { now: now(), days: 2 };
        let authority = Authority::create(&names, validity).unwrap();
        let issued = authority.issue(&Leaf { name: "upstream".to_owned(), hosts: names }, validity).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap(),
            )
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, sender) = (Arc::clone(&config), sender.clone());
                std::thread::spawn(move || serve(stream, config, &sender));
            }
        });
        Self { ca_pem: authority.cert_pem().to_owned(), port, seen }
    }

    /// Server name and head of the next request.
    pub(crate) fn next(&self) -> (String, String) {
        self.seen.recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn nothing_more(&self) -> bool {
        self.seen.try_recv().is_err()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, sender: &mpsc::Sender<(String, String)>) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    loop {
        let head = read_head(&mut stream);
        if head.is_empty() {
            return;
        }
        let mut body = [0_u8; 4];
        if head.contains("content-length: 4") && stream.read_exact(&mut body).is_err() {
            return;
        }
        let name = stream.conn.server_name().unwrap_or_default().to_owned();
        if sender.send((name, head)).is_err()
            || stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").is_err()
        {
            return;
        }
    }
}

/// Reads to the end of a head, without the empty line; empty at the end of the stream.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0_u8]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return String::new(),
        }
    }
    head.truncate(head.len() - 2);
    String::from_utf8(head).unwrap()
}

/// Reads a head and the body that its content-length announces.
pub(crate) fn read_answer(stream: &mut impl Read) -> String {
    let head = read_head(stream);
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8_lossy(&body)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn get_json(address: &str, path: &str) -> serde_json::Value {
    let body = ureq::get(format!("http://{address}{path}"))
        .call()
        .ok()
        .and_then(|mut r| r.body_mut().read_to_string().ok());
    body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default()
}
