//! Many guarded streams at once on one worker: each is whole, and the VM does not grow with them. A few seconds, or a minute
//! with `PORTCULLIS_LONG`.

use crate::answers::{ALLOWED, FORBIDDEN, RULES, SECRET, messages, path};
use crate::raw::{HOST, MODEL, signed, tunnel};
use anyhow::{Result, ensure};
use e2e::client::Request;
use e2e::{Builder, Stack, wait};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

const STREAMS: usize = 200;

/// What the connections have in common.
#[derive(Default)]
struct Crowd {
    connected: AtomicUsize,
    stop: AtomicBool,
}

/// One connection, stream after stream: every fifth is refused. `done` counts them. The first waits for all connections, so that
/// they are many at once from the first round on.
fn streams(stack: &Stack, number: usize, crowd: &Crowd, done: &AtomicUsize) -> Result<()> {
    let mut connection = tunnel(stack, HOST, HOST)?;
    crowd.connected.fetch_add(1, Ordering::Relaxed);
    wait::until("all connections", || {
        let connected = crowd.connected.load(Ordering::Relaxed);
        ensure!(connected == STREAMS, "{connected}");
        Ok(())
    })?;
    let refused = number.is_multiple_of(5);
    let order = if refused { FORBIDDEN } else { ALLOWED };
    while !crowd.stop.load(Ordering::Relaxed) {
        let text = format!("crowd {number} [[pace:5]][[words:40]][[after:5]] {order}");
        let request = signed(Request::json(HOST, &path(MODEL, "converse-stream"), &messages(&text)))?;
        connection.send(&request.to_http1())?;
        let answer = connection.answer()?;
        ensure!(answer.status == 200 && answer.complete, "{}: {}", answer.status, answer.text());
        ensure!(!answer.text().contains(SECRET), "it arrived");
        ensure!(answer.text().contains("messageStop") != refused, "{}", answer.text());
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn all(done: &[AtomicUsize]) -> usize {
    done.iter().map(|one| one.load(Ordering::Relaxed)).sum()
}

/// Bytes of the VM, when all that has been done so far has its outcome: the gauge is brought up to date before that.
fn memory(stack: &Stack, done: &[AtomicUsize]) -> Result<u64> {
    let done = all(done) as u64;
    wait::until("every outcome", || {
        let sent = stack.envoy.stat("portcullis.outcomes.sent")?;
        ensure!(sent >= done, "{sent} of {done}");
        Ok(())
    })?;
    stack.envoy.stat("portcullis.vm_memory_bytes")
}

#[test]
fn two_hundred_streams_at_once_on_one_worker() -> Result<()> {
    let stack = Builder::default().bundle(&[("rules/tools.yaml", RULES)]).timeout_ms(20_000).start()?;
    let seconds = if std::env::var_os("PORTCULLIS_LONG").is_some() { 60 } else { 6 };
    let crowd = Crowd::default();
    let done: Vec<AtomicUsize> = (0..STREAMS).map(|_| AtomicUsize::new(0)).collect();
    let mut readings = std::thread::scope(|scope| {
        let (stack, crowd) = (&stack, &crowd);
        let threads: Vec<_> = done
            .iter()
            .enumerate()
            .map(|(number, done)| scope.spawn(move || streams(stack, number, crowd, done)))
            .collect();
        let begun = Instant::now();
        // With every round a reading: when each connection has done another one. The first round of all fills what is kept.
        let mut readings = Vec::new();
        let mut watch = || -> Result<()> {
            while readings.is_empty() || begun.elapsed() < Duration::from_secs(seconds) {
                let round = readings.len() + 1;
                let failed = wait::until("a round of streams", || {
                    let failed = threads.iter().any(ScopedJoinHandle::is_finished);
                    let behind = done.iter().filter(|one| one.load(Ordering::Relaxed) < round).count();
                    ensure!(failed || behind == 0, "{behind} have not done {round}");
                    Ok(failed)
                })?;
                if failed {
                    break;
                }
                readings.push(memory(stack, &done)?);
            }
            Ok(())
        };
        let watched = watch();
        crowd.stop.store(true, Ordering::Relaxed);
        for one in threads {
            one.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        }
        watched.map(|()| readings)
    })?;
    readings.push(memory(&stack, &done)?);
    let (first, last) = (readings[0], readings[readings.len() - 1]);
    println!("{} streams in {seconds} s; VM memory {first} -> {last} {readings:?}", all(&done));
    ensure!(last <= first + 1024 * 1024, "the VM grew from {first} to {last}: {readings:?}");
    Ok(())
}
