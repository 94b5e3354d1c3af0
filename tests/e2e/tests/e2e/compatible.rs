//! The other SDKs of the field, unmodified, through the egress proxy: Anthropic's and OpenAI's, with signatures and with
//! Bedrock API keys; and boto3 with an API key. Refusals have the shape that each understands; no secret is kept.

use anyhow::{Context, Result, bail, ensure};
use e2e::fake::{API_KEY, APP_ONE};
use e2e::{Stack, binaries, python, wait};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Clients of every kind. `case` runs one call, and notes what left the SDK for it; nothing is changed.
const CLIENTS: &str = r#"
import anthropic, openai, httpx2
from aws_bedrock_token_generator import provide_token
from openai.providers import bedrock
SONNET, OPUS, GPT = 'anthropic.claude-3-5-sonnet-20241022-v2:0', 'anthropic.claude-3-opus-20240229-v1:0', 'openai.gpt-oss-120b-1:0'
RUNTIME = 'https://bedrock-runtime.us-east-1.amazonaws.com'
KEY = os.environ['API_KEY']
sent = []
_send = httpx2.Client.send
def send(self, request, **kw):
    one = {'path': request.url.raw_path.decode(), 'sha256': hashlib.sha256(request.read()).hexdigest()}
    sent.append(one)
    response = _send(self, request, **kw)
    one.update(status=response.status_code, decision=response.headers.get('x-portcullis-decision-id'))
    return response
httpx2.Client.send = send

def case(name, f):
    global NAME
    NAME = name
    sent.clear()
    try:
        result = {'text': f()}
    except (anthropic.APIStatusError, openai.APIStatusError) as e:
        result = {'class': type(e).__name__, 'status': e.status_code, 'message': e.message}
    except Exception as e:
        result = {'class': type(e).__name__, 'message': str(e)}
    out({'case': name, 'result': result, 'sent': sent})
def prompt(): return MARK + ' ' + NAME
def ask(): return [{'role': 'user', 'content': prompt()}]
def message(c, m): return lambda: c.messages.create(model=m, max_tokens=64, messages=ask()).content[0].text
def messages(c, m):
    def f():
        with c.messages.stream(model=m, max_tokens=64, messages=ask()) as s:
            return ''.join(s.text_stream)
    return f
def chat(c, m): return lambda: c.chat.completions.create(model=m, messages=ask()).choices[0].message.content
def chats(c, m): return lambda: ''.join(p.choices[0].delta.content or '' for p in c.chat.completions.create(model=m, messages=ask(), stream=True) if p.choices)
def response(c, m): return lambda: c.responses.create(model=m, input=prompt()).output_text
def clients():
    return {
        'AnthropicBedrock, SigV4': (anthropic.AnthropicBedrock(), [message, messages], SONNET),
        'AnthropicBedrock, API key': (anthropic.AnthropicBedrock(aws_region='us-east-1', api_key=KEY), [message, messages], SONNET),
        'AnthropicBedrockMantle, SigV4': (anthropic.AnthropicBedrockMantle(), [message, messages], SONNET),
        'AnthropicBedrockMantle, API key': (anthropic.AnthropicBedrockMantle(api_key=KEY), [message, messages], SONNET),
        'Anthropic, runtime, x-api-key': (anthropic.Anthropic(base_url=RUNTIME + '/anthropic', api_key=KEY), [message, messages], SONNET),
        'OpenAI, runtime, API key': (openai.OpenAI(base_url=RUNTIME + '/openai/v1', api_key=KEY), [chat, chats, response], GPT),
        'OpenAI, provider runtime, SigV4': (openai.OpenAI(provider=bedrock(endpoint='runtime')), [chat, chats, response], GPT),
        'BedrockOpenAI, mantle, API key': (openai.BedrockOpenAI(api_key=KEY, base_url='https://bedrock-mantle.us-east-1.api.aws/openai/v1'), [chat, chats, response], GPT),
    }
"#;

pub(crate) fn run(stack: &Stack, mark: &str, environment: &[(&str, &str)], rest: &str) -> Result<Vec<Value>> {
    let mut all = stack.egress(APP_ONE);
    // AWS_CA_BUNDLE is boto3's; the others trust what OpenSSL is told.
    all.push(("SSL_CERT_FILE".to_owned(), stack.envoy.from.ca.display().to_string()));
    all.push(("API_KEY".to_owned(), API_KEY.to_owned()));
    all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    python::run(&all, &format!("MARK = '{mark}'\n{CLIENTS}\n{rest}"))
}

