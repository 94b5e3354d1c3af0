use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    details: String,
    flags: u64,
    reason: String,
}

#[test]
fn envoys_words_for_the_end_of_a_stream_are_understood() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../testdata/gate/ends.json")).unwrap();
    for case in cases {
        let reason = EndReason::read(StreamEnd { details: case.details.as_bytes(), flags: case.flags });
        println!("{} {:#x}: {}", case.details, case.flags, reason.code());
        assert_eq!(reason.code(), case.reason);
    }
}
