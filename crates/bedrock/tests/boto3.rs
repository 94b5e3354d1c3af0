//! What boto3 really sends (`testdata/bedrock/make_boto3_paths.py`) is recognised.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{Request, testdata};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Recorded {
    boto3: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    service: String,
    operation: String,
    method: String,
    path: String,
    labels: BTreeMap<String, String>,
    target: Option<String>,
    host: String,
}

#[test]
fn every_path_that_boto3_makes_is_recognised() {
    let recorded: Recorded =
        serde_json::from_str(&testdata("bedrock/boto3_paths.json")).expect("boto3_paths.json");
    for row in &recorded.rows {
        let mut request = Request::new(&row.method, &row.host, &row.path);
        if let Some(target) = &row.target {
            request = request.header("x-amz-target", target);
        }
        let call = request.recognise().unwrap_or_else(|r| panic!("{}: {:?}", row.path, r.problem));
        let operation = call.operation.unwrap_or_else(|| panic!("{} {} is Unknown", row.method, row.path));
        assert_eq!((operation.service, operation.name), (&*row.service, &*row.operation), "{}", row.path);
        let labels: BTreeMap<String, String> =
            call.labels.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        assert_eq!(labels, row.labels, "{}", row.path);
    }
    assert_eq!(recorded.rows.len(), 523);
    println!("{} paths of boto3 {} compared", recorded.rows.len(), recorded.boto3);
}
