//! Random rules and calls, small enough that they often meet.

use serde_json::{Value, json};

/// A seeded generator (xorshift64*): the same seed gives the same cases on every machine.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const TOOLS: &[&str] = &["transfer_funds", "send_email", "bash", "deploy"];
const AGENTS: &[&str] = &["teller", "ops"];
const FIELDS: &[&str] = &[
    "arguments.amount",
    "arguments.to",
    "arguments.note",
    "arguments.flag",
    "arguments.tags",
    "arguments.deep.er",
    "arguments.missing",
    "tool_name",
    "agent_id",
];
const TEXTS: &[&str] = &[
    "Prod",
    "prod",
    "PRODUCTION",
    "rm -rf /",
    "a@x.com, b@x.com;c@x.com",
    "",
    " ",
    "6000",
    "12.5",
    "teller",
    "bash",
    "Straße",
    "ops",
];
const PATTERNS: &[&str] =
    &["prod", "^rm\\s+-rf", "^$", "[0-9]+", "(a|b)+@", "\\bbash\\b", "x\\.com$", "^.{0,3}$"];
const ACTIONS: &[&str] = &["block", "warn", "log", "allow", "require_approval"];
const TIMES: &[&str] = &[
    "2026-11-21T08:59:59+00:00",
    "2026-11-21T09:00:00+00:00",
    "2026-11-20T23:30:00+00:00",
    "2026-11-22T02:10:00+00:00",
    "2026-07-01T16:59:59+00:00",
];

pub(super) fn rule(random: &mut Random, number: usize) -> Value {
    let mut rule =
        json!({"id": format!("r{number}"), "name": format!("Rule {number}"), "action": random.pick(ACTIONS)});
    if !random.one_in(3) {
        rule["tools"] = (0..=random.below(2)).map(|_| json!(random.pick(TOOLS))).collect();
    }
    if random.one_in(6) {
        rule["agents"] = if random.one_in(2) {
            json!([random.pick(AGENTS)])
        } else {
            json!({"not": [random.pick(AGENTS)]})
        };
    }
    match random.below(8) {
        0 => {}
        1 | 2 => rule["condition_groups"] = groups(random),
        3 => {
            rule["conditions"] = conditions(random);
            rule["condition_groups"] = groups(random);
        }
        _ => rule["conditions"] = conditions(random),
    }
    if random.one_in(6) {
        rule[*random.pick(&["requires", "blocked_by"])] =
            (0..=random.below(2)).map(|_| constraint(random)).collect();
    }
    if random.one_in(8) {
        rule["severity"] = json!("high");
        rule["tags"] = json!(["a", "b"]);
        rule["metadata"] = json!({"owner": {"team": "x"}, "n": 1});
    }
    rule
}

/// An output rule, written as if it were one on arguments; `plain`: on the argument `note` alone.
pub(super) fn output_rule(random: &mut Random, number: usize, plain: bool) -> Value {
    let mut rule = json!({"id": format!("r{number}"), "name": format!("Rule {number}")});
    rule["action"] = json!(random.pick(&["block", "redact", "log"]));
    if !random.one_in(3) {
        rule["tools"] = (0..=random.below(2)).map(|_| json!(random.pick(TOOLS))).collect();
    }
    let some = |random: &mut Random| -> Value {
        (0..=random.below(2)).map(|_| argument_condition(random, plain)).collect()
    };
    match random.below(6) {
        0 => {}
        1 | 2 => rule["condition_groups"] = (0..=random.below(2)).map(|_| some(random)).collect(),
        _ => rule["conditions"] = some(random),
    }
    rule
}

fn argument_condition(random: &mut Random, plain: bool) -> Value {
    loop {
        let mut made = condition(random);
        let field = made["field"].as_str().unwrap_or_default().to_owned();
        if plain && field.starts_with("arguments.") {
            made["field"] = json!("arguments.note");
        }
        if field.starts_with("arguments.") {
            return made;
        }
    }
}

/// What a tool answered, as a call's arguments; `plain`: a text, as the argument `note`.
pub(super) fn output(random: &mut Random, plain: bool) -> Value {
    if plain {
        let texts: Vec<&&str> = TEXTS.iter().filter(|text| !text.trim().is_empty()).collect();
        return json!({"tool": random.pick(TOOLS), "arguments": {"note": random.pick(&texts)}});
    }
    let mut made = call(random);
    made["history"] = Value::Null;
    made
}

fn groups(random: &mut Random) -> Value {
    (0..=random.below(2)).map(|_| conditions(random)).collect()
}

fn conditions(random: &mut Random) -> Value {
    (0..=random.below(2)).map(|_| condition(random)).collect()
}

