//! Agents that ask before they run a tool: the examples of `examples/agents` in the sandbox of the README, and the unmodified
//! client of MeshGuard against the control plane.

use anyhow::{Context, Result, ensure};
use e2e::control_plane::ControlPlane;
use e2e::sandbox::Sandbox;
use e2e::{binaries, bundle, python, wait};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// They concern agents that ask, not the application that invokes them: what the gate makes of an answer is tested elsewhere.
const TOOLS: &str = r#"
version: "1.0"
name: Tools
rules:
- id: no-large-transfers
  action: block
  principals: [AGENT12345]
  tools: [transfer_funds]
  conditions:
  - {field: arguments.amount, operator: greater_than, value: 5000}
  message: Transfers over 5000 are not for agents
- id: ask-for-strangers
  action: require_approval
  principals: [AGENT12345]
  tools: [transfer_funds]
  conditions:
  - {field: arguments.to, operator: equals, value: Stranger}
- id: finance-only
  action: block
  principals: [AGENT12345]
  tools: [transfer_funds]
  conditions:
  - {field: session_attributes.userDepartment, operator: equals, value: sales}
  message: Transfers are for finance
- id: no-deletions
  action: block
  tools: ["delete:*"]
  message: Agents do not delete
- id: ask-mail
  action: require_approval
  tools: ["write:email"]
- id: slowly
  action: throttle
  retry_after: 7s
  tools: ["read:everything"]
"#;

/// What Bedrock sends to a function: fields that a case changes are given.
const EVENT: &str = r#"
def event(amount="4000", to="ACME", **changes):
    parameters = [{"name": "amount", "type": "number", "value": amount}, {"name": "to", "type": "string", "value": to}]
    return {"messageVersion": "1.0", "agent": {"name": "payments", "id": "AGENT12345", "alias": "PROD", "version": "3"}, "inputText": "pay",
        "sessionId": "s-1", "actionGroup": "payments", "function": "transfer_funds", "parameters": parameters,
        "sessionAttributes": {"userId": "u-17", "userDepartment": "finance"}, "promptSessionAttributes": {"locale": "de"}, **changes}
def said(response):
    return response["response"]["functionResponse"]
"#;

fn with_examples(mut environment: Vec<(String, String)>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let examples = binaries::root().join("examples/agents").display().to_string();
    // Nothing is written where people work.
    let own =
        [("PYTHONPATH", examples.as_str()), ("PYTHONDONTWRITEBYTECODE", "1"), ("NO_PROXY", "127.0.0.1")];
    for (name, value) in own.iter().chain(more) {
        environment.retain(|(known, _)| known != name);
        environment.push(((*name).to_owned(), (*value).to_owned()));
    }
    environment
}

/// The sandbox with the rules on tools in force, and what an agent has in its environment.
fn sandbox() -> Result<(Sandbox, Vec<(String, String)>)> {
    let sandbox = Sandbox::new()?;
    let output = sandbox.xtask(&["up", "--sandbox", "--detach", "--ports", "auto"])?.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let environment = sandbox.environment()?;
    let set = |name: &str| {
        let found = environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).with_context(|| format!("`{name}` is not set"))
    };
    bundle::write(Path::new(&set("PORTCULLIS_BUNDLE")?), &[("rules/tools.yaml", TOOLS)])?;
    let admin = e2e::api::Api::new(set("PORTCULLIS_URL")?, Some(set("PORTCULLIS_ADMIN_TOKEN")?));
    wait::until("the rules on tools to be in force", || {
        let (_, bundles) = admin.get("/v1/bundles")?;
        ensure!(bundles["active"]["generation"] == 2, "{}", bundles["active"]);
        Ok(())
    })?;
    // As the README of the examples makes it.
    let made = sandbox
        .shell("portcullis keys create --kind agent --name payments --agent AGENT12345 --tools transfer_funds --expires 1d")
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = String::from_utf8(made.stdout)?;
    let environment = with_examples(environment, &[("PORTCULLIS_AGENT_TOKEN", token.trim())]);
    Ok((sandbox, environment))
}

