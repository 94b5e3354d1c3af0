//! A directory in the hands of editors, deployment tools and accidents.

use super::super::{BundleStatus, load_directory};
use super::{BundleWatch, WatchOptions, watch};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far longer than it takes; a machine under load is slow.
const BOUND: Duration = Duration::from_secs(20);

fn manifest(name: &str) -> String {
    format!("version: \"1.0\"\nname: {name}\ndefault: allow\n")
}

const RULES: &str = "rules:\n- {id: one, action: block, models: [x]}\n";

fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("rules")).unwrap();
    fs::write(directory.path().join("bundle.yaml"), manifest("first")).unwrap();
    fs::write(directory.path().join("rules/a.yaml"), RULES).unwrap();
    directory
}

fn start(directory: &Path) -> BundleWatch {
    watch(directory, WatchOptions::default()).unwrap()
}

/// Waits until the status is as wanted.
async fn until(watch: &BundleWatch, what: &str, wanted: impl Fn(&BundleStatus) -> bool) -> Arc<BundleStatus> {
    let started = Instant::now();
    let mut attempts = watch.active().subscribe();
    loop {
        attempts.borrow_and_update();
        let status = watch.active().status();
        if wanted(&status) {
            println!("{what}: after {:?}", started.elapsed());
            return status;
        }
        let left = BOUND.saturating_sub(started.elapsed());
        if tokio::time::timeout(left, attempts.changed()).await.is_err() {
            panic!("{what}: not within {BOUND:?}; status: {status:?}");
        }
    }
}

async fn until_named(watch: &BundleWatch, name: &str) {
    let status = until(watch, &format!("`{name}` active"), |status| status.name == name).await;
    assert_eq!(status.last_error, None);
    assert_eq!(watch.active().current().unwrap().name(), name);
}

/// Waits for a refusal that says this; what was active stays.
async fn until_refused(watch: &BundleWatch, part: &str) {
    let before = watch.active().current().unwrap();
    let shown = |status: &BundleStatus| {
        let lines = status.last_error.iter().flat_map(|error| &error.diagnostics);
        lines.map(|diagnostic| format!("{diagnostic}\n")).collect::<String>()
    };
    let status = until(watch, &format!("refused with `{part}`"), |status| shown(status).contains(part)).await;
    println!("{}", shown(&status));
    assert_eq!(status.digest, before.digest());
    assert_eq!(watch.active().current().unwrap().digest(), before.digest());
}

#[tokio::test]
async fn loads_at_start() {
    let directory = directory();
    let watch = start(directory.path());
    let status = watch.active().status();
    println!("{status:?}");
    assert_eq!((status.name.as_str(), status.version.as_str(), status.rules), ("first", "1.0", 1));
    assert_eq!(status.generation, 1);
    assert_eq!(status.source, directory.path());
    assert!(status.loaded_at > 1_700_000_000_000);
    assert_eq!(status.digest, watch.active().current().unwrap().digest());
}

#[tokio::test]
async fn starts_without_a_bundle_and_takes_the_first_good_one() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("later");
    let watch = start(&directory);
    assert!(watch.active().current().is_none());
    assert!(watch.active().status().last_error.is_some());
    fs::create_dir(&directory).unwrap();
    until(&watch, "empty", |status| {
        status.last_error.as_ref().is_some_and(|error| error.diagnostics[0].message.contains("empty"))
    })
    .await;
    fs::write(directory.join("bundle.yaml"), manifest("late")).unwrap();
    until_named(&watch, "late").await;
}

#[tokio::test]
async fn in_place_write() {
    let directory = directory();
    let watch = start(directory.path());
    fs::write(directory.path().join("bundle.yaml"), manifest("second")).unwrap();
    until_named(&watch, "second").await;
    assert_eq!(watch.active().status().generation, 2);
}

#[tokio::test]
async fn without_notifications_the_poll_finds_it() {
    let directory = directory();
    let options = WatchOptions { notify: false, poll: Duration::from_millis(50), ..WatchOptions::default() };
    let watch = watch(directory.path(), options).unwrap();
    fs::write(directory.path().join("bundle.yaml"), manifest("second")).unwrap();
    until_named(&watch, "second").await;
    // The same length, perhaps the same time stamp.
    fs::write(directory.path().join("bundle.yaml"), manifest("secund")).unwrap();
    until_named(&watch, "secund").await;
}

#[tokio::test]
async fn rename_and_replace_with_an_editor_s_droppings() {
    let directory = directory();
    let watch = start(directory.path());
    let path = |name: &str| directory.path().join(name);
    // vim: test file, swap file, backup, new file, rename.
    fs::write(path("4913"), "").unwrap();
    fs::write(path(".bundle.yaml.swp"), [0xff; 100]).unwrap();
    fs::rename(path("bundle.yaml"), path("bundle.yaml~")).unwrap();
    fs::write(path("#bundle.yaml#"), "{{{").unwrap();
    fs::write(path("bundle.yaml.tmp"), manifest("second")).unwrap();
    fs::rename(path("bundle.yaml.tmp"), path("bundle.yaml")).unwrap();
    until_named(&watch, "second").await;
}

