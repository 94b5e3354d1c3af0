//! Decisions that the store did not take: durable in the second sink, until the store has them.
//!
//! One line each: `{"mac":…,"at_ms":…,"record":…,"captured":[…]}`. Each `mac` (HMAC-SHA-256, with a key derived from the master
//! key) covers the one before it, so that no line can be changed, left out or put in by whoever has the file only.

use crate::redaction::SealedText;
use crate::tokens::MasterKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use portcullis_audit::DecisionRecord;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "spilled.jsonl";

/// A decision that the store has not taken yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Spilled {
    /// Its record, with its id and time.
    pub record: DecisionRecord,
    /// Its texts, encrypted.
    pub captured: Vec<SealedText>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    record: DecisionRecord,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    captured: Vec<Text>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    kind: String,
    key_id: u32,
    nonce: String,
    bytes: String,
}

/// `body` is kept as the text that the code is of.
#[derive(Serialize, Deserialize)]
struct Line {
    body: String,
    mac: String,
}

/// The key of the chain.
#[derive(Clone)]
pub(super) struct Chain(Hmac<Sha256>);

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain")
    }
}

impl Chain {
    pub(super) fn new(master: &MasterKey) -> Self {
        let key = master.derive("portcullis/audit/spill/1");
        // What is shorter than a block counts as if it were followed by zeros (RFC 2104 §2).
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        Chain(Hmac::new(&block.into()))
    }

    fn next(&self, before: &str, body: &str) -> String {
        let mac = self.0.clone().chain_update(before).chain_update("\n").chain_update(body);
        hex::encode(mac.finalize().into_bytes())
    }
}

/// The file, open at its end.
#[derive(Debug)]
pub(super) struct Spill {
    path: PathBuf,
    chain: Chain,
    file: Option<File>,
    length: u64,
    /// The code of the last line.
    last: String,
}

/// What was found in the file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) spilled: Vec<Spilled>,
    /// Where it was put, and why, when it is not what was written.
    pub(super) broken: Option<String>,
}

impl Spill {
    /// Opens the file, if there is one, and reads it. A last line that was cut by a crash was never acknowledged. A line that
    /// does not verify ends what can be trusted: the file is put aside whole, and what is before that line is given.
    pub(super) fn open(directory: &Path, chain: Chain) -> io::Result<(Self, Found)> {
        let path = directory.join(NAME);
        let mut spill = Spill { path, chain, file: None, length: 0, last: String::new() };
        let mut found = Found::default();
        let text = match std::fs::read(&spill.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((spill, found)),
            Err(error) => return Err(error),
        };
        let mut rest = text.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let Some((line, after)) = rest.split_at_checked(end + 1) else { break };
            match spill.read(line) {
                Some((spilled, mac)) => {
                    found.spilled.push(spilled);
                    spill.last = mac;
                    spill.length += line.len() as u64;
                }
                None => {
                    let aside = spill.path.with_extension(format!("broken-{}", crate::clock::unix_ms()));
                    std::fs::copy(&spill.path, &aside)?;
                    File::open(&aside)?.sync_all()?;
                    let line = found.spilled.len() + 1;
                    found.broken = Some(format!(
                        "line {line} does not verify; the file is kept as `{}`",
                        aside.display()
                    ));
                    break;
                }
            }
            rest = after;
        }
        if spill.length < text.len() as u64 {
            let file = OpenOptions::new().write(true).open(&spill.path)?;
            file.set_len(spill.length)?;
            file.sync_all()?;
        }
        Ok((spill, found))
    }

    /// Appends decisions and makes them durable, all of them or none.
    pub(super) fn append(&mut self, spilled: &[&Spilled]) -> io::Result<()> {
        let (mut lines, mut last) = (String::new(), self.last.clone());
        for one in spilled {
            let body = serde_json::to_string(&Body::from(*one))?;
            last = self.chain.next(&last, &body);
            lines.push_str(&serde_json::to_string(&Line { body, mac: last.clone() })?);
            lines.push('\n');
        }
        if self.file.is_none() {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
            if let Some(directory) = self.path.parent() {
                File::open(directory)?.sync_all()?;
            }
            self.file = Some(file);
        }
        let written = self.write(&lines);
        if written.is_err() {
            // What of it was written is not known: it is cut off when the file is opened next.
            self.file = None;
            written?;
        }
        self.length += lines.len() as u64;
        self.last = last;
        Ok(())
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        // A write that failed before may have left something.
        if file.metadata()?.len() != self.length {
            file.set_len(self.length)?;
        }
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    }

    /// The store has all of it.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        (self.length, self.last) = (0, String::new());
        Ok(())
    }

    fn read(&self, line: &[u8]) -> Option<(Spilled, String)> {
        let line: Line = serde_json::from_slice(line).ok()?;
        let mac = self.chain.next(&self.last, &line.body);
        let body: Body = (mac == line.mac).then(|| serde_json::from_str(&line.body).ok())??;
        Some((body.try_into().ok()?, mac))
    }
}

impl From<&Spilled> for Body {
    fn from(spilled: &Spilled) -> Self {
        let captured = spilled.captured.iter().map(|text| Text {
            kind: text.kind.clone(),
            key_id: text.key_id,
            nonce: STANDARD.encode(text.nonce),
            bytes: STANDARD.encode(&text.bytes),
        });
        Body { record: spilled.record.clone(), captured: captured.collect() }
    }
}

impl TryFrom<Body> for Spilled {
    type Error = ();

    fn try_from(body: Body) -> Result<Self, ()> {
        let captured = body.captured.into_iter().map(|text| {
            let nonce = STANDARD.decode(text.nonce).ok().and_then(|nonce| nonce.try_into().ok()).ok_or(())?;
            let bytes = STANDARD.decode(text.bytes).map_err(|_| ())?;
            Ok(SealedText { kind: text.kind, key_id: text.key_id, nonce, bytes })
        });
        Ok(Spilled { record: body.record, captured: captured.collect::<Result<_, ()>>()? })
    }
}