#[test]
fn agents_of_the_examples_run_only_what_is_allowed() -> Result<()> {
    let (sandbox, environment) = sandbox()?;
    lambda_handler(&environment)?;
    powertools_tool(&environment)?;
    return_of_control(&environment)?;
    one_timeline(&sandbox, &environment)?;
    readme(&sandbox)?;
    let script = "
import urllib.request
request = urllib.request.Request(os.environ['PORTCULLIS_URL'] + '/v1/decisions?operation=Guard&principal=AGENT12345', headers={'authorization': 'Bearer ' + os.environ['PORTCULLIS_ADMIN_TOKEN']})
out(json.load(urllib.request.urlopen(request))['decisions'])";
    let records = python::ask(&environment, script)?;
    let records = records.as_array().context("records")?;
    println!("{} records of tool calls that were asked about", records.len());
    for record in records {
        let tool = &record["tool"]["names"][0];
        ensure!(
            record["kind"] == "tool_call" && (tool == "transfer_funds" || tool == "close_account"),
            "{record}"
        );
        let principal = &record["principal"];
        ensure!(principal["name"] == "AGENT12345" && principal["assurance"] == "verified", "{record}");
        // What its token does not cover is on record as it was said.
        let agent = if record["policy"]["rule"] == "portcullis/agent-token-scope" {
            &record["agent"]["id"]
        } else {
            &principal["name"]
        };
        let agent = format!("agent {}", agent.as_str().context("an agent")?);
        let chain = &record["delegation"];
        ensure!(*chain == json!([agent, "user u-17"]) || *chain == json!([agent]), "{chain}");
    }
    // Whoever cannot ask does not run the tool.
    let nobody = with_examples(environment.clone(), &[("PORTCULLIS_GUARD_URL", "http://127.0.0.1:9")]);
    let stranger = with_examples(environment, &[("PORTCULLIS_AGENT_TOKEN", "pcl_agent_guess")]);
    for (what, environment) in [("no control plane", nobody), ("no good token", stranger)] {
        let seen = python::ask(&environment, &format!("{EVENT}{WITHOUT_A_DECISION}"))?;
        println!("{what}: {seen}");
        ensure!(seen["ran"] == json!([]), "{what}: a tool ran: {seen}");
        ensure!(seen["lambda"]["exception"].is_string() && seen["loop"]["exception"].is_string(), "{seen}");
        ensure!(seen["powertools"].to_string().contains("Error"), "{seen}");
    }
    Ok(())
}

const WITHOUT_A_DECISION: &str = r#"
import logging
logging.disable(logging.CRITICAL)
import lambda_handler, powertools_tool, return_of_control
ran = []
def run(*_, **arguments):
    ran.append(arguments)
lambda_handler.transfer_funds = run
return_of_control.TOOLS["transfer_funds"] = run
powertools_tool.app._tools["transfer_funds"]["function"] = powertools_tool.guarded(run)
run.__name__ = "transfer_funds"
call = {"actionGroup": "actions", "function": "transfer_funds", "parameters": event()["parameters"]}
seen = {
    "lambda": caught(lambda: lambda_handler.lambda_handler(event(), None)),
    "powertools": powertools_tool.app.resolve(event(), None),
    "loop": caught(lambda: return_of_control.run(call, {})),
}
out({**seen, "ran": ran})
"#;

