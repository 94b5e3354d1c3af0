//! Other providers than AWS: their own SDKs, unmodified, through the egress proxy to their own hosts. The same filter, the same
//! rules, the same series of records.

use crate::raw::{HOST, tunnel};
use anyhow::{Context, Result, ensure};
use e2e::client::{Connection, Request};
use e2e::fake::{API_KEY, APP_ONE};
use e2e::{Builder, Stack, python, wait};
use serde_json::Value;

const CLIENTS: &str = r#"
import anthropic, openai, httpx2
sent = []
_send = httpx2.Client.send
def send(self, request, **kw):
    one = {'path': request.url.raw_path.decode(), 'sha256': hashlib.sha256(request.read()).hexdigest()}
    sent.append(one)
    response = _send(self, request, **kw)
    one.update(status=response.status_code, decision=response.headers.get('x-portcullis-decision-id'))
    return response
httpx2.Client.send = send
A = anthropic.Anthropic(api_key='sk-ant-e2e', max_retries=0)
O = openai.OpenAI(api_key='sk-e2e', max_retries=0)
X = openai.OpenAI(api_key='sk-mistral', base_url='https://api.mistral.ai/v1', max_retries=0)
def case(name, f):
    sent.clear()
    try:
        result = {'text': f()}
    except (anthropic.APIStatusError, openai.APIStatusError) as e:
        result = {'class': type(e).__name__, 'status': e.status_code, 'message': e.message}
    except Exception as e:
        result = {'class': type(e).__name__, 'message': str(e)}
    out({'case': name, 'result': result, 'sent': sent})
def ask(): return [{'role': 'user', 'content': MARK + ' [[tokens:1100,220,0,0]]'}]
def message(m): return A.messages.create(model=m, max_tokens=64, messages=ask()).content[0].text
def streamed(m):
    with A.messages.stream(model=m, max_tokens=64, messages=ask()) as s: return ''.join(s.text_stream)
def chat(c, m): return c.chat.completions.create(model=m, messages=ask()).choices[0].message.content
def chats(c, m): return ''.join(p.choices[0].delta.content or '' for p in c.chat.completions.create(model=m, messages=ask(), stream=True, stream_options={'include_usage': True}) if p.choices)
def response(c, m): return c.responses.create(model=m, input=ask()[0]['content']).output_text
"#;