#[tokio::test]
async fn new_and_deleted_files_in_new_directories() {
    let directory = directory();
    let watch = start(directory.path());
    fs::create_dir(directory.path().join("rules/team")).unwrap();
    fs::write(directory.path().join("rules/team/b.yaml"), "rules:\n- {id: two, action: log}\n").unwrap();
    until(&watch, "two rules", |status| status.rules == 2).await;
    fs::remove_dir_all(directory.path().join("rules/team")).unwrap();
    until(&watch, "one rule", |status| status.rules == 1).await;
}

#[tokio::test]
async fn half_written() {
    let directory = directory();
    let watch = start(directory.path());
    let path = directory.path().join("rules/a.yaml");
    let whole =
        "rules:\n- {id: one, action: block, models: [x]}\n- {id: two, action: block, models: [\"y\"]}\n";
    fs::write(&path, whole.get(..60).unwrap()).unwrap();
    until_refused(&watch, "rules/a.yaml:").await;
    fs::write(&path, whole).unwrap();
    let status = until(&watch, "whole", |status| status.rules == 2).await;
    assert_eq!(status.last_error, None);
}

#[tokio::test]
async fn a_typo_is_refused_with_its_place_and_mending_it_is_enough() {
    let directory = directory();
    let watch = start(directory.path());
    let path = directory.path().join("rules/a.yaml");
    fs::write(&path, "rules:\n- id: one\n  action: block\n  model: [x]\n").unwrap();
    until_refused(&watch, "rules/a.yaml:4:3: unknown key `model` in a rule, did you mean `models`?").await;
    assert!(watch.active().status().last_error.as_ref().unwrap().digest.is_some());
    // Back to what is active: no new generation, no error left.
    fs::write(&path, RULES).unwrap();
    let status = until(&watch, "mended", |status| status.last_error.is_none()).await;
    assert_eq!(status.generation, 1);
}

#[tokio::test]
async fn kubernetes_volume_swap() {
    let volume = TempDir::new().unwrap();
    let root = volume.path();
    let publish = |stamp: &str, name: &str| {
        let version = root.join(stamp);
        fs::create_dir_all(version.join("rules")).unwrap();
        fs::write(version.join("bundle.yaml"), manifest(name)).unwrap();
        fs::write(version.join("rules/a.yaml"), RULES).unwrap();
        symlink(stamp, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    publish("..2026_11_21_a", "first");
    symlink("..data/bundle.yaml", root.join("bundle.yaml")).unwrap();
    symlink("..data/rules", root.join("rules")).unwrap();
    let watch = start(root);
    assert_eq!(watch.active().status().name, "first");
    assert_eq!(watch.active().status().rules, 1);
    publish("..2026_11_21_b", "second");
    fs::remove_dir_all(root.join("..2026_11_21_a")).unwrap();
    until_named(&watch, "second").await;
}

#[tokio::test]
async fn a_link_to_the_directory_is_swapped() {
    let parent = TempDir::new().unwrap();
    for name in ["first", "second"] {
        fs::create_dir(parent.path().join(name)).unwrap();
        fs::write(parent.path().join(name).join("bundle.yaml"), manifest(name)).unwrap();
    }
    let current = parent.path().join("current");
    symlink("first", &current).unwrap();
    let watch = start(&current);
    assert_eq!(watch.active().status().name, "first");
    symlink("second", parent.path().join("next")).unwrap();
    fs::rename(parent.path().join("next"), &current).unwrap();
    until_named(&watch, "second").await;
    // And the new one is watched, too.
    fs::write(parent.path().join("second/bundle.yaml"), manifest("third")).unwrap();
    until_named(&watch, "third").await;
}

#[tokio::test]
async fn deleted_and_back_again() {
    let directory = directory();
    let watch = start(directory.path());
    fs::remove_dir_all(directory.path()).unwrap();
    until_refused(&watch, "cannot").await;
    fs::create_dir(directory.path()).unwrap();
    fs::write(directory.path().join("bundle.yaml"), manifest("again")).unwrap();
    until_named(&watch, "again").await;
}

#[tokio::test]
async fn emptied() {
    let directory = directory();
    let watch = start(directory.path());
    fs::remove_dir_all(directory.path().join("rules")).unwrap();
    fs::remove_file(directory.path().join("bundle.yaml")).unwrap();
    until_refused(&watch, "the directory is empty").await;
}

#[tokio::test]
async fn fifty_megabytes() {
    let directory = directory();
    let watch = start(directory.path());
    let path = directory.path().join("rules/big.yaml");
    fs::File::create(&path).unwrap().set_len(50_000_000).unwrap();
    until_refused(&watch, "rules/big.yaml:1:1: the file is 50000000 bytes, the limit is 5242880").await;
    fs::remove_file(path).unwrap();
    until(&watch, "gone", |status| status.last_error.is_none()).await;
}

#[test]
fn links_out_of_the_directory_are_refused() {
    let directory = directory();
    for (target, part) in [
        ("/etc/passwd", "leaves the bundle"),
        ("/etc", "leaves the bundle"),
        ("nowhere", "cannot be read"),
        (".", "link to itself"),
    ] {
        let link = directory.path().join("rules/x.yaml");
        symlink(target, &link).unwrap();
        let error = load_directory(directory.path()).unwrap_err();
        println!("{target}: {error}");
        assert!(error.to_string().contains(part), "{error}");
        fs::remove_file(link).unwrap();
    }
}

#[test]
fn what_is_no_file_is_refused_unopened() {
    let directory = directory();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("rules/x.yaml")).unwrap();
    let error = load_directory(directory.path()).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("rules/x.yaml:1:1: not a regular file"));
}

