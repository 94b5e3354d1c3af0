//! Upper and lower case as one: what comparisons that ignore case compare.
//!
//! A character stands for the lower case of its upper case, so that `ſ` is `s`, the Kelvin sign is `k` and the three
//! sigmas are one. Character by character: the fold of a text is made of the folds of its parts, whatever surrounds them.

use std::borrow::Cow;

/// Text up to this size is folded on the stack.
const STACK: usize = 256;

/// The text with its case ignored; borrowed when nothing changes.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    let changes = |byte: u8| byte.is_ascii_uppercase() || !byte.is_ascii();
    if !text.bytes().any(changes) {
        return Cow::Borrowed(text);
    }
    if text.is_ascii() {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        fold_char(c, &mut out);
    }
    Cow::Owned(out)
}

/// Calls `then` with the folded text; without allocation for short ASCII.
pub(crate) fn with_folded<R>(text: &str, then: impl FnOnce(&str) -> R) -> R {
    if text.len() <= STACK && text.is_ascii() && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let mut buffer = [0_u8; STACK];
        if let Some(part) = buffer.get_mut(..text.len()) {
            part.copy_from_slice(text.as_bytes());
            part.make_ascii_lowercase();
            if let Ok(folded) = std::str::from_utf8(part) {
                return then(folded);
            }
        }
    }
    then(&fold(text))
}

fn fold_char(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    let mut upper = c.to_uppercase();
    let single = match (upper.next(), upper.next()) {
        // The dotless i is a letter of its own, not another i.
        (Some(upper), None) if c != 'ı' => upper,
        _ => c,
    };
    out.extend(single.to_lowercase());
}

#[cfg(test)]
mod tests {
    use super::{fold, with_folded};
    use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

    #[test]
    fn cases() {
        let cases = [
            ("", ""),
            ("abc", "abc"),
            ("ABC-1", "abc-1"),
            ("ÄÖ", "äö"),
            ("Straße", "straße"),
            ("ſ\u{212a}", "sk"),
            ("ΣΑΣ", "σασ"),
            ("σας", "σασ"),
            ("ı", "ı"),
            ("İ", "i\u{307}"),
        ];
        for (text, folded) in cases {
            assert_eq!(fold(text), folded, "{text}");
            with_folded(text, |got| assert_eq!(got, folded, "{text}"));
        }
        let long = "A".repeat(1000);
        with_folded(&long, |got| assert_eq!(got, "a".repeat(1000)));
    }

    /// What a regular expression that ignores case takes for equal is equal here, so that `contains` and `matches` agree.
    #[test]
    fn as_regular_expressions_fold() {
        let mut differ = Vec::new();
        for c in '\0'..=char::MAX {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            class.case_fold_simple();
            for range in class.ranges() {
                for other in range.start()..=range.end() {
                    if fold(&c.to_string()) != fold(&other.to_string()) {
                        differ.push((c, other));
                    }
                }
            }
        }
        println!("{differ:?}");
        assert!(differ.len() <= 8, "{differ:?}");
    }
}