fn lambda_handler(environment: &[(String, String)]) -> Result<()> {
    let script = format!(
        "{EVENT}
from lambda_handler import lambda_handler
for name, e in [('allowed', event()), ('denied', event('8000')), ('pending', event(to='Stranger')), ('unreadable', event('8_000')),
        ('sales', event(sessionAttributes={{'userDepartment': 'sales'}})), ('another agent', event(agent={{'id': 'OTHER'}})),
        ('another tool', event(function='close_account'))]:
    out({{'name': name, 'response': lambda_handler(e, None), 'attributes': e['sessionAttributes']}})"
    );
    let seen = python::run(environment, &script)?;
    let expected = [
        ("allowed", Value::Null, "sent 4000 to ACME"),
        ("denied", json!("REPROMPT"), "Transfers over 5000 are not for agents"),
        ("pending", json!("REPROMPT"), "apr_"),
        ("unreadable", json!("REPROMPT"), "portcullis/unreadable-tool-call"),
        ("sales", json!("REPROMPT"), "Transfers are for finance"),
        ("another agent", json!("FAILURE"), "portcullis/agent-token-scope"),
        ("another tool", json!("FAILURE"), "portcullis/agent-token-scope"),
    ];
    ensure!(seen.len() == expected.len(), "{seen:?}");
    for (one, (name, state, part)) in seen.iter().zip(&expected) {
        let response = &one["response"]["response"];
        let body = response["functionResponse"]["responseBody"]["TEXT"]["body"].as_str().context("body")?;
        println!("lambda handler, {name}: {} {body}", response["functionResponse"]["responseState"]);
        ensure!(one["name"] == *name && body.contains(part), "{one}");
        ensure!(response["functionResponse"]["responseState"] == *state, "{one}");
        ensure!(one["response"]["messageVersion"] == "1.0" && response["actionGroup"] == "payments", "{one}");
        ensure!(state.is_null() || one["response"]["sessionAttributes"] == one["attributes"], "{one}");
    }
    Ok(())
}

fn powertools_tool(environment: &[(String, String)]) -> Result<()> {
    let script = format!(
        "{EVENT}
from powertools_tool import app
for e in [event(), event('8000'), event(to='Stranger')]:
    out(app.resolve(e, None))"
    );
    let seen = python::run(environment, &script)?;
    let expected = [
        (Value::Null, "sent 4000.0 to ACME"),
        (json!("REPROMPT"), "Transfers over 5000 are not for agents"),
        (json!("REPROMPT"), "pending_approval"),
    ];
    ensure!(seen.len() == expected.len(), "{seen:?}");
    for (one, (state, part)) in seen.iter().zip(&expected) {
        let response = &one["response"]["functionResponse"];
        println!("powertools: {response}");
        ensure!(response["responseState"] == *state && response.to_string().contains(part), "{one}");
    }
    Ok(())
}

/// The agent of the fake returns control for what is written in the prompt; its answers come through the gate.
fn return_of_control(environment: &[(String, String)]) -> Result<()> {
    let script = r#"
import return_of_control as r
ran, told = [], []
r.TOOLS["transfer_funds"] = lambda **arguments: ran.append(arguments) or "sent"
run = r.run
def watched(*arguments):
    told.append(run(*arguments))
    return told[-1]
r.run = watched
agent = {"agentId": "AGENT12345", "agentAliasId": "TSTALIASID"}
for amount in [4000, 8000]:
    said = r.turn(agent, f"s-{amount}", "u-17", '[[tool:transfer_funds {"amount": %s, "to": "ACME"}]]' % amount)
    out({"said": said, "ran": ran, "told": told})
    ran, told = [], []
"#;
    let seen = python::run(environment, script)?;
    ensure!(seen.len() == 2, "{seen:?}");
    for (one, (ran, part)) in seen
        .iter()
        .zip([(json!([{"amount": 4000.0, "to": "ACME"}]), "sent"), (json!([]), "Transfers over 5000")])
    {
        println!("return of control: {one}");
        ensure!(one["ran"] == ran, "{one}");
        let told = &one["told"][0]["functionResult"];
        ensure!(
            told["responseBody"]["TEXT"]["body"].as_str().is_some_and(|body| body.contains(part)),
            "{one}"
        );
        ensure!(one["said"].is_string(), "the loop comes to its end: {one}");
    }
    Ok(())
}

