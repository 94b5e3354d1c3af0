//! Exports: with a manifest, in chunks, as a single file.

use super::{ORIGIN, codes, key, plan, shown, verify_export, write};
use crate::cli::audit::verify::pipeline::Plan;
use crate::export::formats::jsonl;
use crate::storage::Logged;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::verify::Code;
use portcullis_audit::log::{Checkpoint, Frontier, Hash, SignedNote, complete_root, consistency_proof};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;

fn lines(records: &[Logged]) -> String {
    let mut text = String::new();
    records.iter().for_each(|record| jsonl::line(record, &mut text));
    text
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

/// Writes records `first .. end` as an export with a manifest of that name.
fn export(directory: &Path, manifest: &str, all: &[Logged], first: usize, end: usize, note: &str) {
    let leaves: Vec<Hash> = all.iter().map(|record| record.entry.leaf()).collect();
    let mut frontier = Frontier::default();
    leaves[..first].iter().for_each(|leaf| frontier.push(*leaf, |_, _, _| {}));
    let size = Checkpoint::parse_note(note).unwrap().0.size;
    let node = |height: u32, index: u64| {
        let at = (index as usize) << height;
        complete_root(&leaves[at..at + (1 << height)]).ok_or(())
    };
    let proof = consistency_proof(end as u64, size, node).unwrap().unwrap();
    let name = format!("records-{first:012}.jsonl.zst");
    let bytes = zstd::encode_all(lines(&all[first..end]).as_bytes(), 3).unwrap();
    let said = json!({
        "version": 1, "origin": ORIGIN, "export": "", "format": "jsonl", "kinds": [], "first": first, "end": end,
        "first_time_ms": 0, "last_time_ms": 0, "frontier": base64(frontier.roots()), "checkpoint": note,
        "consistency": base64(&proof),
        "files": [{"name": name, "bytes": bytes.len(), "sha256": hex::encode(Sha256::digest(&bytes)), "records": end - first}],
    });
    std::fs::write(directory.join(&name), bytes).unwrap();
    std::fs::write(directory.join(manifest), said.to_string()).unwrap();
}

fn packed(text: &str, how: &str) -> Vec<u8> {
    use std::io::Write;
    match how {
        ".zst" => zstd::encode_all(text.as_bytes(), 1).unwrap(),
        ".gz" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(text.as_bytes()).unwrap();
            packer.finish().unwrap()
        }
        _ => text.as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn whole_logs_parts_and_chunks_verify_by_themselves() {
    let source = tempfile::tempdir().unwrap();
    let (records, note) = write(source.path(), 300).await;
    let count = records.len();
    let plan = plan(1);
    // A single file, with its checkpoint beside it.
    for how in ["", ".gz", ".zst"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(format!("log.jsonl{how}"));
        std::fs::write(&path, packed(&lines(&records), how)).unwrap();
        let error = verify_export(&path, &plan).unwrap_err();
        println!("without a checkpoint: {error:#}");
        std::fs::write(directory.path().join("checkpoint"), &note).unwrap();
        let ended = verify_export(&path, &plan).unwrap();
        assert_eq!((codes(&ended), ended.read), (vec![], count as u64), "{how}: {}", shown(&ended));
    }
    // A range, which does not begin or end at a tile.
    for (first, end) in [(0, count), (0, 300), (17, 401), (256, 512), (599, 600), (300, count)] {
        let directory = tempfile::tempdir().unwrap();
        export(directory.path(), "manifest.json", &records, first, end, &note);
        let ended = verify_export(directory.path(), &plan).unwrap();
        let integrity =
            ended.findings.iter().filter(|finding| finding.code != Code::DecisionWithoutOutcome).count();
        assert_eq!(integrity, 0, "{first} to {end}: {}", shown(&ended));
        assert_eq!(
            (ended.parts[0].first, ended.parts[0].end, ended.parts[0].checkpoints),
            (first as u64, end as u64, 1)
        );
    }
    // Chunks as a continuous export writes them; one of them gone.
    let directory = tempfile::tempdir().unwrap();
    for (first, end) in [(0, 100), (100, 280), (280, 281), (281, count)] {
        export(
            directory.path(),
            &format!("manifest-{first:012}-{:012}.json", end - 1),
            &records,
            first,
            end,
            &note,
        );
    }
    let ended = verify_export(directory.path(), &plan).unwrap();
    assert_eq!(codes(&ended), [], "{}", shown(&ended));
    assert_eq!((ended.parts.len(), ended.parts[0].checkpoints), (1, 4));
    std::fs::remove_file(directory.path().join("manifest-000000000100-000000000279.json")).unwrap();
    let ended = verify_export(directory.path(), &plan).unwrap();
    println!("{}", shown(&ended));
    let integrity: Vec<_> =
        codes(&ended).into_iter().filter(|(code, ..)| !code.contains("outcome")).collect();
    assert_eq!(integrity, [("missing_record", Some(100), Some(280))]);
}

#[tokio::test]
async fn what_was_changed_in_an_export_is_named() {
    let source = tempfile::tempdir().unwrap();
    let (records, note) = write(source.path(), 150).await;
    let plan = plan(1);
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let directory = tempfile::tempdir().unwrap();
        let mut text: Vec<String> = lines(&records).lines().map(str::to_owned).collect();
        change(&mut text);
        std::fs::write(directory.path().join("records-000000000000.jsonl"), text.join("\n") + "\n").unwrap();
        std::fs::write(directory.path().join("checkpoint"), &note).unwrap();
        let ended = verify_export(directory.path(), &plan).unwrap();
        println!("{}", shown(&ended));
        ended
    };
    let first = |ended: &super::Ended| codes(ended).into_iter().find(|(code, ..)| !code.contains("outcome"));
    let record =
        changed(&|lines| lines[40] = lines[40].replace("because", "becauSe").replace("gate-1", "gate-2"));
    assert_eq!(first(&record), Some(("changed_record", Some(40), None)));
    let dropped = changed(&|lines| drop(lines.remove(40)));
    assert_eq!(first(&dropped), Some(("missing_record", Some(40), Some(41))));
    let twice = changed(&|lines| lines.insert(40, lines[12].clone()));
    assert_eq!(first(&twice), Some(("duplicate_record", Some(12), None)));
    let swapped = changed(&|lines| lines.swap(40, 90));
    assert!(codes(&swapped).contains(&("reordered_record", Some(40), None)));
    assert!(codes(&swapped).contains(&("reordered_record", Some(90), None)));
    let broken = changed(&|lines| lines[40].truncate(20));
    assert!(
        codes(&broken).contains(&("missing_record", Some(40), Some(41)))
            && broken.counts.contains_key(&Code::Malformed)
    );

    // The manifest says otherwise; the file ends in the middle of what was packed.
    let directory = tempfile::tempdir().unwrap();
    export(directory.path(), "manifest.json", &records, 0, records.len(), &note);
    let manifest = directory.path().join("manifest.json");
    let said = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, said.replace("\"sha256\":\"", "\"sha256\":\"00")).unwrap();
    let ended = verify_export(directory.path(), &plan).unwrap();
    assert_eq!(first(&ended), Some(("changed_manifest", Some(0), Some(records.len() as u64))));
    std::fs::write(&manifest, said).unwrap();
    let file = directory.path().join("records-000000000000.jsonl.zst");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let ended = verify_export(directory.path(), &plan).unwrap();
    println!("{}", shown(&ended));
    for code in [Code::Malformed, Code::ChangedManifest, Code::MissingRecord] {
        assert!(ended.counts.contains_key(&code), "{code:?}");
    }
    // Another log's.
    let text = Checkpoint { origin: "other.example".to_owned(), size: 1, root: [0; 32] }.to_text();
    let other = SignedNote::sign(text, &key(1)).to_text();
    let ended = super::verify_export(directory.path(), &Plan { given: vec![other], ..plan.clone() }).unwrap();
    assert!(ended.counts.contains_key(&Code::WrongOrigin));
}

