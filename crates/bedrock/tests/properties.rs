//! Properties: nothing panics, escaping round-trips, a refusal is the same every time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{Request, escape, escape_but, fill, host};
use portcullis_bedrock::{
    Endpoint, Entrance, GatewayEndpoint, ModelRef, OPERATIONS, ProviderApi, ProviderHost, recognise_at,
};
use proptest::prelude::*;

const NAMES: [&str; 12] = [
    "host",
    "authorization",
    "x-api-key",
    "x-amz-date",
    "x-amz-target",
    "x-amz-region-set",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "x-amzn-bedrock-guardrailidentifier",
    "x-other",
];

/// Bytes that look like what is parsed, and bytes that do not.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        "(AWS4-HMAC-SHA256 |AWS4-ECDSA-P256-SHA256 |Bearer |bearer |)(Credential=|bedrock-api-key-|ABSK|)[A-Z0-9/=, ;a-z-]{0,80}"
            .prop_map(String::into_bytes),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "(/[a-z%.0-9A-F/:]{0,12}){0,6}(\\?(X-Amz-[A-Z][a-z]{0,12}=[a-zA-Z0-9%/]{0,20}&?){0,4})?"
            .prop_map(String::into_bytes),
        "/model/[ -~]{0,40}/converse".prop_map(String::into_bytes),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let authority = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "(vpce-[0-9a-f]{1,4}-[a-z]{1,3}\\.)?bedrock[a-z-]{0,10}\\.[a-z]{2,4}-[a-z]{1,5}-[0-9]\\.(vpce\\.)?(amazonaws\\.com|api\\.aws)(:[0-9]{0,6})?"
            .prop_map(String::into_bytes),
    ];
    let headers = proptest::collection::vec((proptest::sample::select(&NAMES[..]), value()), 0..6);
    let method = prop_oneof![Just(b"POST".to_vec()), proptest::collection::vec(any::<u8>(), 0..6)];
    (method, authority, path(), headers, any::<Option<bool>>(), any::<bool>()).prop_map(
        |(method, authority, path, headers, server_name, gateway)| Request {
            method,
            server_name: server_name.map(|same| if same { authority.clone() } else { b"other".to_vec() }),
            authority,
            path,
            headers: headers.into_iter().map(|(n, v)| (n.as_bytes().to_vec(), v)).collect(),
            entrance: if gateway {
                let services = ["bedrock-runtime", "nonsense", "bedrock-agent"].map(String::from).to_vec();
                Entrance::Gateway(GatewayEndpoint { region: "us-east-1".to_owned(), services })
            } else {
                Entrance::Intercepted
            },
        },
    )
}

/// Hosts by which the operations of other providers are reached here.
fn provider_hosts() -> [ProviderHost; 2] {
    [("anthropic", ProviderApi::Anthropic), ("openai", ProviderApi::OpenAi)]
        .map(|(service, api)| ProviderHost { host: host(service), provider: service.to_owned(), api })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_head_gives_the_same_answer_twice_and_never_panics(request in request()) {
        prop_assert_eq!(request.recognise(), request.recognise());
    }

    #[test]
    fn any_model_identifier_is_read(id in "(arn:[a-z:/0-9-]{0,60}|[ -~]{0,60}|\\PC{0,30})") {
        let model = ModelRef::parse(&id);
        prop_assert_eq!(&model.id, &id);
        if let (Some(base), Some(geography)) = (&model.base, &model.geography) {
            let whole = format!("{geography}.{base}");
            prop_assert!(id.ends_with(&whole), "{} does not end in {}", id, whole);
        }
    }

    #[test]
    fn any_host_is_read(host in "\\PC{0,60}|[a-z.-]{0,60}(amazonaws\\.com|api\\.aws)") {
        if let Some(endpoint) = Endpoint::from_host(&host) {
            prop_assert!(host.contains(&endpoint.region));
        }
    }

    /// Whatever an application puts into a label, however a client escapes it, is what policy sees: unless it is one
    /// of the few values that another parser could take for something else.
    #[test]
    fn labels_round_trip(
        at in 0..OPERATIONS.len(),
        value in "[^\\pC]{1,40}",
        literal in proptest::sample::select(&["-._~", "-._", "-._~:", "-._~:@!$&'()*+,="][..]),
    ) {
        let operation = OPERATIONS.get(at).expect("in the table");
        let path = fill(operation.uri, |_| escape_but(&value, literal));
        let request = Request::new(operation.method, &host(operation.service), &path);
        let hex = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
        let twice = value.char_indices().any(|(i, c)| {
            let mut rest = value.chars().skip(value.get(..i).map_or(0, |v| v.chars().count()) + 1);
            c == '%' && hex(rest.next()) && hex(rest.next())
        });
        let dots = value.split('/').any(|p| p == "." || p == "..");
        let labels = operation.uri.contains('{');
        match recognise_at(&request.head(), &request.entrance, &provider_hosts()) {
            Err(refused) => prop_assert!(labels && (twice || dots), "{}: {:?}", path, refused.problem),
            Ok(call) => {
                prop_assert!(!labels || !(twice || dots), "{}", path);
                // A label may spell a literal of a sibling; then it is that sibling, as it is for AWS.
                if call.operation == Some(operation) {
                    prop_assert!(call.labels.iter().all(|(_, v)| *v == value), "{:?}", call.labels);
                }
            }
        }
    }

    /// The characters that no SDK escapes are refused when escaped, wherever they are.
    #[test]
    fn needless_escapes_are_refused(value in "[a-zA-Z0-9._-]{1,10}", at in 0_usize..10) {
        let at = at % value.len();
        let escaped: String = value.bytes().enumerate()
            .map(|(i, b)| if i == at { format!("%{b:02x}") } else { escape(&char::from(b).to_string()) })
            .collect();
        let path = format!("/model/{escaped}/converse");
        let refused = Request::new("POST", &host("bedrock-runtime"), &path).recognise().expect_err("refused");
        prop_assert_eq!(refused.problem.code.as_str(), "path_not_canonical");
    }
}
