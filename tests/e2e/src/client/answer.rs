//! An answer, and how to read one off a socket.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{self, Read};

#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body came to its proper end. False for one that the peer cut.
    pub complete: bool,
}

impl Answer {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `Null` when the body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `x-amzn-errortype`.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.header("x-amzn-errortype")
    }
}

/// Bytes of a connection, some of which may already have been read.
pub(super) struct Reader<'a, R> {
    pub(super) source: &'a mut R,
    pub(super) buffer: &'a mut Vec<u8>,
}

impl<R: Read> Reader<'_, R> {
    /// Reads once; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let n = self.source.read(&mut chunk)?;
        self.buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
        Ok(n > 0)
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let n = n.min(self.buffer.len());
        let rest = self.buffer.split_off(n);
        std::mem::replace(self.buffer, rest)
    }

    /// Up to and without `end`; what there is when the peer ends first is an error.
    fn until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let line = self.take(at);
                self.take(end.len());
                return Ok(line);
            }
            if !self.more()? {
                bail!("the peer closed; read so far: {:?}", String::from_utf8_lossy(self.buffer));
            }
        }
    }

    /// A head, interim answers (1xx) skipped.
    pub(super) fn head(&mut self) -> Result<Answer> {
        loop {
            let head = String::from_utf8_lossy(&self.until(b"\r\n\r\n")?).into_owned();
            let mut lines = head.split("\r\n");
            let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
            let status: u16 = status.with_context(|| format!("not an HTTP answer: {head:?}"))?;
            if (100..200).contains(&status) {
                continue;
            }
            let header =
                |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
            return Ok(Answer { status, headers: lines.filter_map(header).collect(), ..Answer::default() });
        }
    }

    /// The body that belongs to `answer`. A cut one leaves `complete` false.
    pub(super) fn body(&mut self, answer: &mut Answer) {
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        let chunked = answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
        answer.complete = match (answer.status, length, chunked) {
            (204 | 304, ..) => true,
            (_, _, true) => self.chunks(&mut answer.body).is_ok(),
            (_, Some(length), _) => self.exactly(length, &mut answer.body),
            (_, None, false) => {
                while self.more().unwrap_or(false) {}
                answer.body = std::mem::take(self.buffer);
                true
            }
        };
    }

    fn exactly(&mut self, length: usize, body: &mut Vec<u8>) -> bool {
        while self.buffer.len() < length && self.more().unwrap_or(false) {}
        *body = self.take(length);
        body.len() == length
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> Result<()> {
        loop {
            let size = String::from_utf8_lossy(&self.until(b"\r\n")?).into_owned();
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
            let mut chunk = Vec::new();
            let whole = self.exactly(size, &mut chunk);
            body.append(&mut chunk);
            if !whole {
                bail!("cut in a chunk");
            }
            self.until(b"\r\n")?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}
