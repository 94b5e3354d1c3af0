//! The log of a running server, over its admin API.

use super::super::super::client::Client;
use crate::export::formats::jsonl;
use crate::export::range::{Anchor, Signer, Source};
use crate::http::{ConsistencyView, InclusionView, LogKeys};
use crate::storage::Logged;
use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{Hash, TilePath, VerifyingKey, parse_tile};
use sha2::{Digest, Sha256};
use std::io::{BufRead, Read};

/// Hashes of a tile.
const TILE: u64 = 256;
/// Longest note taken.
const MAX_NOTE: u64 = 1024 * 1024;

pub(super) struct Api {
    client: Client,
}

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Api { client }
    }
}

impl Source for Api {
    fn anchor(&mut self) -> anyhow::Result<Anchor> {
        let keys: LogKeys = self.client.get("/v1/audit/keys", &[])?;
        let keys: Vec<VerifyingKey> = keys.keys.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
        let mut note = String::new();
        let answer = self.client.lines("/v1/audit/checkpoint", &[])?;
        answer.take(MAX_NOTE).read_to_string(&mut note).context("cannot read the checkpoint")?;
        let signed = portcullis_audit::log::SignedNote::parse(&note)?;
        signed.verify(&keys).context("the server's checkpoint is not signed by the server's keys")?;
        Anchor::parse(note)
    }

    fn records(&mut self, from: u64, limit: u32) -> anyhow::Result<Vec<Logged>> {
        let query = [("from", from.to_string()), ("limit", limit.clamp(1, 100_000).to_string())];
        let answer = self.client.lines("/v1/audit/records", &query)?;
        let mut found = Vec::new();
        for line in answer.lines() {
            let line = line
                .with_context(|| format!("the server's answer breaks off after {} records", found.len()))?;
            let logged = jsonl::parse(&line)?;
            if let Some(record) = &logged.record {
                let hash: Hash = Sha256::digest(record.as_bytes()).into();
                ensure!(hash == logged.entry.sha256, "record {} is not what its entry says", logged.index);
            }
            found.push(logged);
        }
        Ok(found)
    }

    fn hashes(&mut self, level: u8, first: u64, count: u32, size: u64) -> anyhow::Result<Vec<Hash>> {
        let (tile, skip) = (first / TILE, usize::try_from(first % TILE)?);
        let path = TilePath::in_log(Some(level), tile, size).context("the log has no such tile")?;
        let mut bytes = Vec::new();
        let answer = self.client.lines(&format!("/v1/audit/log/{path}"), &[])?;
        answer.take(TILE * 32).read_to_end(&mut bytes).context("cannot read a tile of the log")?;
        let hashes = parse_tile(&bytes).context("a tile of the log is not made of hashes")?;
        Ok(hashes.into_iter().skip(skip).take(count as usize).collect())
    }

    fn consistency(&mut self, old: u64, new: u64) -> anyhow::Result<Vec<Hash>> {
        let query = [("from", old.to_string()), ("to", new.to_string())];
        let view: ConsistencyView = self.client.get("/v1/audit/proof/consistency", &query)?;
        hashes(&view.hashes)
    }

    fn inclusion(&mut self, index: u64, size: u64) -> anyhow::Result<Vec<Hash>> {
        let query = [("index", index.to_string()), ("size", size.to_string())];
        hashes(&self.client.get::<InclusionView>("/v1/audit/proof/inclusion", &query)?.hashes)
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        bail!(
            "statements are signed with the log's key, which does not leave the server's machine: export there, with --store"
        )
    }
}

fn hashes(proof: &[String]) -> anyhow::Result<Vec<Hash>> {
    let hash = |text: &String| STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    proof.iter().map(hash).collect::<Option<_>>().context("the server's proof is not made of hashes")
}