#[tokio::test]
async fn it_goes_on_from_its_state() {
    use crate::cli::audit::verify::source::{Source, Step};
    use crate::cli::audit::verify::{pipeline, state::State};
    use portcullis_audit::log::verify::Verifier;
    let source = tempfile::tempdir().unwrap();
    let (records, note) = write(source.path(), 300).await;
    let directory = tempfile::tempdir().unwrap();
    export(directory.path(), "manifest.json", &records, 0, records.len(), &note);
    let state = directory.path().join("verify.state");
    let plan = Plan { state: Some(state.clone()), ..plan(1) };
    // As Ctrl-C would have left it after the first tile.
    let mut verifier = Verifier::new(Frontier::default(), 0);
    let text = lines(&records[..256]);
    for line in text.lines() {
        let line = portcullis_audit::log::verify::Line::parse(line.as_bytes()).unwrap();
        verifier.push([portcullis_audit::log::verify::Digest::of_line(&line, false)]);
    }
    let mut export = super::export::Export::open(directory.path()).unwrap();
    let name = export.name();
    let kept = State::new(name, ORIGIN.to_owned(), verifier.progress().unwrap(), Vec::new());
    kept.write(&state).unwrap();
    let mut given = 0;
    export
        .read(256, &mut |step| {
            if let Step::Lines(lines) = step {
                given += lines.digest(false).0.len()
            }
            true
        })
        .unwrap();
    assert_eq!(given, records.len() - 256, "what is done with is not given again");
    let ended = pipeline::verify(Box::new(export), &plan).unwrap();
    println!("{}", shown(&ended));
    assert_eq!((codes(&ended), ended.read), (vec![], given as u64));
    assert_eq!(ended.parts[0].records, records.len() as u64);
    assert!(!state.exists(), "nothing is left to go on with");
    // Of a store as well; and of another source it is refused.
    kept.write(&state).unwrap();
    let store = Box::new(super::store::Store::open(source.path(), false).unwrap());
    let error = pipeline::verify(store, &plan).unwrap_err();
    println!("{error:#}");
    assert!(error.to_string().contains("another verification"));
}
