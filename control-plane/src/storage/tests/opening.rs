//! What a log is opened with: its key, its name, the newest checkpoint that anybody has seen.

use super::log::{event, verified};
use super::*;
use crate::storage::{EventKind, Log, LogKey};
use portcullis_audit::log::{Checkpoint, SignedNote};
use std::sync::atomic::{AtomicU64, Ordering};

fn options(dir: &Path) -> SqliteOptions {
    SqliteOptions::new(dir)
}

/// Copies the files of a store that nobody has open.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn what(store: &SqliteStore) -> Vec<String> {
    let events = store.events(None, 10).await.unwrap();
    events.iter().map(|event| event.detail["what"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_log_goes_on_only_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("log.key");
    let store = open(dir.path());
    fill(&store, 3).await;
    drop(store);
    let own = std::fs::read_to_string(&key).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    for (name, content) in [("missing", None), ("other", Some(other)), ("no key", Some("not base64"))] {
        match content {
            Some(content) => std::fs::write(&key, content).unwrap(),
            None => std::fs::remove_file(&key).unwrap(),
        }
        let error = SqliteStore::open(options(dir.path())).unwrap_err();
        println!("{name}: {error}");
        assert!(matches!(error, OpenError::LogKey { .. }), "{name}: {error}");
        if name != "no key" {
            assert!(error.to_string().contains("rotate --lost"), "{name}: {error}");
        }
    }
    std::fs::write(&key, &own).unwrap();
    assert_eq!(verified(&open(dir.path())).await.len(), 3);

    // The same key from elsewhere, and a file that is not there.
    let seed = LogKey::from_base64(&own).unwrap();
    let elsewhere = dir.path().join("elsewhere.key");
    std::fs::rename(&key, &elsewhere).unwrap();
    for log_key in [seed, LogKey::File(elsewhere)] {
        let store = SqliteStore::open(SqliteOptions { log_key, ..options(dir.path()) }).unwrap();
        assert_eq!(verified(&store).await.len(), 3);
    }
    let log_key = LogKey::File(dir.path().join("nowhere.key"));
    let error = SqliteStore::open(SqliteOptions { log_key, ..options(dir.path()) }).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
}

#[tokio::test]
async fn a_lost_key_is_replaced_and_that_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 3).await;
    let old = store.log_keys();
    drop(store);
    std::fs::remove_file(dir.path().join("log.key")).unwrap();
    let lost = SqliteOptions { replace_lost_key: true, ..options(dir.path()) };
    let store = SqliteStore::open(lost).unwrap();
    let keys = store.log_keys();
    assert_eq!((keys.len(), &keys[..1], keys[0].name()), (2, old.as_slice(), keys[1].name()));
    assert_eq!(what(&store).await, ["log_key_rotated"]);
    let head = store.head().borrow().clone();
    let note = SignedNote::parse(&head.note).unwrap();
    assert!(note.verify(&keys[..1]).is_err(), "the lost key signs nothing");
    note.verify(&keys[1..]).unwrap();
    assert_eq!(verified(&store).await.len(), 4);
    drop(store);
    let store = open(dir.path());
    fill(&store, 1).await;
    verified(&store).await;
}

#[tokio::test]
async fn a_key_is_rotated_while_the_log_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 2).await;
    let public = store.rotate_log_key([7; 32], "alice".to_owned()).await.unwrap();
    let keys = store.log_keys();
    assert_eq!((keys.len(), &keys[1]), (2, &public));
    // Whoever trusts the old key sees that it vouches for the new one.
    let both = store.checkpoint_from(3).await.unwrap().unwrap();
    let note = SignedNote::parse(&both.note).unwrap();
    assert_eq!((both.size, note.signatures.len()), (3, 2));
    for key in &keys {
        note.verify(std::slice::from_ref(key)).unwrap();
    }
    store.commit_event(event("after")).await.unwrap();
    let note = SignedNote::parse(&store.head().borrow().note).unwrap();
    assert!(note.verify(&keys[..1]).is_err() && note.verify(&keys[1..]).is_ok());
    assert!(store.rotate_log_key([7; 32], "alice".to_owned()).await.is_err(), "it is that key already");
    let event = store.events(None, 2).await.unwrap().remove(1);
    assert_eq!((event.actor.as_str(), event.detail["lost"].as_bool()), ("alice", Some(false)));
    verified(&store).await;
    drop(store);

    // The power failed when the record was there, and the file not yet.
    let key = dir.path().join("log.key");
    let fresh = std::fs::read_to_string(&key).unwrap();
    std::fs::write(dir.path().join("log.key.next"), fresh).unwrap();
    std::fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let store = open(dir.path());
    fill(&store, 1).await;
    verified(&store).await;
    assert!(!dir.path().join("log.key.next").exists());
}

#[tokio::test]
async fn a_log_keeps_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let named = |name: &str| SqliteOptions { origin: Some(name.to_owned()), ..options(dir.path()) };
    drop(SqliteStore::open(named("example.com/log")).unwrap());
    assert_eq!(open(dir.path()).log_keys()[0].name(), "example.com/log");
    let error = SqliteStore::open(named("example.com/other")).unwrap_err();
    assert!(matches!(error, OpenError::OtherOrigin { .. }), "{error}");
    let other = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(SqliteOptions { origin: Some("a b".to_owned()), ..options(other.path()) });
    println!("{}", error.unwrap_err());
    let made = tempfile::tempdir().unwrap();
    let origin = open(made.path()).log_keys()[0].name().to_owned();
    let digits = origin.strip_prefix("portcullis.local/").expect(&origin);
    assert_eq!(digits.len(), 8);
}

