//! What is sent of an answer: counted as it goes, on record when it is over.

use crate::calls::{CallLog, SentRecord};
use sha2::{Digest, Sha256};

/// Above this nothing is hashed: answers of hundreds of megabytes are about their size.
const HASHED: u64 = 32 * 1024 * 1024;

/// Counts one answer's body. Writes it down when dropped, however the answer ended.
pub(crate) struct Meter {
    calls: CallLog,
    request_id: String,
    hash: Sha256,
    sent: SentRecord,
}

impl Meter {
    pub(crate) fn new(calls: &CallLog, request_id: &str) -> Self {
        let sent = SentRecord::default();
        Self { calls: calls.clone(), request_id: request_id.to_owned(), hash: Sha256::new(), sent }
    }

    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.sent.bytes += bytes.len() as u64;
        if self.sent.bytes <= HASHED {
            self.hash.update(bytes);
        }
    }

    pub(crate) fn ended(&mut self) {
        self.sent.whole = true;
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let mut sent = std::mem::take(&mut self.sent);
        if sent.bytes <= HASHED {
            sent.sha256 = Some(hex::encode(self.hash.finalize_reset()));
        }
        self.calls.sent(&self.request_id, sent);
    }
}
