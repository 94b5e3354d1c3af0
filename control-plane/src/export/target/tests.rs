use super::*;
use sha2::{Digest, Sha256};
use std::fs;

fn target(to: &str) -> Result<Target, String> {
    Target::open(to, &BTreeMap::new(), [], None)
}

#[test]
fn places_are_read_or_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let lock = Some(Lock { mode: object::LockMode::Compliance, until_ms: 1 });
    let cases = [
        (path.to_owned(), None, Ok(true)),
        (format!("file://{path}"), None, Ok(true)),
        ("s3://bucket/prefix".to_owned(), None, Ok(false)),
        ("s3://bucket/prefix".to_owned(), lock, Ok(false)),
        (path.to_owned(), lock, Err("only objects in S3")),
        ("file://relative".to_owned(), None, Err("write a directory's path")),
        ("ftp://x".to_owned(), None, Err("ftp://x")),
        (String::new(), None, Err("write a directory's path")),
    ];
    for (to, lock, expected) in cases {
        let found = Target::open(&to, &BTreeMap::new(), [], lock);
        println!("{to:?}: {found:?}");
        match expected {
            Ok(directory) => assert_eq!(found.unwrap().directory().is_some(), directory),
            Err(part) => assert!(found.unwrap_err().contains(part)),
        }
    }
}

#[tokio::test]
async fn a_file_is_there_as_a_whole_under_its_name_and_no_longer_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let target = target(dir.path().join("out").to_str().unwrap()).unwrap();
    let staged = dir.path().join("staged");
    fs::write(&staged, b"records").unwrap();
    let stored = target.put("2026/11/records.jsonl", &staged).await.unwrap();
    assert_eq!(stored, Stored { bytes: 7, sha256: Sha256::digest(b"records").into() });
    assert!(!staged.exists());
    assert_eq!(target.get("2026/11/records.jsonl").await.unwrap().unwrap(), b"records");
    target.put_bytes("manifest.json", b"{}".to_vec()).await.unwrap();
    target.put_bytes("manifest.json", b"{1}".to_vec()).await.unwrap();
    assert_eq!(target.size("manifest.json").await.unwrap(), Some(3));
    assert_eq!(target.get("nothing").await.unwrap(), None);
    let names: Vec<_> =
        fs::read_dir(dir.path().join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    println!("{names:?}");
    assert_eq!(names.len(), 2, "nothing partial is left");
}

#[tokio::test]
async fn what_cannot_be_put_stays_where_it_was_and_names_lead_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"").unwrap();
    // A directory that is a file takes nothing.
    let target = target(dir.path().join("file").to_str().unwrap()).unwrap();
    let staged = dir.path().join("staged");
    fs::write(&staged, b"records").unwrap();
    let error = target.put("x", &staged).await.unwrap_err();
    println!("{error}");
    assert!(staged.exists());
    for name in ["", "..", "a/../b", "/etc/passwd", "a//b", "a b", "\u{e9}"] {
        assert!(matches!(target.get(name).await, Err(TargetError::Name(_))), "{name:?}");
    }
}