/// An agent whose token is made for the application that invokes it is on one timeline with it: what the gate saw of the loop,
/// and what was asked before the tool ran.
fn one_timeline(sandbox: &Sandbox, environment: &[(String, String)]) -> Result<()> {
    let made = sandbox
        .shell("portcullis keys create --kind agent --name app --agent AGENT12345 --tools '*' --principal app-one")
        .output()?;
    let token = String::from_utf8(made.stdout)?;
    let environment = with_examples(environment.to_vec(), &[("PORTCULLIS_AGENT_TOKEN", token.trim())]);
    let script = r#"
import return_of_control as r, urllib.request
text = '[[tool:transfer_funds {"amount": 40, "to": "ACME"}]]'
r.turn({"agentId": "AGENT12345", "agentAliasId": "TSTALIASID"}, "s-one", "u-17", text)
request = urllib.request.Request(os.environ['PORTCULLIS_URL'] + '/v1/correlations/s-one', headers={'authorization': 'Bearer ' + os.environ['PORTCULLIS_ADMIN_TOKEN']})
out(json.load(urllib.request.urlopen(request)))"#;
    let loop_ = python::ask(&environment, script)?;
    println!("one timeline: {} {}", loop_["principal"], loop_["totals"]);
    ensure!(loop_["principal"] == "app-one" && loop_["other_principals"].is_null(), "{loop_}");
    ensure!(loop_["totals"]["calls"] == 2, "{loop_}");
    let steps = loop_.to_string();
    ensure!(steps.contains("\"origin\":\"guard\"") && steps.contains("InvokeAgent"), "{loop_}");
    Ok(())
}

/// The commands of the examples' README, as they are printed there, but for starting the sandbox.
fn readme(sandbox: &Sandbox) -> Result<()> {
    let readme = std::fs::read_to_string(binaries::root().join("examples/agents/README.md"))?;
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let commands: Vec<&str> = block.context("a block of commands")?.lines().skip(2).collect();
    ensure!(commands.len() == 3, "the README has other commands now: {commands:#?}");
    let output = sandbox.shell(&commands.join("\n")).env("PYTHONDONTWRITEBYTECODE", "1").output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("$ {}\n{said}{}", commands[2], String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && said.contains("sent 40"), "the loop of the README");
    Ok(())
}

/// A control plane alone: what agents ask needs no gate.
fn control_plane(directory: &TempDir) -> Result<(ControlPlane, Vec<(String, String)>)> {
    let files: Vec<(&str, &str)> =
        bundle::DEFAULT.iter().copied().chain([("rules/tools.yaml", TOOLS)]).collect();
    bundle::write(&directory.path().join("bundle"), &files)?;
    let plane = ControlPlane::start(directory.path(), &[])?;
    let wish = json!({"kind": "agent", "name": "mesh", "agent": "mesh-agent", "tools": ["*:*"]});
    let (status, made) = plane.admin.post("/v1/keys", &wish)?;
    ensure!(status == 201, "POST /v1/keys: {status} {made}");
    let token = made["token"].as_str().context("token")?;
    let url = format!("http://{}", plane.data);
    let own = [("MESHGUARD_GATEWAY_URL", url.as_str()), ("MESHGUARD_AGENT_TOKEN", token)];
    let environment = with_examples(Vec::new(), &own);
    Ok((plane, environment))
}

