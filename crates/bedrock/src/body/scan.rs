//! The inner loop: how far does a string run on without anything to look at?

/// Bytes per step. A whole block is folded into two accumulators without a branch, which the compiler turns
/// into vector instructions on every target that has them (SSE2, NEON, simd128); no `unsafe`, no dispatch.
const BLOCK: usize = 32;

/// Bytes of a string before the next quote, backslash or control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// How many.
    pub(super) len: usize,
    /// All of them are ASCII: nothing to check as UTF-8.
    pub(super) ascii: bool,
}

/// Measures the plain run at the start of `bytes`.
pub(super) fn plain_run(bytes: &[u8]) -> Run {
    let mut len = 0;
    let mut high = 0;
    for block in bytes.as_chunks::<BLOCK>().0 {
        let mut stop = 0;
        let mut seen = 0;
        for &byte in block {
            stop |= u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20);
            seen |= byte;
        }
        if stop != 0 {
            break;
        }
        high |= seen;
        len += BLOCK;
    }
    // The block with the stop, or the tail: eight bytes at a time, then one.
    let rest = bytes.get(len..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let stops = stops(word);
        if stops != 0 {
            let plain = stops.trailing_zeros() & !7;
            high |= u8::from(word & HIGH & !(u64::MAX << plain) != 0) << 7;
            return Run { len: len + (plain / 8) as usize, ascii: high < 0x80 };
        }
        high |= u8::from(word & HIGH != 0) << 7;
        len += 8;
    }
    for &byte in tail {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        high |= byte;
        len += 1;
    }
    Run { len, ascii: high < 0x80 }
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// The high bit of each byte that stops a run. Bits above the lowest one may be wrong: a borrow runs upwards.
const fn stops(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGH
}

/// Every byte may stand in a base64 string: both alphabets, padding, line breaks.
pub(super) fn is_base64(bytes: &[u8]) -> bool {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    blocks.iter().all(|block| block.iter().fold(true, |sound, &byte| sound & base64_byte(byte)))
        && tail.iter().all(|&byte| base64_byte(byte))
}

const fn base64_byte(byte: u8) -> bool {
    // Differences instead of ranges, and `&`/`|` instead of `&&`/`||`: no branches, so that blocks vectorise.
    ((byte | 0x20).wrapping_sub(b'a') < 26)
        | (byte.wrapping_sub(b'/') < 11) // `/` and the digits
        | (byte == b'+')
        | (byte == b'=')
        | (byte == b'-')
        | (byte == b'_')
        | (byte == b'\n')
        | (byte == b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_every_stop_and_every_offset() {
        for stop in [b'"', b'\\', 0x1f, 0x00, b'\n'] {
            for at in 0..100 {
                let mut bytes = vec![b'x'; 100];
                bytes[at] = stop;
                assert_eq!(plain_run(&bytes), Run { len: at, ascii: true }, "stop {stop} at {at}");
                if at > 0 {
                    bytes[at - 1] = 0xc3;
                    assert_eq!(plain_run(&bytes), Run { len: at, ascii: false }, "stop {stop} at {at}");
                }
            }
        }
        assert_eq!(plain_run(b" ~\x7f"), Run { len: 3, ascii: true });
        assert_eq!(plain_run(b""), Run { len: 0, ascii: true });
    }

    #[test]
    fn base64_is_its_alphabets() {
        let sound: Vec<u8> = (0..=255).filter(|&b| base64_byte(b)).collect();
        let mut expected =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\r\n".to_vec();
        expected.sort_unstable();
        assert_eq!(sound, expected);
        let mut long = vec![b'A'; 200];
        assert!(is_base64(&long));
        for at in 0..200 {
            long[at] = b' ';
            assert!(!is_base64(&long), "space at {at}");
            long[at] = b'A';
        }
    }
}
