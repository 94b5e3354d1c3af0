//! The thread that writes the second sink. Whatever the disk does to it, it does it to this thread alone: callers wait for its
//! answer no longer than their deadline, and ask nothing more of it while it is stuck.

use super::files::Files;
use super::spill::{Chain, Found, Spill, Spilled};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use tokio::sync::oneshot;

/// Tasks that may wait.
const QUEUE: usize = 1_024;
/// Decisions that are spilled with one sync.
const BATCH: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, String>>;

enum Work {
    /// Opens the files afresh: gives the index that is next, and the last line.
    Open(Reply<(u64, Option<String>)>),
    Append {
        first: u64,
        lines: String,
        reply: Reply<()>,
    },
    /// Opens the spill, and gives what is in it.
    Spilled(Reply<Found>),
    Spill {
        spilled: Arc<Spilled>,
        reply: Reply<()>,
    },
    Clear(Reply<()>),
    /// As a disk does that hangs.
    #[cfg(test)]
    Stall(Receiver<()>),
}

/// The way to the thread. It ends when this is dropped, and what it does is done.
#[derive(Debug, Clone)]
pub(super) struct Thread {
    queue: SyncSender<Work>,
}

impl Thread {
    pub(super) fn start(directory: PathBuf, rotate_bytes: u64, chain: Chain) -> io::Result<Self> {
        let (queue, work) = std::sync::mpsc::sync_channel(QUEUE);
        let disk = Disk { directory, rotate_bytes, chain, files: None, spill: None };
        std::thread::Builder::new().name("second-sink".to_owned()).spawn(move || disk.run(&work))?;
        Ok(Thread { queue })
    }

    pub(super) async fn open(&self) -> Result<(u64, Option<String>), String> {
        self.ask(Work::Open).await
    }

    pub(super) async fn append(&self, first: u64, lines: String) -> Result<(), String> {
        self.ask(|reply| Work::Append { first, lines, reply }).await
    }

    pub(super) async fn spilled(&self) -> Result<Found, String> {
        self.ask(Work::Spilled).await
    }

    pub(super) async fn spill(&self, spilled: Arc<Spilled>) -> Result<(), String> {
        self.ask(|reply| Work::Spill { spilled, reply }).await
    }

    pub(super) async fn clear(&self) -> Result<(), String> {
        self.ask(Work::Clear).await
    }

    /// Hangs, after what was asked before, until what this gives is dropped.
    #[cfg(test)]
    pub(super) fn stall(&self) -> std::sync::mpsc::Sender<()> {
        let (release, until) = std::sync::mpsc::channel();
        assert!(self.queue.try_send(Work::Stall(until)).is_ok(), "the thread is there");
        release
    }

    async fn ask<T>(&self, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(work(reply)).map_err(|error| match error {
            TrySendError::Full(_) => format!("{QUEUE} writes are waiting"),
            TrySendError::Disconnected(_) => "its thread has ended".to_owned(),
        })?;
        answer.await.unwrap_or_else(|_| Err("its thread has ended".to_owned()))
    }
}

struct Disk {
    directory: PathBuf,
    rotate_bytes: u64,
    chain: Chain,
    files: Option<Files>,
    spill: Option<Spill>,
}

impl Disk {
    fn run(mut self, queue: &Receiver<Work>) {
        let mut next = None;
        loop {
            let Some(work) = next.take().or_else(|| queue.recv().ok()) else { return };
            match work {
                Work::Open(reply) => answer(reply, self.open()),
                Work::Append { first, lines, reply } => answer(reply, self.append(first, &lines)),
                Work::Spilled(reply) => answer(reply, self.spilled()),
                #[cfg(test)]
                Work::Stall(until) => {
                    let _ = until.recv();
                }
                Work::Clear(reply) => answer(reply, self.clear()),
                Work::Spill { spilled, reply } => {
                    let mut group = vec![(spilled, reply)];
                    while group.len() < BATCH {
                        match queue.try_recv() {
                            Ok(Work::Spill { spilled, reply }) => group.push((spilled, reply)),
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.spill(group);
                }
            }
        }
    }

    fn open(&mut self) -> io::Result<(u64, Option<String>)> {
        self.files = None;
        let files = self.files.insert(Files::open(&self.directory, self.rotate_bytes)?);
        Ok((files.next(), files.last().map(str::to_owned)))
    }

    fn append(&mut self, first: u64, lines: &str) -> io::Result<()> {
        let result = self.files.as_mut().ok_or(io::ErrorKind::NotConnected)?.append(first, lines);
        if result.is_err() {
            // What of it was written is found out when it is opened next.
            self.files = None;
        }
        result
    }

    fn spilled(&mut self) -> io::Result<Found> {
        std::fs::create_dir_all(&self.directory)?;
        let (spill, found) = Spill::open(&self.directory, self.chain.clone())?;
        self.spill = Some(spill);
        Ok(found)
    }

    /// Those whom nobody waits for any more are not written: their calls were refused.
    fn spill(&mut self, mut group: Vec<(Arc<Spilled>, Reply<()>)>) {
        group.retain(|(_, reply)| !reply.is_closed());
        let spilled: Vec<&Spilled> = group.iter().map(|(spilled, _)| spilled.as_ref()).collect();
        let result = match &mut self.spill {
            _ if spilled.is_empty() => Ok(()),
            Some(spill) => spill.append(&spilled).map_err(|error| error.to_string()),
            None => Err("what was spilled before was not read yet".to_owned()),
        };
        for (_, reply) in group {
            let _ = reply.send(result.clone());
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.spill.as_mut().map_or(Ok(()), Spill::clear)
    }
}

fn answer<T>(reply: Reply<T>, result: io::Result<T>) {
    let _ = reply.send(result.map_err(|error| error.to_string()));
}