#[tokio::test]
async fn a_store_that_was_put_back_does_not_open() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    fill(&store, 4).await;
    drop(store);
    copy(dir.path(), backup.path());
    let store = open(dir.path());
    for at in 0..3 {
        store.commit_event(event(&format!("later-{at}"))).await.unwrap();
    }
    drop(store);
    // All but the newest checkpoint.
    let newest = std::fs::read_to_string(dir.path().join("checkpoint")).unwrap();
    copy(backup.path(), dir.path());
    std::fs::write(dir.path().join("checkpoint"), &newest).unwrap();
    let error = SqliteStore::open(options(dir.path())).unwrap_err();
    println!("{error}");
    assert!(matches!(error, OpenError::RolledBack { found: 4, signed: 7, .. }), "{error}");

    let store = SqliteStore::open(SqliteOptions { recover: true, ..options(dir.path()) }).unwrap();
    assert_eq!(what(&store).await, ["log_recovered"]);
    let records = verified(&store).await;
    assert_eq!(records.len(), 5);
    let said: serde_json::Value = serde_json::from_str(records[4].record.as_deref().unwrap()).unwrap();
    assert_eq!(said["detail"]["last_checkpoint"].as_str(), Some(newest.as_str()));
    let keys = store.log_keys();
    assert_eq!(keys[1].name(), format!("{}/2", keys[0].name()));
    drop(store);
    // A database that is gone altogether is one, too.
    let gone = tempfile::tempdir().unwrap();
    copy(dir.path(), gone.path());
    std::fs::remove_file(gone.path().join("portcullis.db")).unwrap();
    let error = SqliteStore::open(options(gone.path())).unwrap_err();
    assert!(matches!(error, OpenError::RolledBack { found: 0, signed: 5, .. }), "{error}");
    std::fs::remove_file(gone.path().join("portcullis.db")).unwrap();
    let store = SqliteStore::open(SqliteOptions { recover: true, ..options(gone.path()) }).unwrap();
    assert_eq!(what(&store).await, ["log_recovered"]);
    verified(&store).await;
    drop(store);
    let store = open(dir.path());
    fill(&store, 1).await;
    assert_eq!(verified(&store).await.len(), 5, "the same question was asked before");
    let head = store.head().borrow().clone();
    let signed = Checkpoint::parse(&SignedNote::parse(&head.note).unwrap().text).unwrap();
    assert_eq!(signed.origin, keys[1].name());
}

#[tokio::test]
async fn a_log_that_was_forked_does_not_open() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(open(dir.path()));
    copy(dir.path(), backup.path());
    let mut notes = Vec::new();
    for (path, n) in [(dir.path(), 2), (backup.path(), 5)] {
        let store = open(path);
        for at in 0..n {
            store.commit_event(event(&format!("of-{n}-{at}"))).await.unwrap();
        }
        drop(store);
        notes.push(std::fs::read_to_string(path.join("checkpoint")).unwrap());
    }
    std::fs::write(backup.path().join("checkpoint"), &notes[0]).unwrap();
    let error = SqliteStore::open(options(backup.path())).unwrap_err();
    println!("{error}");
    assert!(matches!(error, OpenError::Forked { size: 2, .. }), "{error}");
    std::fs::write(
        backup.path().join("checkpoint"),
        notes[1].replace("portcullis.local", "portcullis.remote"),
    )
    .unwrap();
    let error = SqliteStore::open(options(backup.path())).unwrap_err();
    println!("{error}");
    std::fs::write(backup.path().join("checkpoint"), notes[1].replace("\n5\n", "\n4\n")).unwrap();
    let error = SqliteStore::open(options(backup.path())).unwrap_err();
    println!("{error}");
    assert!(matches!(error, OpenError::LogDamaged { .. }), "{error}");
    std::fs::remove_file(backup.path().join("checkpoint")).unwrap();
    verified(&open(backup.path())).await;
}

static NOW: AtomicU64 = AtomicU64::new(0);

fn clock() -> u64 {
    NOW.load(Ordering::SeqCst)
}

/// Times never go back, whatever the clock does, also over a restart; ids go with them.
#[tokio::test]
async fn a_clock_that_goes_back_takes_no_record_along() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids: Vec<String> = Vec::new();
    for (at, now) in [50_000, 10_000, 60_000, 59_999, 0, 61_000].into_iter().enumerate() {
        NOW.store(1_790_000_000_000 + now, Ordering::SeqCst);
        let store = SqliteStore::open(SqliteOptions { clock, ..options(dir.path()) }).unwrap();
        let committed =
            store.commit_decision(decision(&format!("call-{at}"), VerdictKind::Allow)).await.unwrap();
        store
            .commit_outcomes(vec![outcome(&format!("call-{at}"), OutcomeState::Failed)], Some(event("e")))
            .await
            .unwrap();
        NOW.fetch_sub(30_000, Ordering::SeqCst);
        store.commit_event(crate::storage::Event { kind: EventKind::Gap, ..event("later") }).await.unwrap();
        assert_eq!(verified(&store).await.len(), 4 * (at + 1));
        ids.push(committed.decision_id);
    }
    assert!(ids.is_sorted(), "{ids:?}");
}
