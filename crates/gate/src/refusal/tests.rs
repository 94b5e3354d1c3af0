use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    why: String,
    shape: String,
    status: u16,
    errortype: String,
    retry_after: Option<String>,
    body: serde_json::Value,
}

fn refusal(why: &str) -> Refusal {
    let problem = |code| Refusal::Malformed(Problem { code, detail: "at byte 7".to_owned() });
    match why {
        "denied" => Refusal::Denied { message: "rule \"a\"\nno".to_owned() },
        "pending" => Refusal::Pending { message: "ask".to_owned(), approval_id: "ap-1".to_owned() },
        "pending_named" => Refusal::Pending {
            message: "approve ap-1 at https://gate.example/approvals/ap-1".to_owned(),
            approval_id: "ap-1".to_owned(),
        },
        "throttled" => Refusal::Throttled { message: "slow down".to_owned(), retry_after_seconds: 7 },
        "bad_body" => problem(ProblemCode::BadBody),
        "two_credentials" => problem(ProblemCode::TwoCredentials),
        "undecided" => Refusal::Undecided(Fault::Deadline),
        other => panic!("no refusal `{other}`"),
    }
}

#[test]
fn each_refusal_has_the_shape_of_the_api_that_was_called() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../testdata/gate/refusals.json")).unwrap();
    for case in cases {
        let shape = match case.shape.as_str() {
            "aws" => ApiShape::Aws,
            "openai" => ApiShape::OpenAi,
            _ => ApiShape::Anthropic,
        };
        let reply = refusal(&case.why).reply(shape, "ID");
        let header =
            |name: &str| reply.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str());
        println!("{} {}: {} {}", case.why, case.shape, reply.status, String::from_utf8_lossy(&reply.body));
        assert_eq!(reply.status, case.status);
        assert_eq!(header("x-amzn-errortype"), Some(case.errortype.as_str()));
        assert_eq!(header("retry-after"), case.retry_after.as_deref());
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("x-amzn-requestid"), Some("ID"));
        assert_eq!(header(DECISION_ID_HEADER), Some("ID"));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap(), case.body);
    }
}

#[test]
fn every_problem_is_documented_with_its_status() {
    let doc = include_str!("../../../../docs/errors.md");
    for code in ProblemCode::ALL {
        let reply =
            Refusal::Malformed(Problem { code: *code, detail: String::new() }).reply(ApiShape::Aws, "ID");
        let row = doc.lines().find(|line| line.starts_with(&format!("| `{}` |", code.as_str())));
        let row = row.unwrap_or_else(|| panic!("docs/errors.md has no row for `{}`", code.as_str()));
        println!("{row}");
        assert!(row.contains(&format!("| {} |", reply.status)), "{row} is not {}", reply.status);
    }
}
