//! Many guarded streams at once on one worker: each is whole, and the VM does not grow with them. A few seconds, or a minute
//! with `PORTCULLIS_LONG`.

use crate::answers::{ALLOWED, FORBIDDEN, RULES, SECRET, messages, path};
use crate::raw::{HOST, MODEL, signed, tunnel};
use anyhow::{Result, ensure};
use e2e::client::Request;
use e2e::{Builder, Stack};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const STREAMS: usize = 200;

/// One connection, stream after stream: every fifth is refused.
fn streams(stack: &Stack, number: usize, stop: &AtomicBool, done: &AtomicUsize) -> Result<()> {
    let mut connection = tunnel(stack, HOST, HOST)?;
    let refused = number.is_multiple_of(5);
    let order = if refused { FORBIDDEN } else { ALLOWED };
    while !stop.load(Ordering::Relaxed) {
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

#[test]
fn two_hundred_streams_at_once_on_one_worker() -> Result<()> {
    let stack = Builder::default().bundle(&[("rules/tools.yaml", RULES)]).timeout_ms(20_000).start()?;
    let seconds = if std::env::var_os("PORTCULLIS_LONG").is_some() { 60 } else { 6 };
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let memory = || stack.envoy.stat("portcullis.vm_memory_bytes");
    std::thread::scope(|scope| {
        let (stack, stop, done) = (&stack, &stop, &done);
        let crowd: Vec<_> =
            (0..STREAMS).map(|number| scope.spawn(move || streams(stack, number, stop, done))).collect();
        let begun = Instant::now();
        let mut readings = Vec::new();
        while begun.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(500));
            // The first round of all fills what is kept.
            if done.load(Ordering::Relaxed) >= STREAMS {
                readings.push(memory()?);
            }
        }
        stop.store(true, Ordering::Relaxed);
        for one in crowd {
            one.join().map_err(|_| anyhow::anyhow!("panicked"))??;
        }
        readings.push(memory()?);
        let (first, last) = (readings[0], readings[readings.len() - 1]);
        println!("{} streams in {seconds} s; VM memory {first} -> {last}", done.load(Ordering::Relaxed));
        ensure!(last <= first + 1024 * 1024, "the VM grew from {first} to {last}: {readings:?}");
        Ok(())
    })
}
