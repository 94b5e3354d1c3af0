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
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    let mut len = 0;
    let mut high = 0;
    for block in blocks {
        let mut stop = false;
        let mut seen = 0;
        for &byte in block {
            stop |= stops(byte);
            seen |= byte;
        }
        if stop {
            return short_run(block, len, high);
        }
        high |= seen;
        len += BLOCK;
    }
    short_run(tail, len, high)
}

fn short_run(bytes: &[u8], mut len: usize, mut high: u8) -> Run {
    for &byte in bytes {
        if stops(byte) {
            break;
        }
        high |= byte;
        len += 1;
    }
    Run { len, ascii: high < 0x80 }
}

const fn stops(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
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