/// The one request that left the SDK, and its record.
fn only_request<'a>(stack: &Stack, one: &'a Value) -> Result<(&'a Value, Value)> {
    let sent = one["sent"].as_array().context("sent")?;
    ensure!(sent.len() == 1, "{} requests instead of one: {one}", sent.len());
    let id = sent[0]["decision"].as_str().with_context(|| format!("no decision id: {one}"))?;
    Ok((&sent[0], stack.control_plane.decision(id)?))
}

#[test]
fn compatible_sdks_work_unmodified() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
for name, (c, calls, model) in clients().items():
    for call in calls: case(name + ': ' + call.__name__, call(c, model))";
    let seen = run(&stack, "compatible", &[], rest)?;
    ensure!(seen.len() == 19, "{} cases", seen.len());
    for one in seen {
        let name = one["case"].as_str().context("case")?;
        ensure!(one["result"]["text"].as_str().is_some_and(|text| text.contains(name)), "{one}");
        let (sent, record) = only_request(&stack, &one)?;
        let sha256 = sent["sha256"].as_str().context("sha256")?;
        let arrived = stack.fake.calls_with_body(sha256)?;
        ensure!(arrived.len() == 1, "{name}: {} calls with the body the application sent", arrived.len());
        let call = &arrived[0];
        let credential = if name.contains("SigV4") { "sigv4" } else { "bearer_long_term" };
        println!(
            "{name}: {} -> {} {} signature_valid={} principal={}",
            sent["path"],
            call["operation"],
            call["credential"],
            call["signature_valid"],
            record["principal"]["name"]
        );
        ensure!(call["signature_valid"] == true && call["path"] == sent["path"], "{call}");
        ensure!(call["credential"] == credential && record["credential"]["kind"] == credential, "{record}");
        ensure!(
            call["operation"] == record["operation"],
            "{} is on record as {}",
            call["operation"],
            record["operation"]
        );
        ensure!(
            call["model"] == record["model"]["id"],
            "{} is on record as {}",
            call["model"],
            record["model"]
        );
        ensure!(record["request"]["sha256"] == sha256, "{record}");
    }
    Ok(())
}

#[test]
fn compatible_sdks_understand_a_refusal() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
for name, (c, calls, _) in clients().items():
    for call in calls: case(name + ': ' + call.__name__, call(c, OPUS))";
    let seen = run(&stack, "compatible blocked", &[], rest)?;
    ensure!(seen.len() == 19, "{} cases", seen.len());
    for one in seen {
        let (name, result) = (&one["case"], &one["result"]);
        println!("{name}: {} {} {}", result["status"], result["class"], result["message"]);
        ensure!(result["class"] == "PermissionDeniedError" && result["status"] == 403, "{one}");
        let message = result["message"].as_str().context("message")?;
        ensure!(
            message.contains("block-opus") && message.contains("Opus is not approved for this team"),
            "{message}"
        );
        let (sent, record) = only_request(&stack, &one)?;
        ensure!(record["verdict"]["kind"] == "deny", "{record}");
        let sha256 = sent["sha256"].as_str().context("sha256")?;
        ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "{name} arrived");
    }
    Ok(())
}

#[test]
fn bedrock_api_keys_are_recorded_by_their_hints_and_never_kept() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
def converse(m=SONNET): return client('bedrock-runtime').converse(modelId=m, messages=[{'role':'user','content':[{'text': MARK}]}])
def passes():
    r = converse()
    return {'text': r['output']['message']['content'][0]['text'], 'headers': r['ResponseMetadata']['HTTPHeaders']}
