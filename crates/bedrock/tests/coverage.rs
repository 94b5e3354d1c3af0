//! The coverage table: every operation is recognised as itself from the raw path forms of boto3, the JavaScript SDK
//! and the Anthropic SDK; anything else is Unknown.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{Request, escape, escape_but, fill, host, modelled, table};
use std::collections::BTreeMap;

/// One operation to recognise.
#[derive(Debug)]
struct Case {
    service: String,
    name: String,
    method: String,
    uri: String,
    signing: String,
    target: Option<String>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = modelled()
        .into_iter()
        .map(|o| Case {
            target: (o.protocol == "json")
                .then(|| format!("AmazonBedrockKeystoneRuntimeService.{}", o.operation)),
            service: o.service,
            name: o.operation,
            method: o.method,
            uri: o.request_uri,
            signing: o.signing_name,
        })
        .collect();
    assert_eq!(cases.len(), 523);
    for row in table("compatible") {
        let [service, name, method, uri, ..] = &row[..] else { panic!("{row:?}") };
        let signing = match service.as_str() {
            "bedrock-agentcore-gateway" => "bedrock-agentcore",
            "bedrock-mantle" => "bedrock-mantle",
            _ => "bedrock",
        };
        cases.push(Case {
            service: service.clone(),
            name: name.clone(),
            method: method.clone(),
            uri: uri.clone(),
            signing: signing.to_owned(),
            target: None,
        });
    }
    cases
}

/// Values that applications put into labels: ids, ids with colons, ARNs with colons and slashes, odd characters.
const VALUES: [&str; 6] = [
    "ABCDEF1234",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text-lite-v1:0:4k/abcdefghijkl",
    "a session~1_(x)!*'@é",
    "s3://bucket/key with 100% & more?",
];

/// How a client writes a path: its name, how it escapes a label, whether it keeps a trailing slash.
type Form = (&'static str, fn(&str) -> String, bool);

const FORMS: [Form; 4] = [
    ("boto3", escape, true),
    ("js", escape, true),
    // Generators that build the path from its segments drop a trailing slash.
    ("js-", escape, false),
    ("anthropic", |value| escape_but(value, "-._~:!$&'()*+,;=@"), true),
];

fn request(case: &Case, path: &str) -> Request {
    let request = Request::new(&case.method, &host(&case.service), path).signed(&case.signing);
    match &case.target {
        Some(target) => request.header("x-amz-target", target),
        None => request,
    }
}

fn path(case: &Case, value: &str, form: Form) -> (String, Vec<(String, String)>) {
    let mut labels = vec![];
    let path = fill(&case.uri, |name| {
        let value = format!("{value}{}", if labels.is_empty() { "" } else { "-2" });
        labels.push((name.to_owned(), value.clone()));
        form.1(&value)
    });
    let path = if form.2 || path == "/" { path } else { path.trim_end_matches('/').to_owned() };
    (path, labels)
}

#[test]
fn every_operation_is_recognised_as_itself() {
    let cases = cases();
    let mut totals: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    println!("{:32} {:46} {:6} {:5} path", "service", "operation", "method", "forms");
    for case in &cases {
        let mut forms = 0;
        for form in FORMS {
            for value in VALUES {
                let (path, labels) = path(case, value, form);
                let call = request(case, &path)
                    .recognise()
                    .unwrap_or_else(|r| panic!("{} {path}: {:?}", case.name, r.problem));
                let operation =
                    call.operation.unwrap_or_else(|| panic!("{path} at {} is Unknown", case.service));
                assert_eq!(
                    (operation.service, operation.name),
                    (&*case.service, &*case.name),
                    "{} {path}",
                    form.0
                );
                assert_eq!(operation.uri, case.uri, "{} {path}", form.0);
                let found: Vec<(String, String)> =
                    call.labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
                assert_eq!(found, labels, "{} {path}", form.0);
            }
            forms += 1;
        }
        let total = totals.entry(&case.service).or_default();
        total.0 += 1;
        total.1 += forms * VALUES.len();
        println!(
            "{:32} {:46} {:6} {forms}/{} {}",
            case.service,
            case.name,
            case.method,
            FORMS.len(),
            case.uri
        );
    }
    println!("\n{:32} operations  paths", "service");
    for (service, (operations, paths)) in &totals {
        println!("{service:32} {operations:10} {paths:6}");
    }
    let all = totals.values().fold((0, 0), |sum, t| (sum.0 + t.0, sum.1 + t.1));
    println!("{:32} {:10} {:6}  (523 modelled, {} compatible)", "all", all.0, all.1, all.0 - 523);
}

/// An independent matcher: among the templates that take a path, the one with the most literals.
fn naive<'a>(
    cases: &'a [Case],
    service: &str,
    method: &str,
    path: &str,
    target: Option<&str>,
) -> Option<&'a Case> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let takes = |uri: &str| {
        let uri = uri.strip_suffix('/').unwrap_or(uri);
        let (uri, path): (Vec<&str>, Vec<&str>) = (uri.split('/').collect(), path.split('/').collect());
        uri.len() == path.len()
            && uri.iter().zip(path).all(|(u, p)| if u.starts_with('{') { !p.is_empty() } else { *u == p })
    };
    cases
        .iter()
        .filter(|c| c.service == service && c.method == method && takes(&c.uri))
        .filter(|c| c.target.is_none() || c.target.as_deref() == target)
        .min_by_key(|c| c.uri.matches('{').count())
}

