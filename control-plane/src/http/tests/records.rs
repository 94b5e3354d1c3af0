//! Records of the log over the API, and exports of a store that records are made in.

use super::{Plane, plane, question, testdata};
use crate::export::formats::{ExportFormat, jsonl, tests::run as check};
use crate::export::range::{Packing, Place, Plan, Split, StoreSource, run};
use crate::export::target::Target;
use crate::storage::{LogKey, LogReader, Logged};
use axum::http::StatusCode;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

async fn with_calls(count: usize) -> Plane {
    let plane = plane().await;
    for n in 0..count {
        plane.decide(&question(json!({"call_id": format!("gate-1/{n}")}))).await;
    }
    plane
}

async fn lines(plane: &Plane, path: &str) -> Vec<Logged> {
    let answer = plane.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.content_type, "application/x-ndjson");
    answer.text.lines().map(|line| jsonl::parse(line).unwrap()).collect()
}

#[tokio::test]
async fn a_stretch_of_the_log_is_lines_in_its_order() {
    let plane = with_calls(5).await;
    let all = lines(&plane, "/v1/audit/records").await;
    let size = plane.app.store.head().borrow().size;
    assert_eq!(all.len() as u64, size);
    assert!(all.iter().zip(0..).all(|(logged, index)| logged.index == index));
    assert_eq!(lines(&plane, "/v1/audit/records?from=2&limit=2").await, all[2..4]);
    assert!(lines(&plane, &format!("/v1/audit/records?from={size}")).await.is_empty());
    let decided = all.iter().find(|logged| logged.entry.kind.as_str() == "decision").unwrap();
    assert_eq!(
        lines(&plane, &format!("/v1/audit/records/{}", decided.entry.id)).await,
        std::slice::from_ref(decided)
    );
    for (path, code) in [
        ("/v1/audit/records?limit=0", "bad_request"),
        ("/v1/audit/records?limit=100001", "bad_request"),
        ("/v1/audit/records?form=1", "bad_request"),
        ("/v1/audit/records/nobody", "not_in_the_log"),
    ] {
        let answer = plane.get(path).await;
        println!("{path}: {}", answer.text);
        assert_eq!(answer.code(), code);
    }
}

fn export(store: &Path, to: &Path, format: ExportFormat) {
    let reader = LogReader::open(store).unwrap();
    let mut source = StoreSource { reader, key: LogKey::Directory };
    let target = Target::open(to.to_str().unwrap(), &BTreeMap::new(), [], None).unwrap();
    let plan = Plan {
        format,
        packing: Packing::None,
        split: Split::Records(1_000_000),
        kinds: Vec::new(),
        first: 0,
        end: None,
        since_ms: None,
        until_ms: None,
        resume: false,
    };
    run(&mut source, &Place::new(target, to.to_owned()).unwrap(), &plan, &mut |_, _| {}).unwrap();
}

/// Real records of a real store, read beside the process that writes them, in every format, by other people's programs.
#[tokio::test]
async fn a_store_is_exported_while_it_is_open() {
    let plane = with_calls(20).await;
    let outcome = testdata("outcome.json");
    println!("{}", plane.report(json!([outcome]), 3).await.text);
    let (store, to) = (plane.dir.path().to_owned(), plane.dir.path().join("export"));
    let key = plane.app.store.log_keys().last().unwrap().to_string();
    tokio::task::spawn_blocking(move || {
        let together = to.join("together");
        fs::create_dir_all(&together).unwrap();
        for format in ExportFormat::ALL {
            let dir = to.join(format.as_str());
            fs::create_dir_all(&dir).unwrap();
            export(&store, &dir, format);
            let name = format!("records-000000000000.{}", format.extension());
            fs::copy(dir.join(name), together.join(format!("records.{}", format.extension()))).unwrap();
        }
        fs::write(together.join("key"), key).unwrap();
        check("check_formats.py", &together);
    })
    .await
    .unwrap();
}
