use super::{Glob, GlobSet};
use proptest::prelude::*;

#[test]
fn table_of_globs() {
    let cases = [
        ("*", "", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "abc", true),
        ("a*", "ba", false),
        ("*c", "abc", true),
        ("*b*", "abc", true),
        ("*b*", "ac", false),
        ("**", "x/y", true),
        ("a*c", "a/b:c", true),
        ("a*c", "abcd", false),
        ("a*b*c", "aXbXbc", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("a?c", "a€c", true),
        ("[ab]x", "bx", true),
        ("[!ab]x", "bx", false),
        ("[!ab]x", "cx", true),
        ("v[0-9]:*", "v2:0", true),
        ("v[0-9]:*", "vx:0", false),
        ("[]]", "]", true),
        ("[a-]", "-", true),
        (
            "arn:aws:bedrock:*::foundation-model/anthropic.*",
            "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.x",
            true,
        ),
        ("*/POST*", "api/x/POST/y", true),
        ("?*", "", false),
        ("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
    ];
    let braces = [
        ("POST /transfers/{id}", "POST /transfers/{id}", true),
        ("POST /transfers/{id}", "POST /transfers/id", false),
        ("*/{id}/*", "GET /a/{id}/b", true),
        ("{a}{b}", "{a}{b}", true),
    ];
    for (glob, text, expected) in cases.into_iter().chain(braces) {
        println!("{glob:?} on {text:?}: expected {expected}");
        assert_eq!(Glob::parse(glob).unwrap().matches(text), expected, "{glob:?} on {text:?}");
    }
}

#[test]
fn bad_globs_say_why() {
    for (glob, part) in [
        ("a[b", "without `]`"),
        ("{a,b}", "as a list"),
        ("{a", "as a list"),
        ("a}", "as a list"),
        ("{a{b}", "as a list"),
        ("{*}", "as a list"),
        ("[!", "without `]`"),
    ] {
        let message = Glob::parse(glob).unwrap_err();
        println!("{glob:?}: {message}");
        assert!(message.contains(part), "{message}");
    }
}

proptest! {
    #[test]
    fn a_set_agrees_with_each_glob(sources in prop::collection::vec("[ab*?]{0,6}", 1..12), text in "[abc]{0,8}") {
        let globs: Vec<Glob> = sources.iter().map(|source| Glob::parse(source).unwrap()).collect();
        let expected: Vec<usize> =
            globs.iter().enumerate().filter(|(_, glob)| glob.matches(&text)).map(|(number, _)| number).collect();
        let mut found = Vec::new();
        GlobSet::new(globs).each_match(&text, |number| found.push(number));
        found.sort_unstable();
        found.dedup();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn agrees_with_a_regex(source in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let regex = format!("^(?s:{})$", source.replace('*', ".*").replace('?', "."));
        prop_assert_eq!(Glob::parse(&source).unwrap().matches(&text), regex::Regex::new(&regex).unwrap().is_match(&text));
    }
}