#[test]
fn anything_else_is_unknown() {
    let cases = cases();
    let services: std::collections::BTreeSet<&str> = cases.iter().map(|c| c.service.as_str()).collect();
    let (mut unknown, mut others) = (0, 0);
    let mut check = |service: &str, method: &str, path: &str, target: Option<&str>, own: &Case| {
        let mut request = Request::new(method, &host(service), path);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        // A mutation may be one that is refused outright; then it is no operation either.
        let found = match request.recognise() {
            Ok(call) => call.operation,
            Err(refused) => {
                assert!(path.contains("//"), "{path}: {:?}", refused.problem);
                None
            }
        };
        let expected = if path.contains("//") { None } else { naive(&cases, service, method, path, target) };
        assert_eq!(
            found.map(|o| (o.service, o.name, o.uri)),
            expected.map(|c| (&*c.service, &*c.name, &*c.uri)),
            "{method} {path} at {service}"
        );
        match expected {
            None => unknown += 1,
            Some(other)
                if other.service == own.service && other.name == own.name && other.method == method => {}
            Some(_) => others += 1,
        }
    };
    for case in &cases {
        let target = case.target.as_deref();
        let (whole, _) = path(case, VALUES[2], FORMS[0]);
        let slashless = whole.trim_end_matches('/');
        let (parent, last) = slashless.rsplit_once('/').unwrap_or(("", ""));
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "post"] {
            check(&case.service, method, &whole, target, case);
        }
        for service in &services {
            check(service, &case.method, &whole, target, case);
        }
        for mutated in [
            format!("{slashless}/extra"),
            format!("/extra{slashless}"),
            format!("{slashless}//"),
            if parent.is_empty() { "/".to_owned() } else { parent.to_owned() },
            format!("{parent}/{last}x"),
            format!("{parent}/x{last}"),
            whole.to_ascii_uppercase(),
            // A slash of an ARN that was not escaped makes more segments.
            whole.replacen("%2F", "/", 1),
            // An escaped slash is no segment border.
            slashless.replacen('/', "%2F", 2).replacen("%2F", "/", 1),
        ] {
            let mutated = if mutated.is_empty() { "/".to_owned() } else { mutated };
            check(&case.service, &case.method, &mutated, target, case);
        }
        if case.target.is_some() {
            check(&case.service, &case.method, &whole, Some("Other.Operation"), case);
        }
    }
    println!("{unknown} mutations are Unknown, {others} are another operation that really has that path");
}
