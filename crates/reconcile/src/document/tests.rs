use super::*;
use crate::seen::Seen;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    seen: Vec<String>,
    #[serde(default)]
    other: u64,
    #[serde(default)]
    broken: Vec<String>,
}

fn show(seen: &Seen) -> String {
    let tokens = match (seen.input_tokens, seen.output_tokens) {
        (None, None) => "-".to_owned(),
        (input, output) => {
            let show = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
            format!("{}/{}", show(input), show(output))
        }
    };
    let text = |value: &Option<std::sync::Arc<str>>| value.as_deref().unwrap_or("-").to_owned();
    let time = jiff::Timestamp::from_millisecond(seen.time_ms.cast_signed()).unwrap();
    format!(
        "{} {time} {} {} {} {} {} {} {} {tokens}",
        seen.source,
        seen.class,
        seen.operation,
        seen.region,
        text(&seen.account),
        text(&seen.access_key_id),
        text(&seen.model),
        text(&seen.invoked_by),
    )
}

#[test]
fn files_are_read_as_aws_delivers_them() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audit/reconcile");
    let cases: Vec<Case> =
        serde_yaml_ng::from_str(&std::fs::read_to_string(format!("{root}/forms.yaml")).unwrap()).unwrap();
    for case in &cases {
        let bytes = std::fs::read(format!("{root}/forms/{}", case.file)).unwrap();
        let (mut names, mut seen) = (Names::default(), Vec::new());
        let document =
            Document::read(bytes.as_slice(), &mut names, &mut |event| seen.push(show(&event))).unwrap();
        println!(
            "{}: {} seen, {} others, broken: {:?}",
            case.file, document.events, document.other, document.broken
        );
        assert_eq!(seen, case.seen, "{}", case.file);
        assert_eq!(document.other, case.other, "{}", case.file);
        assert_eq!(document.events, seen.len() as u64, "{}", case.file);
        assert_eq!(document.broken.len(), case.broken.len(), "{}: {:?}", case.file, document.broken);
        for (broken, expected) in document.broken.iter().zip(&case.broken) {
            let said = format!("{}: {}", broken.place, broken.what);
            assert!(said.starts_with(expected), "{}: `{said}` is not `{expected}…`", case.file);
        }
    }
    let files = std::fs::read_dir(format!("{root}/forms")).unwrap().count();
    assert_eq!(files, cases.len(), "every file is a case");
    println!("compared {files} files");
}

#[test]
fn a_reader_that_fails_is_told_apart_from_a_broken_file() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let reader = std::io::BufReader::new(b"{\"Records\":[".chain(Failing));
    let error = Document::read(reader, &mut Names::default(), &mut |_| ()).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("the disk is gone"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = Document::read(bytes.as_slice(), &mut Names::default(), &mut |_| ());
    }

    #[test]
    fn no_cut_of_a_file_is_a_panic_or_goes_unnoticed(at in 2_usize..4_000) {
        let whole = include_bytes!("../../../../testdata/audit/reconcile/forms/cloudtrail-records.json");
        let cut = &whole[..at.min(whole.len() - 1)];
        let document = Document::read(cut, &mut Names::default(), &mut |_| ()).unwrap();
        proptest::prop_assert!(!document.broken.is_empty());
    }
}
