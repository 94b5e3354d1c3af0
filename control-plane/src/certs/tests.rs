use super::*;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// A TLS handshake between leaf and CA in Python's ssl (OpenSSL), an implementation that shares nothing with the one that
/// made them; strict, as Python 3.13 is by default.
const HANDSHAKE: &str = r#"
import ssl, sys
cert, key, ca, host = sys.argv[1:]
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain(cert, key)
client = ssl.create_default_context(cafile=ca); client.verify_flags |= ssl.VERIFY_X509_STRICT
a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
c = client.wrap_bio(a, b, server_hostname=host); s = server.wrap_bio(b, a, server_side=True)
done = set()
while len(done) < 2:
    for side in (c, s):
        try: side.do_handshake(); done.add(side)
        except ssl.SSLWantReadError: pass
        except ssl.SSLCertVerificationError as e: print("refused:", e.verify_message); sys.exit(0)
print("accepted")
"#;

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

fn plan() -> Plan {
    Plan {
        regions: vec!["us-east-1".to_owned(), "eu-central-1".to_owned()],
        also_allow_regions: vec!["us-west-2".to_owned()],
        extra_hosts: vec!["vpce-0a1b-cdef.bedrock-runtime.us-east-1.vpce.amazonaws.com".to_owned()],
        gateway_hosts: vec!["gateway.internal".to_owned(), "gateway".to_owned()],
        mount_path: None,
        days: 30,
        ca_days: 60,
    }
}

fn handshake(folder: &Path, leaf: &str, host: &str) -> String {
    let file = |name: String| folder.join(name).into_os_string();
    let output = Command::new("python3")
        .args(["-c", HANDSHAKE])
        .args([
            file(format!("{leaf}.pem")),
            file(format!("{leaf}.key")),
            file("ca.pem".to_owned()),
            host.into(),
        ])
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 runs");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn another_implementation_accepts_each_leaf_for_each_of_its_hosts_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    Directory::new(folder.path()).init(&plan(), None, false, now()).unwrap();
    let leaves = folder.path().join("leaves");
    for (leaf, host, expected) in [
        ("us-east-1", "bedrock-runtime.us-east-1.amazonaws.com", "accepted"),
        ("us-east-1", "bedrock-mantle.us-east-1.api.aws", "accepted"),
        ("eu-central-1", "bedrock-agent-runtime-fips.eu-central-1.api.aws", "accepted"),
        ("extra", "vpce-0a1b-cdef.bedrock-runtime.us-east-1.vpce.amazonaws.com", "accepted"),
        ("gateway", "gateway", "accepted"),
        ("us-east-1", "bedrock-runtime.eu-central-1.amazonaws.com", "refused"),
        ("us-east-1", "sts.us-east-1.amazonaws.com", "refused"),
    ] {
        let verdict = handshake(&leaves, leaf, host);
        println!("{leaf} for {host}: {verdict}");
        assert!(verdict.starts_with(expected), "{leaf} {host}: {verdict}");
    }
}

#[test]
fn a_stolen_ca_key_is_good_for_bedrock_hosts_only() {
    let now = now();
    let authority = Authority::create(&plan().permitted().unwrap(), Validity { now, days: 60 }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::File::create(folder.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    };
    write("ca.pem", authority.cert_pem());
    for (host, expected) in [
        ("bedrock-runtime.us-west-2.amazonaws.com", "accepted"),
        ("sts.us-east-1.amazonaws.com", "refused: permitted subtree violation"),
        ("console.aws.amazon.com", "refused: permitted subtree violation"),
        ("bank.example", "refused: permitted subtree violation"),
        ("10.0.0.1", "refused: excluded subtree violation"),
        ("::1", "refused: excluded subtree violation"),
    ] {
        let leaf = Leaf { name: "stolen".to_owned(), hosts: vec![host.to_owned()] };
        let issued = authority.issue(&leaf, Validity { now, days: 1 }).unwrap();
        write("stolen.pem", &issued.cert_pem);
        write("stolen.key", &issued.key_pem);
        let verdict = handshake(folder.path(), "stolen", host);
        println!("{host}: {verdict}");
        assert_eq!(verdict, expected, "{host}");
    }
}

#[test]
fn init_keeps_a_ca_that_is_there_and_keys_to_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    directory.init(&plan(), None, false, now()).unwrap();
    let ca = std::fs::read_to_string(directory.path("ca.pem")).unwrap();
    let error = directory.init(&plan(), None, false, now()).unwrap_err().to_string();
    println!("{error}");
    assert!(error.contains("--force"));
    assert_eq!(std::fs::read_to_string(directory.path("ca.pem")).unwrap(), ca);
    for name in ["ca.key", "leaves/us-east-1.key", "leaves/gateway.key"] {
        let mode = std::fs::metadata(directory.path(name)).unwrap().permissions().mode() & 0o777;
        println!("{name}: {mode:o}");
        assert_eq!(mode, 0o600, "{name}");
    }
    assert!(!directory.path("leaves/ca.key").exists(), "the CA's key stays out of what Envoy gets");
    directory.init(&plan(), None, true, now()).unwrap();
    assert_ne!(std::fs::read_to_string(directory.path("ca.pem")).unwrap(), ca);
}

