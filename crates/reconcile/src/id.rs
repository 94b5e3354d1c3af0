//! Ids of requests and events, small.

use std::fmt;

/// An id. Those that AWS makes are UUIDs, and take 16 bytes instead of 36.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Id {
    /// A UUID in its usual form.
    Uuid([u8; 16]),
    /// Anything else.
    Text(Box<str>),
}

impl Id {
    /// Reads it. AWS writes UUIDs in lower case; one in upper case is the same id.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim();
        uuid(text).map_or_else(|| Id::Text(text.into()), Id::Uuid)
    }

    /// The same of one that may be missing; an empty one is missing.
    pub(crate) fn some(text: Option<&str>) -> Option<Self> {
        text.map(str::trim).filter(|text| !text.is_empty()).map(Id::new)
    }
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut out = [0; 16];
    let mut digits = 0_usize;
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        let slot = out.get_mut(digits / 2)?;
        *slot = (*slot << 4) | digit;
        digits += 1;
    }
    Some(out)
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Text(text) => f.write_str(text),
            Id::Uuid(bytes) => {
                for (place, byte) in bytes.iter().enumerate() {
                    if matches!(place, 4 | 6 | 8 | 10) {
                        f.write_str("-")?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were() {
        for (text, small) in [
            ("0873fdcf-2c18-413a-9288-7e9bbbb8f29d", true),
            ("a1b2c3d4-5678-90ab-cdef-EXAMPLE22222", false),
            ("0873fdcf-2c18-413a-9288-7e9bbbb8f29", false),
            ("0873fdcf02c18-413a-9288-7e9bbbb8f29d", false),
            ("0873fdcf-2c18-413a-9288-7e9bbbb8f2é", false),
            ("x", false),
        ] {
            let id = Id::new(text);
            println!("{text} {id:?}");
            assert_eq!(id.to_string(), text);
            assert_eq!(matches!(id, Id::Uuid(_)), small);
        }
        assert_eq!(
            Id::new("0873FDCF-2C18-413A-9288-7E9BBBB8F29D"),
            Id::new("0873fdcf-2c18-413a-9288-7e9bbbb8f29d")
        );
        assert_eq!(Id::some(Some(" ")), None);
    }
}
