//! Tests of the configuration.

use super::*;

fn yaml(text: &str) -> Result<Config, ConfigError> {
    Config::check(RawConfig::from_yaml(Path::new("portcullis.yaml"), text)?, Secrets::default())
}

#[test]
fn nothing_said_is_the_documented_default() {
    let config = yaml("").unwrap();
    assert_eq!(config.data_addr.to_string(), "127.0.0.1:8181");
    assert_eq!(config.admin_addr.to_string(), "127.0.0.1:8180");
    assert_eq!(config.settings, Settings::default());
    assert_eq!((config.data_threads, config.bundle, config.tokens.len()), (1, None, 0));
}

#[test]
fn flags_win_over_the_file() {
    let file =
        RawConfig::from_yaml(Path::new("f"), "data_addr: 127.0.0.1:1\noutcome_deadline: 2m\n").unwrap();
    let flags = RawConfig { data_addr: Some("unix:/run/p.sock".to_owned()), ..RawConfig::default() };
    let config = Config::check(flags.or(file), Secrets::default()).unwrap();
    assert_eq!(config.data_addr, Address::Unix("/run/p.sock".into()));
    assert_eq!(config.settings.outcome_deadline, Duration::from_secs(120));
}

#[test]
fn nonsense_is_refused_with_a_hint() {
    let cases = [
        ("data_adr: x", "data_adr"),
        ("data_addr: localhost", "127.0.0.1:8181"),
        ("data_addr: unix:relative", "absolute"),
        ("outcome_deadline: soon", "15m"),
        ("commit_timeout: 0s", "commit_timeout"),
        ("data_threads: 0", "data_threads"),
        ("data_token_sha256: [abc]", "sha256sum"),
        ("admin_token_file: [/does/not/exist]", "/does/not/exist"),
        ("bundle_keys: [abc]", "minisign"),
        ("bundle_keys: abc", "bundle_keys"),
        ("require_signed_bundles: true", "bundle_keys"),
        ("require_signed_bundles: [yes]", "require_signed_bundles"),
        ("[1, 2]", "portcullis.yaml"),
        ("data_addr: [", "portcullis.yaml"),
    ];
    for (text, hint) in cases {
        let error = yaml(text).unwrap_err().to_string();
        assert!(error.contains(hint), "{text}: {error}");
    }
    println!("compared {} errors", cases.len());
}

#[test]
fn keys_of_bundles_are_read_and_flags_win() {
    let key = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    let minisign = "RWRmAp9ttFa1x5MsipyYIh8pM+wRC9SBwkoVIwLC8TEWbhLYw81Nv0ue";
    let text = format!("bundle_keys: [\"{key}\", {minisign}]\nrequire_signed_bundles: true\n");
    let trust = yaml(&text).unwrap().trust;
    let names: Vec<_> = trust.keys.iter().map(crate::bundle::BundleKey::name).collect();
    println!("{names:?}");
    assert!(trust.required && names[0].starts_with("ed25519:") && names[1] == "minisign:C7B556B46D9F0266");
    let file = RawConfig::from_yaml(Path::new("f"), &text).unwrap();
    let flags = RawConfig { require_signed_bundles: Some(false), ..RawConfig::default() };
    assert!(!Config::check(flags.or(file), Secrets::default()).unwrap().trust.required);
}

#[test]
fn tokens_come_from_files_hashes_and_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "pcl_admin_0123456789abcdef\n").unwrap();
    let raw = RawConfig {
        admin_token_file: Some(vec![file.clone()]),
        data_token_sha256: Some(vec!["ab".repeat(32)]),
        ..RawConfig::default()
    };
    let secrets = Secrets::from_env(|name| {
        (name == "PORTCULLIS_BOOTSTRAP_DATA_TOKEN").then(|| "pcl_data_0123456789abcdef".to_owned())
    });
    let config = Config::check(raw.clone(), secrets).unwrap();
    let kinds: Vec<_> = config.tokens.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [Kind::Data, Kind::Admin, Kind::Data]);
    assert_eq!(
        config.tokens[1].2,
        sha256(b"pcl_admin_0123456789abcdef"),
        "the line end is no part of the token"
    );

    std::fs::write(&file, "short").unwrap();
    let error = Config::check(raw, Secrets::default()).unwrap_err().to_string();
    assert!(error.contains("20 characters"), "{error}");
}

/// The configurations in docs/audit.md are ones that would be taken.
#[test]
fn what_the_audits_page_shows_is_a_configuration() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/audit.md");
    let page = std::fs::read_to_string(page).unwrap();
    let samples: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(sample, _)| sample)
        .filter(|sample| sample.starts_with("# portcullis.yaml"))
        .collect();
    let (mut exports, mut kept) = (0, 0);
    for sample in &samples {
        let raw = RawConfig::from_yaml(Path::new("portcullis.yaml"), sample);
        let raw = raw.unwrap_or_else(|error| panic!("{error}:\n{sample}"));
        let variable = |name: &str| match name {
            "SIEM_URL" => Some("https://siem.example/in".to_owned()),
            name => Some(format!("a-secret-called-{name}-0123456789")),
        };
        let secrets = Secrets::default().with_named(&raw, variable);
        // Keys of witnesses and files are examples; everything else must hold.
        match Config::check(raw, secrets) {
            Ok(config) => {
                exports += config.audit.exports.len();
                kept += config.audit.retention.keep.len();
            }
            Err(error) => assert!(!error.to_string().contains("audit.exports"), "{error}:\n{sample}"),
        }
    }
    println!("{} samples, {exports} exports, {kept} kinds with a time", samples.len());
    assert!(exports >= 3 && kept >= 6);
}

/// What the documentation shows of the audit's own part is taken as it is.
#[test]
fn samples_of_the_audit_are_configurations() {
    let page = include_str!("../../../docs/audit.md");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let ours = blocks.filter(|block| block.contains("sinks:") || block.contains("redaction:"));
    let mut loaded = 0;
    for block in ours {
        let raw = RawConfig::from_yaml(Path::new("portcullis.yaml"), block).unwrap();
        let config =
            Config::check(raw, Secrets::default()).unwrap_or_else(|error| panic!("{error}: {block}"));
        println!("{:?} {:?}", config.audit.sinks, config.audit.redaction);
        loaded += 1;
    }
    assert_eq!(loaded, 2);
}
