//! Bytes at random, near a sound request.

use super::nothing_got_past;
use crate::raw::{HOST, converse, signed, tunnel};
use anyhow::{Result, ensure};
use e2e::{Builder, Stack};
use std::time::Duration;

/// A number that looks random and is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

/// One to four changes: a byte, a run taken out, a run doubled, something that parsers stumble over put in.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const STUMBLES: [&[u8]; 14] = [
        b"\r\n",
        b"\n",
        b"\0",
        b"\xff\xfe",
        b"%00",
        b"%2F",
        b"//",
        b"\"",
        b"{",
        b"\\ud800",
        b";",
        b": ",
        b"1e999",
        b"\r\nhost: x\r\n",
    ];
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(12)).min(bytes.len());
        match random.below(4) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let run = bytes[at..end].to_vec();
                bytes.splice(at..at, run);
            }
            _ => drop(bytes.splice(at..at, STUMBLES[random.below(STUMBLES.len())].iter().copied())),
        }
    }
}

fn is_sound(stack: &Stack) -> Result<()> {
    let mut connection = tunnel(stack, HOST, HOST)?;
    connection.send(&signed(converse("sound"))?.to_http1())?;
    let answer = connection.answer()?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(())
}

#[test]
fn no_mutation_traps_the_vm_or_gets_past_it() -> Result<()> {
    let stack = Builder::default().start()?;
    let mut random = Random(0x2026_1121_0bad_5eed);
    let whole = signed(converse("mutated"))?.to_http1();
    let mut answers = std::collections::BTreeMap::new();
    for n in 0..400 {
        let mut bytes = whole.clone();
        mutate(&mut bytes, &mut random);
        let mut connection = tunnel(&stack, HOST, HOST)?;
        connection.deadline(Duration::from_millis(150))?;
        // It may close before it has read all.
        let _ = connection.send(&bytes);
        let status = connection.answer().map_or(0, |answer| answer.status);
        *answers.entry(status).or_insert(0) += 1;
        if n % 100 == 99 {
            is_sound(&stack)?;
        }
    }
    let arrived = nothing_got_past(&stack)?;
    println!(
        "answers {answers:?} (0: closed, or waiting for more); {arrived} calls arrived, each decided as itself"
    );
    let log = stack.envoy.log();
    for word in [
        "panicked",
        "unreachable",
        "Plugin configured to fail",
        "wasm log portcullis portcullis portcullis: panic",
    ] {
        ensure!(!log.contains(word), "the VM trapped: {log}");
    }
    ensure!(answers.keys().all(|status| *status < 500), "{answers:?}");
    Ok(())
}
