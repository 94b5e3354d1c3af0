//! Envoy restarts, and a VM that traps: nothing goes out undecided, and the gate comes back by itself.

use crate::raw::{HOST, converse, signed, tunnel};
use anyhow::{Result, ensure};
use e2e::{Builder, Stack, wait};

fn call(stack: &Stack, mark: &str) -> Result<u16> {
    let mut connection = tunnel(stack, HOST, HOST)?;
    connection.send(&signed(converse(mark))?.to_http1())?;
    Ok(connection.answer()?.status)
}

#[test]
fn envoy_restart() -> Result<()> {
    let mut stack = Builder::default().start()?;
    ensure!(call(&stack, "before the restart")? == 200, "before");
    stack.envoy.restart()?;
    ensure!(call(&stack, "after the restart")? == 200, "after");
    // Both calls are on record, with their outcomes, across the restart.
    wait::until("two decisions", || {
        let decisions = stack.control_plane.decisions("verdict=allow")?;
        ensure!(decisions.len() == 2, "{}", decisions.len());
        Ok(())
    })
}

#[test]
fn a_trapped_vm_lets_nothing_out_and_comes_back() -> Result<()> {
    let stack = Builder::default()
        .patch(
            "\"failure_mode\": \"closed\"",
            "\"failure_mode\": \"closed\", \"allow_debug\": true, \"debug_trap_header\": \"x-trap\"",
        )
        .start()?;
    let request = signed(converse("trap"))?.header("x-trap", "now");
    let mut connection = tunnel(&stack, HOST, HOST)?;
    connection.send(&request.to_http1())?;
    // Envoy answers for the trapped filter, or closes: whatever it does, the call must not arrive.
    match connection.answer() {
        Ok(answer) => {
            println!("trapped: {} {}", answer.status, answer.text());
            ensure!(answer.status >= 500, "{}", answer.status);
        }
        Err(error) => println!("trapped: {error:#}"),
    }
    ensure!(stack.fake.calls_with_body(&request.body_sha256())?.is_empty(), "it arrived");
    wait::until("the VM to come back", || {
        let status = call(&stack, "after the trap")?;
        ensure!(status == 200, "{status}");
        Ok(())
    })?;
    println!("back: calls pass again");
    Ok(())
}

#[test]
fn headers_that_are_not_held_are_found_and_said_loudly() -> Result<()> {
    let stack = Builder::default()
        .patch("allow_on_headers_stop_iteration: true", "allow_on_headers_stop_iteration: false")
        .unproven()
        .start()?;
    wait::until("the self-test to fail", || {
        let silent = stack.envoy.stat("portcullis.selftest.silent")?;
        ensure!(silent > 0, "portcullis.selftest.silent is {silent}");
        Ok(())
    })?;
    ensure!(stack.envoy.stat("portcullis.selftest.held")? == 0, "it held all the same");
    let log = stack.envoy.log();
    let said = log.lines().find(|line| line.contains("SELF-TEST FAILED"));
    println!("{said:?}");
    ensure!(said.is_some_and(|line| line.contains("[critical]")), "not in Envoy's log");
    Ok(())
}
