//! Globs, and words in messages.

/// The text has a `*` or a `?`.
pub(super) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// The text is as the pattern says: `*` stands for any characters, `?` for one, everything else for itself.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when it does not fit: behind the last star, one character further in the text.
    let mut back: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = pattern.clone();
        match (ahead.next(), text.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern = ahead;
                back = Some((pattern.clone(), text.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern = ahead;
                text.next();
            }
            _ => {
                let Some((behind, from)) = &mut back else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, text) = (behind.clone(), from.clone());
            }
        }
    }
}

/// Words and phrases that all must be in a text, whatever their case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(Vec<String>);

impl Text {
    /// Reads `words "a phrase"`: words stand between white space, phrases between quotation marks.
    ///
    /// # Errors
    /// What is missing: a quotation mark, or any word at all.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for (at, part) in text.split('"').enumerate() {
            if at % 2 == 1 {
                parts.push(part.to_lowercase());
            } else {
                parts.extend(part.split_whitespace().map(str::to_lowercase));
            }
        }
        parts.retain(|part| !part.is_empty());
        if text.matches('"').count() % 2 == 1 {
            return Err(format!("`{text}` lacks a quotation mark"));
        }
        if parts.is_empty() {
            return Err(
                "a text has at least one word; write `text=retired` or `text=\"is retired\"`".to_owned()
            );
        }
        Ok(Text(parts))
    }

    /// All of them are in that text. A word may be a part of a longer one.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|part| text.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stand_for_what_they_say() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("*", "", true),
            ("*", "anything", true),
            ("?", "", false),
            ("?", "é", true),
            ("*nova*", "eu.amazon.nova-lite-v1:0", true),
            ("*nova", "eu.amazon.nova-lite", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("a?c", "abc", true),
            ("*/x[1]", "model/x[1]", true),
            ("**a", "ba", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob(pattern, text), expected, "{pattern:?} and {text:?}");
        }
        println!("compared {} globs", cases.len());
    }

    #[test]
    fn words_and_phrases_are_found_whatever_their_case() {
        let cases = [
            ("retired", "Titan is Retired", true),
            ("TITAN retired", "Titan is Retired", true),
            ("titan new", "Titan is Retired", false),
            ("\"is retired\"", "Titan is Retired", true),
            ("\"titan retired\"", "Titan is Retired", false),
            ("tit", "Titan is Retired", true),
            ("ÄRGER", "ärger", true),
        ];
        for (wanted, text, expected) in cases {
            assert_eq!(Text::parse(wanted).unwrap().is_in(text), expected, "{wanted} in {text}");
        }
        for wrong in ["", "  ", "\"\"", "\"a", "a\"b\"c\""] {
            assert!(Text::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
