//! Versions, activations and the pin.

use super::super::*;
use super::open;

fn version(digit: char, signed_by: Option<&str>) -> BundleVersion {
    BundleVersion {
        digest: digit.to_string().repeat(64),
        name: format!("bundle-{digit}"),
        version: "1".to_owned(),
        rules: 3,
        source: "api".to_owned(),
        signed_by: signed_by.map(str::to_owned),
        stored_at_ms: 7,
        actor: "alice".to_owned(),
        why: "because".to_owned(),
        activated: None,
    }
}

fn act(digit: char, why: &str) -> BundleAct {
    BundleAct { digest: digit.to_string().repeat(64), at_ms: 8, actor: "bob".to_owned(), why: why.to_owned() }
}

fn event(what: &str) -> Event {
    Event { kind: EventKind::Bundle, actor: "alice".to_owned(), detail: serde_json::json!({ "what": what }) }
}

fn upload(digit: char, signed_by: Option<&str>, archive: &[u8]) -> BundleChange {
    BundleChange {
        version: Some((version(digit, signed_by), archive.to_vec())),
        if_new: Some(event("uploaded")),
        ..BundleChange::default()
    }
}

fn activate(digit: char, why: &str, pin: PinChange) -> BundleChange {
    BundleChange { activation: Some(act(digit, why)), pin, ..BundleChange::default() }
}

#[tokio::test]
async fn a_digest_is_one_version_and_a_signature_may_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(store.change_bundles(upload('a', None, b"files")).await.unwrap());
    assert!(!store.change_bundles(upload('a', None, b"other")).await.unwrap(), "it is there");
    let (found, archive) = store.bundle_version("a".repeat(64)).await.unwrap().unwrap();
    assert_eq!((found, archive.as_slice()), (version('a', None), &b"files"[..]), "the first stays");
    assert!(!store.change_bundles(upload('a', Some("key"), b"files and signature")).await.unwrap());
    assert!(!store.change_bundles(upload('a', None, b"files")).await.unwrap());
    let (found, archive) = store.bundle_version("a".repeat(64)).await.unwrap().unwrap();
    assert_eq!((found, archive.as_slice()), (version('a', Some("key")), &b"files and signature"[..]));
    assert_eq!(store.events(None, 10).await.unwrap().len(), 1, "one upload was news");

    store.change_bundles(upload('b', None, b"")).await.unwrap();
    let names = async |prefix: &str, limit| {
        let found = store.bundle_versions(prefix.to_owned(), limit).await.unwrap();
        found.into_iter().map(|version| version.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", 10).await, ["bundle-b", "bundle-a"], "newest first");
    assert_eq!(
        (names("aa", 10).await, names("", 1).await),
        (vec!["bundle-a".into()], vec!["bundle-b".into()])
    );
    assert!(names("%", 10).await.is_empty() && names(&"a".repeat(65), 10).await.is_empty());
    assert!(store.bundle_version("a".repeat(63)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_active_before_is_known_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for digit in ['a', 'b', 'c'] {
        store.change_bundles(upload(digit, None, b"x")).await.unwrap();
    }
    let before = async |store: &SqliteStore, digit: char| {
        let found = store.bundle_before(digit.to_string().repeat(64)).await.unwrap();
        found.map(|act| act.why)
    };
    assert_eq!(before(&store, 'a').await, None);
    for (digit, why) in [('a', "1"), ('b', "2"), ('b', "2 again"), ('a', "3"), ('c', "4")] {
        store.change_bundles(activate(digit, why, PinChange::Set(act(digit, why)))).await.unwrap();
    }
    drop(store);
    let store = open(dir.path());
    let found = [before(&store, 'a').await, before(&store, 'b').await, before(&store, 'c').await];
    assert_eq!(found.map(Option::unwrap), ["4", "4", "3"]);
    assert_eq!(store.bundle_pin().await.unwrap(), Some(act('c', "4")));
    let (found, _) = store.bundle_version("b".repeat(64)).await.unwrap().unwrap();
    assert_eq!(found.activated, Some(act('b', "2")), "what was active already does not become it again");
    store.change_bundles(BundleChange { pin: PinChange::Clear, ..BundleChange::default() }).await.unwrap();
    assert_eq!(store.bundle_pin().await.unwrap(), None);
}

#[tokio::test]
async fn all_of_a_change_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let change = BundleChange {
        events: vec![event("never")],
        // A version that is not there cannot become active.
        activation: Some(act('b', "x")),
        ..upload('a', None, b"x")
    };
    let error = store.change_bundles(change).await.unwrap_err();
    println!("{error}");
    assert!(matches!(error, StoreError::Inconsistent(_)), "{error}");
    assert_eq!(store.bundle_versions(String::new(), 10).await.unwrap(), []);
    assert_eq!(store.events(None, 10).await.unwrap(), []);
    assert_eq!(store.trouble(), None, "it was this change's fault");
}
