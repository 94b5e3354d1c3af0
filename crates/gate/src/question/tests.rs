use super::*;
use crate::config::Config;
use crate::event::Now;

fn question(path: &[u8], method: &[u8]) -> serde_json::Value {
    let head = Head {
        method,
        authority: b"h\xc3\xa9.\xff",
        path,
        headers: &[],
        server_name: None,
        end_of_stream: true,
    };
    let config = br#"{"entrance": "pass_through", "control_plane": {"cluster": "p", "authority": "p"}}"#;
    let gate = Config::parse(config).unwrap().gate("g");
    let heading = Heading::of(&head, Some(b"1.2.3.4:5"));
    let id = CallId::new(Now::default().unix_ms, 0, 0);
    let question = Question::new(&id, &gate, heading, Call::default(), BTreeMap::new(), Read::Partly(7));
    serde_json::from_slice(&question.encode()).unwrap()
}

#[test]
fn what_is_not_utf8_is_escaped_and_what_is_long_is_cut() {
    let got = question(b"/a\xe9?secret=1", b"PO\xfeST");
    assert_eq!(got["path"], "/a\\xe9", "the query does not belong to the path");
    assert_eq!(got["method"], "PO\\xfeST");
    assert_eq!(got["host"], "hé.\\xff");
    assert_eq!(got["operation"], "Unknown");
    assert_eq!(got["body"]["bytes"], 7);
    assert!(got["body"]["sha256"].is_null());

    let long = [b"/".as_slice(), &[0xff; 10_000]].concat();
    assert_eq!(question(&long, b"GET")["path"].as_str().map(str::len), Some(MAX_PATH));
}
