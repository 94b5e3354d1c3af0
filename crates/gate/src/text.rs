//! Bytes that may not be UTF-8, as text that JSON can carry.

use std::fmt::Write as _;

/// `bytes` as text: what is UTF-8 stays, every other byte becomes `\xNN`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Cuts `text` to at most `max` bytes, never within a character.
pub(crate) fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_escaped_and_the_rest_stays() {
        for (bytes, expected) in [
            (&b"/model/a"[..], "/model/a"),
            ("/mod\u{e9}l".as_bytes(), "/mod\u{e9}l"),
            (b"/m\xe9l", "/m\\xe9l"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"", ""),
        ] {
            println!("{bytes:?} -> {expected}");
            assert_eq!(escape(bytes), expected);
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé".to_owned(), 2), "a");
        assert_eq!(cut("aé".to_owned(), 3), "aé");
        assert_eq!(cut("abc".to_owned(), 9), "abc");
    }
}