#[test]
fn agents_with_a_meshguard_client_work_unchanged() -> Result<()> {
    let directory = TempDir::with_prefix("portcullis-e2e-")?;
    let (plane, environment) = control_plane(&directory)?;
    let script = r#"
from meshguard import MeshGuardClient, PolicyDeniedError, AuthenticationError, RateLimitError, MeshGuardError
from meshguard.langchain import governed_tool, GovernedTool
client = MeshGuardClient(trace_id="trace-7")
def shown(decision):
    return {k: getattr(decision, k) for k in ("allowed", "action", "decision", "policy", "rule", "reason", "trace_id")}
out(shown(client.check("read:contacts", "contacts/7")))
out(shown(client.check("delete:database")))
out(shown(client.check("write:email")))
def raised(call):
    try:
        return {"returned": str(call())}
    except Exception as e:
        return {"class": type(e).__name__, "text": str(e), "policy": getattr(e, "policy", None), "rule": getattr(e, "rule", None), "reason": getattr(e, "reason", None)}
def governed(action):
    with client.govern(action) as decision:
        return "in: " + decision.decision
ran = []
@governed_tool("read:contacts", client=client)
def allowed_tool(query):
    ran.append(query)
    return "found"
@governed_tool("delete:contacts", client=client, on_deny=lambda error, query: "denied " + query)
def denied_tool(query):
    ran.append("deleted")
class Search:
    name, description = "search", "searches"
    def run(self, query):
        ran.append("run " + query)
        return "result"
out([raised(lambda: client.enforce("read:contacts").decision), raised(lambda: governed("read:contacts")), raised(lambda: governed("delete:database")),
    raised(lambda: client.enforce("delete:database")), raised(lambda: client.check("read:everything")), raised(lambda: client.get("api/contacts", action="read:contacts")),
    raised(lambda: client.check("")), raised(lambda: MeshGuardClient(agent_token="pcl_agent_guess").check("read:contacts")),
    raised(lambda: MeshGuardClient(agent_token=os.environ["ADMIN_TOKEN"]).check("read:contacts"))])
out([allowed_tool("a"), denied_tool("b"), GovernedTool(Search(), "read:web", client=client).run("c"), ran, client.is_healthy()])
"#;
    let admin = plane.admin.token.clone().context("token")?;
    let seen = python::run(&with_examples(environment.clone(), &[("ADMIN_TOKEN", &admin)]), script)?;
    for one in &seen {
        println!("{one:#}");
    }
    let [allowed, denied, pending, raised, tools] = seen.as_slice() else { anyhow::bail!("{seen:?}") };
    ensure!(
        allowed["allowed"] == true && allowed["policy"] == "e2e" && allowed["trace_id"] == "trace-7",
        "{allowed}"
    );
    ensure!(
        denied["allowed"] == false && denied["rule"] == "no-deletions" && denied["policy"] == "e2e",
        "{denied}"
    );
    ensure!(
        denied["reason"].as_str().is_some_and(|reason| reason.contains("Agents do not delete")),
        "{denied}"
    );
    ensure!(
        pending["allowed"] == false && pending["reason"].as_str().is_some_and(|r| r.contains("apr_")),
        "{pending}"
    );
    let expected = [
        ("returned", "allow"),
        ("returned", "in: allow"),
        ("PolicyDeniedError", "Agents do not delete"),
        ("PolicyDeniedError", "Action 'delete:database' denied by policy 'e2e' (rule: no-deletions)"),
        ("RateLimitError", "Rate limit exceeded"),
        ("MeshGuardError", "not_a_proxy"),
        ("MeshGuardError", "x-meshguard-action"),
        ("AuthenticationError", "Invalid or expired token"),
        ("AuthenticationError", "Invalid or expired token"),
    ];
    for (one, (class, part)) in raised.as_array().context("a list")?.iter().zip(expected) {
        let text = if class == "returned" { &one["returned"] } else { &one["text"] };
        ensure!(class == "returned" || one["class"] == class, "{one}, not {class}");
        ensure!(text.as_str().is_some_and(|text| text.contains(part)), "{one}, not `{part}`");
    }
    ensure!(*tools == json!(["found", "denied b", "result", ["a", "run c"], true]), "{tools}");

    let records = plane.decisions("operation=Guard")?;
    let first = records.first().context("no record")?;
    ensure!(first["correlation_id"] == "trace-7" && first["principal"]["name"] == "mesh-agent", "{first}");
    ensure!(first["tool"]["names"] == json!(["read:contacts"]), "{first}");

    // Nobody decides: nothing is allowed.
    plane.kill();
    let script = "
from meshguard import MeshGuardClient
client = MeshGuardClient()
out([caught(lambda: client.check('read:contacts').allowed), client.is_healthy()])";
    let alone = python::ask(&environment, script)?;
    println!("without a control plane: {alone}");
    ensure!(alone[0]["exception"] == "ConnectError" && alone[1] == false, "{alone}");
    Ok(())
}
