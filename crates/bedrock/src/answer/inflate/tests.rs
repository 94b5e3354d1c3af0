//! Every form of compression, cut in every way, whole and not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

fn gzip(flags: u8, optional: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 2, 255];
    bytes.extend(optional);
    bytes.extend(compress_to_vec(plain, 6));
    bytes.extend(crc32fast::hash(plain).to_le_bytes());
    bytes.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
    bytes
}

/// What comes out, and whether it is whole or broken; the same in every chunking.
fn read(coding: &str, bytes: &[u8]) -> (Vec<u8>, bool, bool) {
    let in_pieces_of = |size: usize| {
        let mut inflate = Inflate::of(coding.as_bytes()).unwrap();
        let mut out = Vec::new();
        bytes.chunks(size).for_each(|piece| inflate.push(piece, |plain| out.extend_from_slice(plain)));
        (out, inflate.is_whole(), inflate.is_broken())
    };
    let whole = in_pieces_of(usize::MAX);
    for size in [1, 2, 3, 7, 1_000] {
        assert_eq!(in_pieces_of(size), whole, "{coding} in pieces of {size}");
    }
    whole
}

#[test]
fn every_form_gives_the_plain_bytes_however_it_is_cut() {
    let plain: Vec<u8> = (0..200_000_u32).flat_map(|n| (n % 977).to_le_bytes()).collect();
    let mut two = gzip(0, b"", &plain);
    two.extend(gzip(0, b"", b"and more"));
    let mut twice = plain.clone();
    twice.extend(b"and more");
    for (what, coding, bytes, expected) in [
        ("gzip", "gzip", gzip(0, b"", &plain), &plain),
        ("x-gzip", " X-GZIP ", gzip(0, b"", &plain), &plain),
        ("every part of a header", "gzip", gzip(2 | 4 | 8 | 16, b"\x02\0ab" as &[u8], &plain), &plain),
        ("an empty extra part", "gzip", gzip(4, b"\0\0", &plain), &plain),
        ("a name", "gzip", gzip(8, b"name\0", &plain), &plain),
        ("two members", "gzip", two, &twice),
        ("zlib", "deflate", compress_to_vec_zlib(&plain, 6), &plain),
        ("bare deflate", "deflate", compress_to_vec(&plain, 6), &plain),
        ("stored, not compressed", "gzip", gzip(0, b"", &plain[..9]), &plain[..9].to_vec()),
        ("nothing", "gzip", gzip(0, b"", b""), &Vec::new()),
        ("no byte at all", "gzip", Vec::new(), &Vec::new()),
    ] {
        let bytes = if what.starts_with("every") {
            // Name, comment and checksum follow the extra part.
            let mut head = bytes[..14].to_vec();
            head.extend(b"name\0comment\0\x01\x02");
            head.extend(&bytes[14..]);
            head
        } else {
            bytes
        };
        let (out, whole, broken) = read(coding, &bytes);
        println!("{what}: {} bytes of {}", out.len(), bytes.len());
        assert!(out == *expected, "{what}");
        assert_eq!((whole, broken), (true, false), "{what}");
    }
}

#[test]
fn what_is_not_whole_or_not_sound_is_told() {
    let plain = b"some text, some text, some text".repeat(50);
    let sound = gzip(0, b"", &plain);
    for end in 1..sound.len() {
        let (_, whole, broken) = read("gzip", &sound[..end]);
        assert_eq!((whole, broken), (false, false), "cut at {end}");
    }
    for (what, at) in [
        ("magic", 0),
        ("magic", 1),
        ("method", 2),
        ("checksum", sound.len() - 8),
        ("length", sound.len() - 1),
    ] {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        assert!(read("gzip", &bytes).2, "{what}");
    }
    assert!(read("gzip", b"{\"usage\": {}}").2);
    let mut behind = sound;
    behind.extend(b"trailing");
    assert!(read("gzip", &behind).2, "what follows is no member");
    assert!(
        Inflate::of(b"br").is_none() && Inflate::of(b"gzip, gzip").is_none() && Inflate::of(b"").is_none()
    );
}

#[test]
fn a_bomb_is_given_up() {
    let mut inflate = Inflate::of(b"gzip").unwrap();
    let block = vec![0; 64 * 1_024 * 1_024];
    let bomb = gzip(0, b"", &block);
    let mut read = 0_u64;
    for _ in 0..6 {
        inflate.push(&bomb, |plain| read += plain.len() as u64);
    }
    println!("{read} bytes read of {} sent", bomb.len() * 6);
    assert!(inflate.is_broken());
    assert!(read <= MAX_INFLATED);
}
