use super::{Number, Quantity};
use proptest::prelude::*;
use std::cmp::Ordering;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn written_numbers_compare_exactly() {
    let ascending = [
        "-1e400",
        "-340282366920938463463374607431768211456",
        "-2.5",
        "-2",
        "-0.5",
        "0",
        "1e-400",
        ".1",
        "0.10000000000000000001",
        "2",
        "2.5",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.5",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        "1e400",
    ];
    for (at, a) in ascending.iter().enumerate() {
        for (other, b) in ascending.iter().enumerate() {
            assert_eq!(number(a).compare(&number(b)), at.cmp(&other), "{a} {b}");
        }
    }
    for (a, b) in [("-0", "0"), ("1.0", "1"), ("1e3", "1000"), ("+5", "5"), ("5.", "5"), ("0012.50", "12.5")]
    {
        assert_eq!(number(a).compare(&number(b)), Ordering::Equal, "{a} {b}");
    }
    for bad in ["", "-", ".", "e5", "1e", "0x10", "1_000", " 1", "inf", "nan", "1.2.3", "١"] {
        assert!(Number::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn what_came_as_floating_point_is_compared_so() {
    let float = |value| Quantity::Float(value);
    assert_eq!(float(0.1).compare(&number("0.1")), Some(Ordering::Equal));
    assert_eq!(float(f64::NAN).compare(&number("0")), None);
    assert_eq!(float(f64::INFINITY).compare(&number("1e300")), Some(Ordering::Greater));
}

#[test]
fn text_that_looks_like_a_number() {
    for (text, equal) in [(" 5 ", "5"), ("1_000", "1000"), ("1e3", "1000"), ("0.1", "0.1")] {
        assert_eq!(Quantity::of_text(text).unwrap().compare(&number(equal)), Some(Ordering::Equal), "{text}");
    }
    for text in ["inf", "+Infinity", "-INF"] {
        assert!(Quantity::of_text(text).unwrap().approx().is_infinite(), "{text}");
    }
    for text in ["", "_1", "1_", "1__0", "five", "1,000", "nan", "--inf", "$5"] {
        assert_eq!(Quantity::of_text(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn integers_agree(a in any::<i64>(), b in any::<i64>()) {
        let (left, right) = (number(&a.to_string()), number(&b.to_string()));
        prop_assert_eq!(left.compare(&right), a.cmp(&b));
        prop_assert_eq!(Quantity::Integer(a.into()).compare(&right), Some(a.cmp(&b)));
        prop_assert_eq!(number(&format!("{a}.0")).compare(&right), a.cmp(&b));
    }

    #[test]
    fn decimals_agree_with_floating_point(a in -1000_i32..1000, b in -1000_i32..1000) {
        let (left, right) = (f64::from(a) / 8.0, f64::from(b) / 8.0);
        prop_assert_eq!(number(&left.to_string()).compare(&number(&right.to_string())), left.partial_cmp(&right).unwrap());
    }
}
