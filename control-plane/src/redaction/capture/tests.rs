//! Capturing: what the detectors find, and what opens what.

use super::*;
use proptest::prelude::*;

fn capturer(mode: Capture) -> Capturer {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    Capturer::new(mode, &MasterKey::parse(key, "test").unwrap())
}

#[test]
fn detectors_find_what_they_know_and_leave_the_rest() {
    let cases = [
        ("write to jane.doe+x@mail.example.co.uk, please", "write to [email], please"),
        ("IBAN DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432.", "IBAN [iban] and [iban]."),
        ("DE00 3704 0044 0532 0130 00", "DE00 [phone] 0130 00"),
        ("card 4111 1111 1111 1111, order 4111111111111112", "card [card], order 4111111111111112"),
        ("id AKIAIOSFODNN7EXAMPLE", "id [aws_key]"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[aws_secret]"),
        ("Authorization: Bearer abcdefghijklmnop.qrs", "Authorization: [bearer]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "[jwt]"),
        ("from 192.0.2.17 and 2001:db8::1 at 12:30:45", "from [ip] and [ip] at 12:30:45"),
        ("a::b is C++", "a::b is C++"),
        ("call +49 (0)30 901820 or 030/901 820", "call [phone] or [phone]"),
        ("on 2026-11-21 there were 1234567 of 1,234,567", "on 2026-11-21 there were 1234567 of 1,234,567"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "[private_key]"),
        ("nothing of that kind", "nothing of that kind"),
    ];
    for (text, expected) in cases {
        let found = redact(text);
        println!("{text:?} -> {found:?}");
        assert_eq!(found, expected);
    }
    println!("compared {} texts", cases.len());
}

proptest! {
    #[test]
    fn no_text_is_too_much_for_the_detectors(text in "[a-zA-Z0-9@.: +/\\-_()é]{0,400}") {
        let once = redact(&text);
        // What was found does not come back, and does not make the rest look like something else for ever.
        let twice = redact(&once);
        prop_assert_eq!(redact(&twice), twice);
    }
}

#[test]
fn long_texts_take_no_longer_than_their_length() {
    // Forms that a backtracking matcher would take very long for.
    for unit in ["a@", "1-", "00 ", "aa00 ", ":a", "eyJ", "1."] {
        let text = unit.repeat(200_000 / unit.len());
        assert!(!redact(&text).is_empty());
    }
}

#[test]
fn a_text_opens_for_its_own_call_only() {
    let full = capturer(Capture::Full);
    let text = Captured { kind: "prompt", text: "call 4111 1111 1111 1111".to_owned(), cut: true };
    let (told, sealed) = &full.seal(vec![text.clone()], "c1").unwrap()[0];
    assert_eq!((told.kind.as_str(), told.bytes, told.cut, told.redacted), ("prompt", 24, true, false));
    assert_eq!(full.open("c1", sealed, told).as_deref(), Ok(text.text.as_str()));
    assert_eq!(full.open("c2", sealed, told), Err(OpenError::DoesNotOpen));
    let other_kind = SealedText { kind: "answer".to_owned(), ..sealed.clone() };
    assert_eq!(full.open("c1", &other_kind, told), Err(OpenError::DoesNotOpen));
    let mut changed = sealed.clone();
    changed.bytes[0] ^= 1;
    assert_eq!(full.open("c1", &changed, told), Err(OpenError::DoesNotOpen));
    let other_key = SealedText { key_id: 2, ..sealed.clone() };
    assert_eq!(full.open("c1", &other_key, told), Err(OpenError::Key(2)));
    let other_record = CapturedText { hmac: String::new(), ..told.clone() };
    assert_eq!(full.open("c1", sealed, &other_record), Err(OpenError::Changed));

    let redacted = capturer(Capture::Redacted);
    let (told, sealed) = &redacted.seal(vec![text], "c1").unwrap()[0];
    assert_eq!(redacted.open("c1", sealed, told).as_deref(), Ok("call [card]"));
    assert!(told.redacted);
}