fn constraint(random: &mut Random) -> Value {
    let mut made = json!({"tool": random.pick(TOOLS)});
    if !random.one_in(3) {
        made["within"] = json!(random.pick(&[30, 60, 3600]));
    }
    if random.one_in(3) {
        made["conditions"] = json!([{"field": "arguments.amount", "operator": "greater_than", "value": 10}]);
    }
    made
}

fn condition(random: &mut Random) -> Value {
    let field = *random.pick(FIELDS);
    let operator = *random.pick(&[
        "equals",
        "not_equals",
        "contains",
        "not_contains",
        "starts_with",
        "ends_with",
        "matches",
        "greater_than",
        "less_than",
        "length_greater_than",
        "in",
        "not_in",
        "within_hours",
        "outside_hours",
    ]);
    // Names of tools and agents are text: comparing them as numbers is an error at load, and rightly.
    let named = matches!(field, "tool_name" | "agent_id");
    match operator {
        "greater_than" | "less_than" | "length_greater_than" if named => condition(random),
        "greater_than" | "less_than" => {
            json!({"field": field, "operator": operator, "value": number(random)})
        }
        "length_greater_than" => json!({"field": field, "operator": operator, "value": random.below(5)}),
        "contains" | "not_contains" | "starts_with" | "ends_with" => {
            let text = *random.pick(TEXTS);
            json!({"field": field, "operator": operator, "value": if text.is_empty() { "o" } else { text }})
        }
        "matches" => json!({"field": field, "operator": operator, "value": random.pick(PATTERNS)}),
        "in" | "not_in" => {
            let list: Value = (0..=random.below(3))
                .map(|_| if named { json!(random.pick(TEXTS)) } else { scalar(random) })
                .collect();
            json!({"field": field, "operator": operator, "value": list})
        }
        "within_hours" | "outside_hours" => {
            let (start, end) = *random.pick(&[
                ("09:00", "17:00"),
                ("22:00", "06:00"),
                ("00:00", "23:59"),
                ("09:00", "09:00"),
            ]);
            let mut window = json!({"start": start, "end": end, "timezone": random.pick(&["UTC", "America/New_York", "Asia/Kolkata"])});
            if random.one_in(2) {
                window["days"] = json!(random.pick(&[
                    vec!["mon", "tue", "wed", "thu", "fri"],
                    vec!["sat"],
                    vec!["sun", "sat"]
                ]));
            }
            json!({"field": random.pick(&["context.time", "arguments.when"]), "operator": operator, "value": window})
        }
        _ if named => json!({"field": field, "operator": operator, "value": random.pick(TEXTS)}),
        _ => json!({"field": field, "operator": operator, "value": scalar(random)}),
    }
}

fn number(random: &mut Random) -> Value {
    random.pick(&[json!(0), json!(10), json!(5000), json!(12.5), json!(-3), json!(6000)]).clone()
}

fn scalar(random: &mut Random) -> Value {
    match random.below(5) {
        0 | 1 => number(random),
        2 => json!(random.one_in(2)),
        _ => json!(random.pick(TEXTS)),
    }
}

fn value(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => (0..random.below(4)).map(|_| scalar(random)).collect(),
        2 => json!({"er": scalar(random)}),
        _ => scalar(random),
    }
}

pub(super) fn call(random: &mut Random) -> Value {
    let mut arguments = json!({});
    for name in ["amount", "to", "note", "flag", "tags", "deep"] {
        if !random.one_in(4) {
            arguments[name] = match name {
                "amount" if !random.one_in(4) => number(random),
                "flag" if !random.one_in(4) => json!(random.one_in(2)),
                "deep" if !random.one_in(4) => json!({"er": scalar(random)}),
                "to" | "note" if !random.one_in(4) => json!(random.pick(TEXTS)),
                _ => value(random),
            };
        }
    }
    if random.one_in(2) {
        arguments["when"] = json!(random.pick(TIMES));
    }
    let mut call = json!({"tool": random.pick(TOOLS), "arguments": arguments, "time": random.pick(TIMES)});
    if !random.one_in(3) {
        call["agent"] = json!(random.pick(AGENTS));
    }
    if random.one_in(2) {
        let now: jiff::Timestamp =
            call["time"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        call["history"] = (0..=random.below(2))
            .map(|_| {
                let ago = *random.pick(&[0, 29, 30, 31, 60, 61, 4000]);
                let at = now - jiff::SignedDuration::from_secs(ago);
                json!({"tool": random.pick(TOOLS), "arguments": {"amount": number(random)}, "time": at.to_string().replace('Z', "+00:00")})
            })
            .collect();
    }
    call
}