const RULES: &str = "version: \"1.0\"
name: Providers
rules:
- id: block-opus
  action: block
  models: [\"*opus*\"]
  message: Opus is not approved for this team
- id: no-mistral
  action: block
  conditions:
  - {field: provider, operator: equals, value: mistral}
  message: Mistral is not a supplier
";

fn stack() -> Result<Stack> {
    Builder::default().bundle(&[("rules/models.yaml", RULES)]).start()
}

fn run(stack: &Stack, mark: &str, rest: &str) -> Result<Vec<Value>> {
    let mut all = stack.egress(APP_ONE);
    all.push(("SSL_CERT_FILE".to_owned(), stack.envoy.from.ca.display().to_string()));
    python::run(&all, &format!("MARK = '{mark}'\n{CLIENTS}\n{rest}"))
}

fn record(stack: &Stack, one: &Value) -> Result<Value> {
    let id = one["sent"][0]["decision"].as_str().with_context(|| format!("no decision id: {one}"))?;
    stack.control_plane.decision(id)
}

#[test]
fn sdks_of_other_providers_work_unmodified_and_are_on_record() -> Result<()> {
    let stack = stack()?;
    let rest = "
case('anthropic CreateMessage', lambda: message('claude-sonnet-4-20250514'))
case('anthropic CreateMessage', lambda: streamed('claude-sonnet-4-20250514'))
case('openai CreateChatCompletion', lambda: chat(O, 'gpt-4o'))
case('openai CreateChatCompletion', lambda: chats(O, 'gpt-4o'))
case('openai CreateResponse', lambda: response(O, 'gpt-4o'))";
    let seen = run(&stack, "providers", rest)?;
    ensure!(seen.len() == 5, "{seen:?}");
    for one in seen {
        let (provider, operation) =
            one["case"].as_str().context("case")?.split_once(' ').context("provider and operation")?;
        ensure!(one["result"]["text"].as_str().is_some_and(|text| text.contains("providers")), "{one}");
        let id = one["sent"][0]["decision"].as_str().with_context(|| format!("{one}"))?.to_owned();
        let record = wait::until("the outcome", || {
            let record = stack.control_plane.decision(&id)?;
            ensure!(record["outcome"].is_object(), "{}", record["state"]);
            Ok(record)
        })?;
        let (endpoint, credential) = (&record["endpoint"], &record["credential"]);
        println!(
            "{provider}: {} {} {endpoint} {credential} {}",
            record["operation"], record["model"]["id"], record["outcome"]["usage"]
        );
        ensure!(endpoint["provider"] == provider && endpoint["service"] == provider, "{record}");
        ensure!(record["operation"] == operation && record["state"] == "completed", "{record}");
        ensure!(record["action_type"] == "model_invoked", "{record}");
        ensure!(record["action"] == format!("{provider}:{operation}"), "{record}");
        // Anthropic's SDK has sent its key in either header, by its version.
        let kinds: &[&str] =
            if provider == "anthropic" { &["api_key", "bearer_other"] } else { &["bearer_other"] };
        ensure!(kinds.iter().any(|kind| credential["kind"] == *kind), "{credential}");
        let key = if provider == "anthropic" { "sk-ant-e2e" } else { "sk-e2e" };
        ensure!(credential["secret_sha256"] == Request::new("", "", "", key).body_sha256(), "{credential}");
        ensure!(
            credential["access_key_id"].is_null() && credential["account_hint"].is_null(),
            "{credential}"
        );
        let usage = &record["outcome"]["usage"];
        ensure!(usage["input_tokens"] == 1100 && usage["output_tokens"] == 220, "{usage}");
        let sha256 = one["sent"][0]["sha256"].as_str().context("sha256")?;
        let arrived = stack.fake.calls_with_body(sha256)?;
        ensure!(arrived.len() == 1 && arrived[0]["host"] == format!("api.{provider}.com"), "{arrived:?}");
        ensure!(record["request"]["sha256"] == sha256, "{record}");
    }
    Ok(())
}

#[test]
fn rules_hold_for_other_providers_and_their_sdks_understand_the_refusal() -> Result<()> {
    let stack = stack()?;
    let rest = "
case('block-opus', lambda: message('claude-opus-4-20250514'))
case('block-opus', lambda: streamed('claude-opus-4-20250514'))
case('block-opus', lambda: A.messages.batches.create(requests=[{'custom_id': 'a', 'params': {'model': 'claude-haiku-4-5', 'max_tokens': 1, 'messages': ask()}}, {'custom_id': 'b', 'params': {'model': 'claude-opus-4-1', 'max_tokens': 1, 'messages': ask()}}]))
case('no-mistral', lambda: chat(X, 'mistral-large-latest'))
case('portcullis/unknown-operation', lambda: O.moderations.create(model='omni', input='x'))";
    for one in run(&stack, "refused", rest)? {
        let result = &one["result"];
        println!("{}: {} {} {}", one["case"], result["status"], result["class"], result["message"]);
        ensure!(result["class"] == "PermissionDeniedError" && result["status"] == 403, "{one}");
        let record = record(&stack, &one)?;
        ensure!(record["verdict"]["kind"] == "deny", "{record}");
        let rule = record["policy"]["rule"].as_str().unwrap_or_default();
        let wanted = one["case"].as_str().context("case")?;
        ensure!(
            rule == wanted || (wanted.starts_with("portcullis/") && record["operation"] == "Unknown"),
            "{record}"
        );
        let arrived = stack.fake.calls_with_body(one["sent"][0]["sha256"].as_str().context("sha256")?)?;
        ensure!(arrived.is_empty(), "{arrived:?}");
    }
    Ok(())
}

/// What would bring a credential of AWS to somebody else, or a call past the host that the certificate is for.
#[test]
fn keys_of_aws_and_other_hosts_names_do_not_get_to_a_provider() -> Result<()> {
    const OPENAI: &str = "api.openai.com";
    let stack = stack()?;
    let body = br#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}"#.to_vec();
    for (name, authority, bearer, code) in [
        ("a key of AWS", OPENAI, API_KEY, "foreign_service"),
        ("another provider's host", "api.anthropic.com", "sk-e2e", "server_name_mismatch"),
        ("a host of Bedrock", HOST, "sk-e2e", "server_name_mismatch"),
    ] {
        let request = Request::new("POST", authority, "/v1/chat/completions", body.clone());
        let request = request.header("authorization", format!("Bearer {bearer}"));
        let mut connection = tunnel(&stack, OPENAI, OPENAI)?;
        connection.send(&request.header("content-type", "application/json").to_http1())?;
        let answer = connection.answer()?;
        println!("{name}: {} {}", answer.status, answer.text());
        ensure!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
        let id = answer.header("x-portcullis-decision-id").context("no decision id")?;
        let record = stack.control_plane.decision(id)?;
        ensure!(record["problem"]["code"] == code, "{name}: {record}");
    }
    ensure!(stack.fake.calls()?.is_empty(), "something arrived");
    // A host that nobody listed is not even tunnelled.
    let proxy = stack.envoy.egress.to_string();
    let (answer, _) = Connection::through_proxy(&proxy, "api.cohere.com:443", "HTTP/1.1")?;
    ensure!(answer.status == 403, "CONNECT: {}", answer.status);
    Ok(())
}
