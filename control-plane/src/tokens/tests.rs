//! Tests of tokens and keys.

use super::*;
use crate::storage::StoredAgent;
use proptest::prelude::*;

fn tokens() -> (Tokens, String, String) {
    let data = NewToken::new(Kind::Data, "gate", &[1; 32], &[1; 6], 0);
    let admin = NewToken::new(Kind::Admin, "ops", &[2; 32], &[2; 6], 0);
    let tokens = Tokens::with_fixed([(Kind::Admin, "ops".to_owned(), admin.stored.sha256)]);
    tokens.reload(&[data.stored]);
    (tokens, data.secret, admin.secret)
}

#[test]
fn each_kind_opens_its_own_door() {
    let (tokens, data, admin) = tokens();
    let cases: [(Option<String>, Kind, Result<&str, Denied>); 10] = [
        (Some(format!("Bearer {data}")), Kind::Data, Ok("gate")),
        (Some(format!("bearer {data}")), Kind::Data, Ok("gate")),
        (Some(format!("Bearer {admin}")), Kind::Admin, Ok("ops")),
        (Some(format!("Bearer {data}")), Kind::Admin, Err(Denied::WrongKind)),
        (Some(format!("Bearer {admin}")), Kind::Data, Err(Denied::WrongKind)),
        (Some(format!("Bearer {data}x")), Kind::Data, Err(Denied::Unknown)),
        (Some("Bearer ".to_owned()), Kind::Data, Err(Denied::Unknown)),
        (Some(format!("Basic {data}")), Kind::Data, Err(Denied::Missing)),
        (Some(String::new()), Kind::Data, Err(Denied::Missing)),
        (None, Kind::Data, Err(Denied::Missing)),
    ];
    for (header, kind, expected) in &cases {
        let got = tokens.authenticate(header.as_deref().map(str::as_bytes), &[*kind], 1);
        assert_eq!(
            got.as_ref().map(|caller| &*caller.name),
            expected.as_ref().map(|name| *name),
            "{header:?} {kind:?}"
        );
    }
    println!("compared {} presentations", cases.len());
}

#[test]
fn a_revoked_token_opens_nothing() {
    let (tokens, data, _) = tokens();
    let mut stored = NewToken::new(Kind::Data, "gate", &[1; 32], &[1; 6], 0).stored;
    stored.revoked_at_ms = Some(1);
    tokens.reload(&[stored]);
    let got = tokens.authenticate(Some(format!("Bearer {data}").as_bytes()), &[Kind::Data], 1);
    assert_eq!(got, Err(Denied::Unknown));
    assert!(tokens.is_empty(Kind::Data));
    assert!(!tokens.is_empty(Kind::Admin));
}

#[test]
fn a_token_is_good_until_its_last_millisecond() {
    let tokens = Tokens::default();
    let NewToken { secret, mut stored } = NewToken::new(Kind::Agent, "agent", &[4; 32], &[4; 6], 0);
    stored.expires_at_ms = Some(1_000);
    stored.agent = Some(StoredAgent { id: "A1".to_owned(), tenant: None, tools: vec!["get_*".to_owned()] });
    tokens.reload(std::slice::from_ref(&stored));
    let header = format!("Bearer {secret}");
    let at = |now_ms, kinds: &[Kind]| tokens.authenticate(Some(header.as_bytes()), kinds, now_ms);
    let caller = at(999, &[Kind::Data, Kind::Agent]).unwrap();
    let scope = caller.agent.unwrap();
    assert_eq!((scope.id.as_str(), scope.tools.select(&["get_x"])), ("A1", true));
    assert_eq!(at(1_000, &[Kind::Agent]), Err(Denied::Expired));
    assert_eq!(at(999, &[Kind::Data, Kind::Admin]), Err(Denied::WrongKind));
    // What cannot be read covers nothing, so it opens nothing.
    stored.agent = Some(StoredAgent { tools: vec!["[".to_owned()], ..StoredAgent::default() });
    tokens.reload(&[stored]);
    assert_eq!(at(1, &[Kind::Agent]), Err(Denied::Unknown));
}

#[test]
fn tokens_have_the_documented_shape_and_never_show() {
    let token = NewToken::new(Kind::Data, "gate", &[0xff; 32], &[0; 6], 7);
    assert_eq!(token.secret.len(), "pcl_data_".len() + 43);
    assert!(token.secret.starts_with("pcl_data_"));
    assert!(!format!("{token:?}").contains(&token.secret));
}

fn master(byte: u8) -> MasterKey {
    use base64::Engine;
    MasterKey::parse(&base64::engine::general_purpose::STANDARD.encode([byte; 32]), "test").unwrap()
}

#[test]
fn virtual_keys_look_like_aws_keys_and_are_sealed() {
    let (id, secret) = aws_pair(&[0xfe; 46]);
    let made = NewAwsKey::new(id, secret, "app", "payments", Some("emea"), &master(1), 5).unwrap();
    assert_eq!(made.key.access_key_id.len(), 20);
    assert!(made.key.access_key_id.starts_with("AKIA"));
    assert_eq!(made.key.secret.len(), 40);
    let secret = made.key.secret.as_bytes();
    assert!(!made.stored.sealed_secret.windows(secret.len()).any(|window| window == secret));
    assert!(!format!("{:?}", made.key).contains(&made.key.secret));

    let keys = AwsKeys::default();
    assert!(keys.reload(std::slice::from_ref(&made.stored), &master(1)).is_empty());
    assert_eq!(keys.get(&made.key.access_key_id).as_deref(), Some(&made.key));
    assert_eq!(keys.reload(&[made.stored], &master(2)).len(), 1, "another master key opens nothing");
    assert_eq!(keys.get(&made.key.access_key_id), None);
}

proptest! {
    #[test]
    fn seals_open_for_their_owner_only(owner in "[a-z]{1,8}", other in "[A-Z]{1,8}", secret in ".{0,60}", at: prop::sample::Index) {
        let master = master(3);
        let sealed = master.seal(&owner, &secret).unwrap();
        prop_assert_eq!(master.open(&owner, &sealed).unwrap(), secret);
        prop_assert!(master.open(&other, &sealed).is_err());
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1;
        prop_assert!(master.open(&owner, &changed).is_err());
        prop_assert!(master.open(&owner, &sealed[..sealed.len() - 1]).is_err());
    }
}

#[test]
fn a_master_key_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = MasterKey::load_or_create(dir.path()).unwrap().seal("a", "secret").unwrap();
    assert_eq!(MasterKey::load_or_create(dir.path()).unwrap().open("a", &sealed).unwrap(), "secret");
    std::fs::write(dir.path().join("master.key"), "short").unwrap();
    assert!(matches!(MasterKey::load_or_create(dir.path()), Err(MasterKeyError::Malformed(_))));
}