short = provide_token(region='us-east-1')
for kind, token in [('bearer_long_term', KEY), ('bearer_short_term', short)]:
    os.environ['AWS_BEARER_TOKEN_BEDROCK'] = token
    requests.clear()
    allowed, sha256 = caught(passes), requests[0]['sha256']
    requests.clear()
    blocked = caught(lambda: converse(OPUS))
    out({'kind': kind, 'token': token, 'allowed': allowed, 'sha256': sha256, 'blocked': blocked})";
    let seen = run(&stack, "API keys", &[], rest)?;
    ensure!(seen.len() == 2, "{seen:?}");
    let mut secrets = vec![APP_ONE.1.to_owned()];
    for one in seen {
        let (kind, token) = (&one["kind"], one["token"].as_str().context("token")?);
        let id = one["allowed"]["ok"]["headers"]["x-portcullis-decision-id"]
            .as_str()
            .with_context(|| format!("{}", one["allowed"]))?;
        let arrived = stack.fake.calls_with_body(one["sha256"].as_str().context("sha256")?)?;
        let bearers: Vec<&Value> = arrived.iter().filter(|call| call["credential"] == *kind).collect();
        ensure!(bearers.len() == 1 && bearers[0]["signature_valid"] == true, "{arrived:?}");

        let record = wait::until("AWS's answer to confirm the principal", || {
            let record = stack.control_plane.decision(id)?;
            ensure!(record["assurance"] == "confirmed", "{record}");
            Ok(record)
        })?;
        let (credential, principal) = (&record["credential"], &record["principal"]);
        println!("{kind}: principal {} credential {credential}", principal["name"]);
        ensure!(credential["kind"] == *kind, "{credential}");
        ensure!(credential["secret_sha256"] == sha256(token), "{credential} for a key of {}", sha256(token));
        if kind == "bearer_long_term" {
            ensure!(credential["account_hint"] == "123456789012", "{credential}");
            ensure!(credential["user_hint"] == "BedrockAPIKey-e2e1", "{credential}");
        } else {
            ensure!(credential["access_key_id"] == APP_ONE.0 && principal["name"] == "app-one", "{record}");
            ensure!(credential["account_hint"] == "000000000000", "{credential}");
        }

        let blocked = &one["blocked"];
        println!("{kind}, blocked: {} {}", blocked["status"], blocked["error"]);
        ensure!(blocked["class"] == "AccessDeniedException" && blocked["requests"] == 1, "{blocked}");
        secrets.extend(secrets_of(token)?);
    }
    never_kept(&stack, &secrets)
}

/// The key itself, and what can be read from it that must not be kept either.
fn secrets_of(token: &str) -> Result<Vec<String>> {
    let encoded = token.trim_start_matches("ABSK").trim_start_matches("bedrock-api-key-");
    let decoded = python::ask(&[], &format!("out(base64.b64decode('{encoded}').decode())"))?;
    let decoded = decoded.as_str().context("a key is base64 of text")?;
    let inner = match decoded.split_once("X-Amz-Signature=") {
        Some((_, rest)) => rest.split('&').next(),
        None => decoded.split_once(':').map(|(_, secret)| secret),
    };
    Ok(vec![token.to_owned(), encoded.to_owned(), inner.context("no secret in the key")?.to_owned()])
}

/// Neither the records, nor the store's files, nor what control plane and Envoy logged hold any of them.
fn never_kept(stack: &Stack, secrets: &[String]) -> Result<()> {
    let mut searched = vec![
        ("the control plane's log".to_owned(), stack.control_plane.log().into_bytes()),
        ("Envoy's log".to_owned(), stack.envoy.log().into_bytes()),
    ];
    files(&stack.control_plane.store, &mut searched)?;
    // In the files records are packed.
    let export = Command::new(binaries::portcullis()?)
        .args(["audit", "export", "--to", "-", "--store"])
        .arg(&stack.control_plane.store)
        .output()?;
    ensure!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    searched.push(("the records".to_owned(), export.stdout));
    let holds =
        |content: &[u8], needle: &str| content.windows(needle.len()).any(|part| part == needle.as_bytes());
    let bytes: usize = searched.iter().map(|(_, content)| content.len()).sum();
    println!("looked for {} secrets in {} files, {bytes} bytes", secrets.len(), searched.len());
    ensure!(
        searched.iter().any(|(_, content)| holds(content, "BedrockAPIKey-e2e1")),
        "the search finds nothing: not even what is in the records"
    );
    for (name, content) in &searched {
        for secret in secrets {
            if holds(content, secret) {
                bail!("`{secret:.12}…` is in {name}");
            }
        }
    }
    Ok(())
}

fn files(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(())
}

fn sha256(text: &str) -> String {
    e2e::client::Request::new("POST", "", "/", text).body_sha256()
}