#[test]
fn the_order_is_that_of_the_paths() {
    let directory = directory();
    for name in ["rules/z.yaml", "rules/B.yaml", "README.md"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    fs::create_dir(directory.path().join(".git")).unwrap();
    fs::write(directory.path().join(".git/config"), "").unwrap();
    let files = load_directory(directory.path()).unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    println!("{paths:?}");
    assert_eq!(paths, ["README.md", "bundle.yaml", "rules/B.yaml", "rules/a.yaml", "rules/z.yaml"]);
}

#[tokio::test]
async fn stops_when_dropped() {
    let directory = directory();
    let watch = start(directory.path());
    let active = watch.active().clone();
    drop(watch);
    assert!(active.current().is_some());
}

fn pack(files: &[(&str, &str)]) -> Vec<u8> {
    let file = |(path, text): &(&str, &str)| portcullis_policy::SourceFile {
        path: (*path).to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    super::super::pack(&files.iter().map(file).collect::<Vec<_>>()).unwrap()
}

#[tokio::test]
async fn an_archive_is_watched_like_a_directory() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("bundle.tar.gz");
    let replace = |bytes: &[u8]| {
        fs::write(place.path().join("next"), bytes).unwrap();
        fs::rename(place.path().join("next"), &path).unwrap();
    };
    replace(&pack(&[("bundle.yaml", &manifest("first")), ("rules/a.yaml", RULES)]));
    let watch = start(&path);
    let status = watch.active().status();
    assert_eq!((status.name.as_str(), status.rules, &status.source), ("first", 1, &path));
    let files = load_directory(&path).unwrap();
    assert_eq!(
        portcullis_policy::digest(&files),
        status.digest,
        "the digest is that of the files, not of the archive"
    );

    replace(&pack(&[("bundle.yaml", &manifest("second"))]));
    until_named(&watch, "second").await;
    // Written in place.
    let third = pack(&[("top/bundle.yaml", &manifest("third"))]);
    fs::write(&path, &third).unwrap();
    until_named(&watch, "third").await;
    // Neighbours are nobody's business.
    fs::write(place.path().join("bundle.yaml"), "{{{").unwrap();

    // Whatever is wrong with it, the last good one stays, and the next good one is taken.
    let mut garbage = third.clone();
    garbage.extend(b"garbage");
    for (bytes, part) in [
        (&third[..third.len() / 2], "bundle.tar.gz:1:1: the gzip data ends before its end"),
        (&garbage, "7 bytes follow the end"),
        (b"", "the archive is empty"),
        (b"version: \"1.0\"\n", "not a whole tar archive"),
        (&pack(&[("rules/a.yaml", RULES)]), "no `bundle.yaml`"),
        (&pack(&[("bundle.yaml", "nam: x")]), "bundle.yaml:1:1"),
    ] {
        replace(bytes);
        until_refused(&watch, part).await;
    }
    fs::File::create(&path).unwrap().set_len(50_000_000).unwrap();
    until_refused(&watch, "more than 29360128 bytes").await;
    fs::remove_file(&path).unwrap();
    until_refused(&watch, "cannot").await;
    // And it may become a directory.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("bundle.yaml"), manifest("fourth")).unwrap();
    until_named(&watch, "fourth").await;
    fs::write(path.join("bundle.yaml"), manifest("fifth")).unwrap();
    until_named(&watch, "fifth").await;
}

#[tokio::test]
async fn an_archive_that_starts_as_nothing_and_comes_by_a_swapped_link() {
    let volume = TempDir::new().unwrap();
    let root = volume.path();
    let path = root.join("bundle.tar.gz");
    let watch = start(&path);
    assert!(watch.active().current().is_none());
    let publish = |stamp: &str, name: &str| {
        fs::create_dir(root.join(stamp)).unwrap();
        fs::write(root.join(stamp).join("bundle.tar.gz"), pack(&[("bundle.yaml", &manifest(name))])).unwrap();
        symlink(stamp, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    publish("..1", "first");
    symlink("..data/bundle.tar.gz", &path).unwrap();
    until_named(&watch, "first").await;
    publish("..2", "second");
    until_named(&watch, "second").await;
}
