//! What `bundle.yaml` says beside the rules, as the control plane asks for it.

use super::file;
use crate::{ApprovalDefaults, Bundle, Call, Model, Price, compile};
use std::time::Duration;

fn load(manifest: &str, rules: &str) -> Bundle {
    let manifest = format!("version: '1'\nname: x\ndefault: allow\n{manifest}");
    compile(&[file("bundle.yaml", manifest), file("rules/a.yaml", format!("rules:\n{rules}"))]).unwrap()
}

#[test]
fn approvals_by_default() {
    let bundle = load("", "- {id: a, action: log}\n");
    println!("{:?}", bundle.approval_defaults());
    assert_eq!(
        *bundle.approval_defaults(),
        ApprovalDefaults {
            expires: Duration::from_secs(86_400),
            valid: Duration::from_secs(3_600),
            hold: None,
            allow_self: false,
            approvers: Vec::new(),
        }
    );
}

#[test]
fn a_rule_s_terms_stand_over_the_bundle_s() {
    let manifest = "approvals: {expires: 2h, valid: 600, hold: 30s, allow_self: true, approvers: [lead-*, \"*\"]}\n\
                    limits: [{id: l, measure: requests, max: 1, window: 1m, action: require_approval, message: m}]\n";
    let bundle = load(
        manifest,
        "- {id: own, action: require_approval, regions: [a], approval: {hold: 0s, valid: 1d, approvers: [cfo]}}\n\
         - {id: none, action: require_approval, regions: [b]}\n",
    );
    let terms = |region: &str| {
        let call = Call { region: region.to_owned(), operation: "Converse".to_owned(), ..Call::default() };
        bundle.decide(&call).approval.unwrap()
    };
    let own = terms("a");
    println!("{own:?}");
    assert_eq!((own.expires.as_secs(), own.valid.as_secs(), own.hold), (7_200, 86_400, None));
    assert_eq!((own.allow_self, own.approvers), (true, vec!["cfo".to_owned()]));
    let none = terms("b");
    assert_eq!((none.valid.as_secs(), none.hold), (600, Some(Duration::from_secs(30))));
    assert!(none.approvers.is_empty(), "one of them is everybody");
    let call = Call { operation: "Converse".to_owned(), ..Call::default() };
    let over =
        bundle.exceeded(&bundle.decide(&call), bundle.limit("l").unwrap(), Some(9), &call).approval.unwrap();
    assert_eq!((over.rule.as_str(), over.message.as_deref(), over.hold), ("limit/l", Some("m"), none.hold));
}

#[test]
fn prices_are_of_one_token_and_rounded_up() {
    let bundle = load(
        "prices: {currency: EUR, models: [{models: [a.b], input: 3, output: 0.0001, cache_read: 0.30}, \
         {models: [a.*], input: 18446744073709551.615, output: 0}]}\n",
        "- {id: a, action: log}\n",
    );
    let price = |id: &str, base: Option<&str>| {
        bundle.price_of(&Model { id: id.to_owned(), base: base.map(str::to_owned), ..Model::default() })
    };
    assert_eq!(
        price("a.b", None),
        Some(Price { input: 3_000, output: 1, cache_read: 300, cache_write: 3_000 })
    );
    assert_eq!(price("arn:aws:bedrock:eu-west-1::foundation-model/A.B", Some("a.b")), price("a.b", None));
    assert_eq!(price("a.c", None).unwrap().input, u64::MAX);
    assert_eq!(price("c.d", None), None);
    assert_eq!(bundle.currency(), Some("EUR"));
}