#[test]
fn renewal_keeps_the_ca_and_changes_every_leaf_in_one_step() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    directory.init(&plan(), None, false, now()).unwrap();
    let leaves = directory.path("leaves");
    let (before, ca) = (files(&leaves), std::fs::read_to_string(directory.path("ca.pem")).unwrap());
    let generation = std::fs::read_link(leaves.join("..data")).unwrap();
    directory.renew(|plan| plan.regions.push("us-west-2".to_owned()), now()).unwrap();
    let after = files(&leaves);
    println!("{:?} -> {:?}", before.keys(), after.keys());
    assert_eq!(std::fs::read_to_string(directory.path("ca.pem")).unwrap(), ca);
    for (name, text) in &before {
        let same = name.ends_with(".sds.yaml") || name == "ca.pem";
        assert_eq!(after.get(name) == Some(text), same, "{name}");
    }
    assert_ne!(std::fs::read_link(leaves.join("..data")).unwrap(), generation);
    assert!(!leaves.join(generation).exists(), "the old generation is gone");
    assert_eq!(handshake(&leaves, "us-west-2", "bedrock.us-west-2.amazonaws.com"), "accepted");
    assert!(leaves.join("us-west-2.sds.yaml").is_symlink());

    directory.renew(|plan| plan.regions.retain(|region| region != "us-west-2"), now()).unwrap();
    assert!(
        !leaves.join("us-west-2.pem").is_symlink(),
        "what is no longer asked for leaves no dangling link"
    );
}

#[test]
fn renewal_says_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    let error = directory.renew(|_| (), now()).unwrap_err().to_string();
    println!("{error}");
    assert!(error.contains("is this a directory that `certs init` made?"));

    directory.init(&plan(), None, false, now()).unwrap();
    let before = files(&directory.path("leaves"));
    let error =
        directory.renew(|plan| plan.regions = vec!["ap-south-1".to_owned()], now()).unwrap_err().to_string();
    println!("{error}");
    assert!(error.contains("the CA may not certify `bedrock-runtime.ap-south-1.amazonaws.com`"));
    let error = directory.renew(|_| (), now() + Duration::from_secs(61 * 86_400)).unwrap_err().to_string();
    println!("{error}");
    assert!(error.contains("the CA has expired"));
    assert_eq!(files(&directory.path("leaves")), before, "nothing changed");

    let written = directory.renew(|plan| plan.days = 825, now()).unwrap();
    assert_eq!(written.leaves_expire, written.ca_expires, "no leaf outlives its CA");
}

#[test]
fn the_bundle_has_the_public_authorities_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("public.pem");
    std::fs::write(&public, "PUBLIC\n").unwrap();
    let directory = Directory::new(folder.path().join("a"));
    directory.init(&plan(), Some(&public), false, now()).unwrap();
    let bundle = std::fs::read_to_string(directory.path("bundle.pem")).unwrap();
    assert!(bundle.starts_with("-----BEGIN CERTIFICATE-----") && bundle.ends_with("PUBLIC\n"));
    let error = Directory::new(folder.path().join("b")).init(&plan(), Some(Path::new("/none")), false, now());
    let error = format!("{:#}", error.unwrap_err());
    println!("{error}");
    assert!(error.contains("cannot read `/none`"));
    assert!(!folder.path().join("b").exists(), "nothing half made");
}

#[test]
fn bad_names_make_nothing() {
    for (change, says) in [
        (Plan { regions: vec!["useast1".to_owned()], ..plan() }, "`useast1` is not an AWS region"),
        (
            Plan { extra_hosts: vec!["*.amazonaws.com".to_owned()], ..plan() },
            "`*.amazonaws.com` is not a host name",
        ),
        (Plan { gateway_hosts: vec!["10.0.0.1".to_owned()], ..plan() }, "`10.0.0.1` is not a host name"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = Directory::new(folder.path().join("c"))
            .init(&change, None, false, now())
            .unwrap_err()
            .to_string();
        println!("{error}");
        assert!(error.contains(says) && !folder.path().join("c").exists());
    }
}

#[test]
fn mounted_leaves_name_their_files_where_envoy_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    let plan = Plan { mount_path: Some("/etc/portcullis/tls/".to_owned()), ..plan() };
    directory.init(&plan, None, false, now()).unwrap();
    let sds = std::fs::read_to_string(directory.path("leaves/us-east-1.sds.yaml")).unwrap();
    println!("{sds}");
    assert!(sds.contains("certificate_chain: {filename: \"/etc/portcullis/tls/us-east-1.pem\"}"));
    assert!(sds.contains("watched_directory: {path: \"/etc/portcullis/tls\"}"));
}
