//! The addressable gateway: the application signs with a virtual key, the gate re-signs with its own.

use crate::application::script;
use anyhow::{Context, Result, ensure};
use e2e::fake::{APP_ONE, GATEWAY, STRANGER};
use e2e::{Stack, python};

#[test]
fn every_promised_operation_works_re_signed() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
for f in ALL:
    requests.clear()
    out({'operation': f.__name__, 'result': caught(f), 'sent': requests})";
    let seen = python::run(&stack.gateway(APP_ONE), &script("gateway", rest))?;
    ensure!(seen.len() == 8, "{seen:?}");
    for one in seen {
        ensure!(one["result"]["ok"].is_string(), "{one}");
        let sha256 = one["sent"][0]["sha256"].as_str().context("sha256")?;
        let arrived = stack.fake.calls_with_body(sha256)?;
        ensure!(arrived.len() == 1, "{one}: {arrived:?}");
        println!(
            "{} arrived signed by {} for {}",
            one["operation"], arrived[0]["access_key_id"], arrived[0]["host"]
        );
        ensure!(
            arrived[0]["signature_valid"] == true && arrived[0]["access_key_id"] == GATEWAY.0,
            "{}",
            arrived[0]
        );
        ensure!(
            arrived[0]["host"].as_str().is_some_and(|host| host.ends_with(".us-east-1.amazonaws.com")),
            "{}",
            arrived[0]
        );
    }
    Ok(())
}

#[test]
fn a_blocked_model_raises_through_the_gateway_too() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
O = 'anthropic.claude-3-opus-20240229-v1:0'
for f in [converse, converse_stream]:
    requests.clear()
    out({'result': caught(lambda: f(O)), 'sent': requests})";
    for one in python::run(&stack.gateway(APP_ONE), &script("gateway-blocked", rest))? {
        ensure!(one["result"]["class"] == "AccessDeniedException" && one["result"]["requests"] == 1, "{one}");
        let sha256 = one["sent"][0]["sha256"].as_str().context("sha256")?;
        ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "it arrived: {one}");
    }
    Ok(())
}

#[test]
fn nobody_borrows_the_gateways_credential() -> Result<()> {
    let stack = Stack::shared()?;
    let forged = (APP_ONE.0, "not-the-secret-of-application-one-000000");
    for (who, key) in [("an unknown key", STRANGER), ("a wrong secret", forged)] {
        let rest = "out({'result': caught(converse), 'sent': requests})";
        let seen = python::ask(&stack.gateway(key), &script(&format!("forged-{}", who.len()), rest))?;
        println!("{who}: {}", seen["result"]["error"]);
        ensure!(seen["result"]["status"] == 403 && seen["result"]["requests"] == 1, "{who}: {seen}");
        let sha256 = seen["sent"][0]["sha256"].as_str().context("sha256")?;
        ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "{who} arrived");
    }
    Ok(())
}
