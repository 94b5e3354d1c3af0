use super::*;
use crate::tests::file;

const MANIFEST: &str =
    "version: '1'\nname: a\ndefault: deny\nprincipals:\n- {name: billing, accounts: [\"123456789012\"]}\n";

fn shown(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
    let files =
        |files: &[(&str, &str)]| files.iter().map(|(path, text)| file(path, text)).collect::<Vec<_>>();
    let mut lines = Vec::new();
    for change in diff(&files(old), &files(new)) {
        let fields: Vec<String> = change
            .fields
            .iter()
            .map(|one| {
                let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
                format!("{}: {} => {}", one.field, show(&one.old), show(&one.new))
            })
            .collect();
        lines.push(format!(
            "{} {} {} [{}]",
            change.kind.as_str(),
            change.section.as_str(),
            change.id,
            fields.join("; ")
        ));
    }
    println!("{}", lines.join("\n"));
    lines
}

#[test]
fn what_is_only_written_differently_is_no_change() {
    let one = "rules:
- id: a
  action: block
  models: [x, y]
  conditions:
  - {field: region, operator: equals, value: eu}
  - {field: request.bytes, operator: gt, value: 5}
- {id: b, action: allow, operations: Converse}
";
    let other = "rules:
- {operations: [Converse], action: allow, id: b, enabled: true, mode: enforce}
";
    let moved = "rules:
- conditions:
  - {value: 5, operator: greater_than, field: request.bytes}
  - {field: region, operator: eq, value: eu}
  models: [y, x]
  severity: medium
  action: block
  id: a
";
    let old = [("bundle.yaml", MANIFEST), ("rules/all.yaml", one)];
    let new = [("bundle.yaml", MANIFEST), ("rules/b.yaml", other), ("rules/sub/a.yaml", moved)];
    assert_eq!(shown(&old, &new), Vec::<String>::new());
}

#[test]
fn changes_are_told_key_by_key() {
    let manifest = "version: '2'\nname: a\ndefault: allow\nprincipals:\n- {name: billing, accounts: [\"123456789012\"], tenant: finance}\n";
    let old = [
        ("bundle.yaml", MANIFEST),
        ("rules/a.yaml", "rules:\n- {id: a, action: block, message: no}\n- {id: gone, action: log}\n"),
    ];
    let new = [
        ("bundle.yaml", manifest),
        (
            "rules/a.yaml",
            "rules:\n- {id: a, action: allow, models: [m]}\n- {id: new, action: log, tags: [t]}\n",
        ),
    ];
    assert_eq!(
        shown(&old, &new),
        [
            "changed bundle bundle.yaml [default: deny => allow; version: 1 => 2]",
            "changed principal billing [tenant: - => finance]",
            "changed rule a [action: block => allow; message: no => -; models: - => m]",
            "removed rule gone [action: log => -; id: gone => -]",
            "added rule new [action: - => log; id: - => new; tags: - => t]",
        ]
    );
}

#[test]
fn routes_limits_prices_and_their_order() {
    let with = |more: &str| format!("{MANIFEST}{more}");
    let old = with(
        "routes:\n- {id: r1, principals: [a], limits: [{id: l, measure: requests, max: 5, window: 1h}]}\n- {id: r2}\n\
         prices:\n  currency: USD\n  unpriced: deny\n  models:\n  - {models: [a, b], input: 1, output: 2}\n",
    );
    let new = with(
        "routes:\n- {id: r2}\n- {id: r1, principals: a, limits: [{id: l, measure: requests, max: 6, window: 1h}]}\n\
         prices:\n  currency: USD\n  unpriced: allow\n  models:\n  - {models: [b, a], input: 1, output: 3}\n",
    );
    assert_eq!(
        shown(&[("bundle.yaml", &old)], &[("bundle.yaml", &new)]),
        [
            "changed route (order) [order: r1, r2 => r2, r1]",
            "changed limit l [max: 5 => 6]",
            "changed prices prices [unpriced: deny => allow]",
            "changed price a, b [output: 2 => 3]",
        ]
    );
}

#[test]
fn cedar_policies_are_compared_by_what_they_mean() {
    let old = "@id(\"a\")\npermit (principal, action, resource) when { 1 < 2 };\n@id(\"b\") forbid (principal, action, resource);";
    let new = "// moved\n@id(\"b\")\nforbid(principal,\n  action, resource);\n@id(\"a\") permit (principal, action, resource) when { 1 < 3 };";
    let lines = shown(
        &[("bundle.yaml", MANIFEST), ("cedar/x.cedar", old)],
        &[("bundle.yaml", MANIFEST), ("cedar/y.cedar", new)],
    );
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("changed cedar cedar/a") && lines[0].contains("1 < 3"));
}
