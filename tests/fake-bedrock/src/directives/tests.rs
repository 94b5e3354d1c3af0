use super::{Checksum, Directives, ErrorBody, Gzip, Short, ToolMark};
use serde_json::json;

#[test]
fn reads_marks() {
    let text = r#"a [[tool:transfer_funds {"amount": 1, "note": "]] [[x"}]][[tool:ping]] b [[error:429]] [[unknown]] [[pace:7]][[tokens:1,2,3]]"#;
    let found = Directives::read(text);
    println!("{found:?}");
    let call = |name: &str, input, written: &str| ToolMark {
        name: name.to_owned(),
        input,
        written: written.to_owned(),
        server: false,
    };
    assert_eq!(
        found.tools,
        vec![
            call(
                "transfer_funds",
                json!({"amount": 1, "note": "]] [[x"}),
                r#"{"amount": 1, "note": "]] [[x"}"#
            ),
            call("ping", json!({}), "{}"),
        ]
    );
    assert_eq!(found.error, Some((429, ErrorBody::Modelled)));
    assert_eq!(found.pace_ms, Some(7));
    assert_eq!(found.tokens, Some([1, 2, 3, 0]));
    assert_eq!(found.rest, "a  b  [[unknown]] ");
}

#[test]
fn reads_the_ways_in_which_an_answer_goes_wrong() {
    let text = "[[error:502:html]][[short:tool]][[gzip:real]][[bad-crc:prelude]][[length:4294967295]][[body:AAEC]][[server-tool:web {}]]";
    let found = Directives::read(text);
    println!("{found:?}");
    assert_eq!(found.error, Some((502, ErrorBody::Html)));
    assert_eq!((found.short, found.gzip), (Some(Short::Tool), Some(Gzip::Real)));
    assert_eq!((found.bad_crc, found.length), (Some(Checksum::Prelude), Some(u32::MAX)));
    assert_eq!(found.body, Some(vec![0, 1, 2]));
    assert!(found.tools.iter().all(|tool| tool.server) && found.tools.len() == 1);
    assert_eq!(found.rest, "");
}

#[test]
fn leaves_broken_marks() {
    for text in [
        "[[",
        "[[tool:x {\"a\":]]",
        "[[error:abc]]",
        "[[error:403:xml]]",
        "[[cut:now]]",
        "[[short:now]]",
        "[[say:]]",
        "[[body:?]]",
        "[[length:4294967296]]",
        "[[tokens:1,x]]",
        "[[tokens:1,2,3,4,5]]",
        "]]",
    ] {
        assert_eq!(
            Directives::read(text),
            Directives { rest: text.to_owned(), ..Directives::default() },
            "{text}"
        );
    }
}
