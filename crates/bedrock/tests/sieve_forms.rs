//! One conversation, told in the way of every API: the same calls and the same text are found in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod answer_common;

use answer_common::{frame, operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_bedrock::{AnswerHead, Found, Sieve, SieveLimits};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const STREAM: &str = "application/vnd.amazon.eventstream";
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// A part of what a model says, in the parts in which it comes.
#[derive(Debug, Clone)]
enum Block {
    Text(Vec<String>),
    Call { id: String, name: String, arguments: Vec<String> },
}

impl Block {
    /// The arguments of a call.
    fn whole(arguments: &[String]) -> Value {
        serde_json::from_str(&arguments.concat()).unwrap()
    }
}

fn parts(text: String) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..4).prop_map(move |cuts| {
        let edges: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| edges[cut.index(edges.len())]).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| text[cut[0]..cut[1]].to_owned()).collect()
    })
}

fn block() -> impl Strategy<Value = Block> {
    let text = "[a-z\"\\\\\n{}\\[\\]é世😀 ]{1,20}".prop_flat_map(parts).prop_map(Block::Text);
    let value = prop_oneof![
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\\né😀]{0,12}".prop_map(Value::from),
        Just(json!({"a": [1, true, null]})),
    ];
    let arguments = prop::collection::btree_map("[a-z\"é]{1,5}", value, 0..4);
    let arguments = arguments.prop_flat_map(|object| parts(serde_json::to_string(&object).unwrap()));
    let call = ("[a-z0-9]{1,8}", "[a-z_.]{1,12}", arguments);
    let call = call.prop_map(|(id, name, arguments)| Block::Call { id, name, arguments });
    prop_oneof![text, call]
}

fn conversation() -> impl Strategy<Value = Vec<Block>> {
    prop::collection::vec(block(), 0..5)
}

fn chunk(document: &Value) -> Vec<u8> {
    frame("chunk", &json!({"bytes": STANDARD.encode(document.to_string()), "p": "abc"}))
}

fn event(document: &Value) -> Vec<u8> {
    format!("data: {document}\n\n").into_bytes()
}

/// The events of Converse: names and payloads.
fn converse_events(blocks: &[Block]) -> Vec<(&'static str, Value)> {
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    for (index, block) in blocks.iter().enumerate() {
        let delta = |delta: Value| ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        match block {
            Block::Text(parts) => events.extend(parts.iter().map(|part| delta(json!({"text": part})))),
            Block::Call { id, name, arguments } => {
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                events.push(("contentBlockStart", json!({"contentBlockIndex": index, "start": start})));
                events.extend(arguments.iter().map(|part| delta(json!({"toolUse": {"input": part}}))));
            }
        }
        events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
    }
    events.push(("messageStop", json!({"stopReason": "tool_use"})));
    events
}

fn anthropic_events(blocks: &[Block]) -> Vec<Value> {
    let mut events = vec![json!({"type": "message_start", "message": {"content": []}})];
    for (index, block) in blocks.iter().enumerate() {
        let start =
            |block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        match block {
            Block::Text(parts) => {
                events.push(start(json!({"type": "text", "text": ""})));
                events.extend(parts.iter().map(|part| delta(json!({"type": "text_delta", "text": part}))));
            }
            Block::Call { id, name, arguments } => {
                events.push(start(json!({"type": "tool_use", "id": id, "name": name, "input": {}})));
                let part = |part| delta(json!({"type": "input_json_delta", "partial_json": part}));
                events.extend(arguments.iter().map(part));
            }
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events
}

fn chat_events(blocks: &[Block]) -> Vec<Value> {
    let mut events = Vec::new();
    let choice = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let mut index = 0;
    for block in blocks {
        match block {
            Block::Text(parts) => events.extend(parts.iter().map(|part| choice(json!({"content": part})))),
            Block::Call { id, name, arguments } => {
                let call = |function: Value| json!({"tool_calls": [{"index": index, "function": function}]});
                let mut first = call(json!({"name": name, "arguments": ""}));
                first["tool_calls"][0]["id"] = json!(id);
                events.push(choice(first));
                events.extend(arguments.iter().map(|part| choice(call(json!({"arguments": part})))));
                index += 1;
            }
        }
    }
    events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    events
}

fn items(blocks: &[Block]) -> Vec<Value> {
    let item = |block: &Block| match block {
        Block::Text(parts) => {
            json!({"type": "message", "content": [{"type": "output_text", "text": parts.concat()}]})
        }
        Block::Call { id, name, arguments } => {
            json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments.concat()})
        }
    };
    blocks.iter().map(item).collect()
}

fn response_events(blocks: &[Block]) -> Vec<Value> {
    let mut events = Vec::new();
    for (index, (block, item)) in blocks.iter().zip(items(blocks)).enumerate() {
        let event = |kind: &str, member: &str, value: Value| json!({"type": format!("response.{kind}"), "output_index": index, member: value});
        match block {
            Block::Text(parts) => {
                events.extend(parts.iter().map(|part| event("output_text.delta", "delta", json!(part))));
                events.push(event("output_text.done", "text", json!(parts.concat())));
            }
            Block::Call { arguments, .. } => {
                let mut begun = item.clone();
                begun["arguments"] = json!("");
                events.push(event("output_item.added", "item", begun));
                let part = |part| event("function_call_arguments.delta", "delta", json!(part));
                events.extend(arguments.iter().map(part));
                events.push(event("function_call_arguments.done", "arguments", json!(arguments.concat())));
            }
        }
        events.push(event("output_item.done", "item", item));
    }
    events.push(json!({"type": "response.completed", "response": {"output": items(blocks)}}));
    events
}

/// The conversation in one document.
fn converse_content(blocks: &[Block]) -> Vec<Value> {
    let content = |block: &Block| match block {
        Block::Text(parts) => json!({"text": parts.concat()}),
        Block::Call { id, name, arguments } => {
            json!({"toolUse": {"toolUseId": id, "name": name, "input": Block::whole(arguments)}})
        }
    };
    blocks.iter().map(content).collect()
}

fn forms(blocks: &[Block]) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let converse = converse_events(blocks);
    let frames = converse.iter().flat_map(|(name, event)| frame(name, event)).collect::<Vec<_>>();
    let nova = converse.iter().flat_map(|(name, event)| chunk(&json!({*name: event}))).collect();
    let anthropic = anthropic_events(blocks);
    let chat = chat_events(blocks);
    let mut messages = json!({"type": "message", "content": []});
    messages["content"] = blocks
        .iter()
        .map(|block| match block {
            Block::Text(parts) => json!({"type": "text", "text": parts.concat()}),
            Block::Call { id, name, arguments } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": Block::whole(arguments)})
            }
        })
        .collect();
    let output = json!({"output": {"message": {"content": converse_content(blocks)}}});
    vec![
        ("ConverseStream", STREAM, frames.clone()),
        ("InvokeHarness", STREAM, frames),
        ("InvokeModelWithResponseStream", STREAM, nova),
        ("InvokeModelWithResponseStream", STREAM, anthropic.iter().flat_map(chunk).collect()),
        ("InvokeModelWithResponseStream", STREAM, chat.iter().flat_map(chunk).collect()),
        ("CreateMessage", EVENTS, anthropic.iter().flat_map(event).collect()),
        ("CreateChatCompletion", EVENTS, chat.iter().flat_map(event).collect()),
        ("CreateResponse", EVENTS, response_events(blocks).iter().flat_map(event).collect()),
        ("Converse", JSON, output.to_string().into_bytes()),
        ("InvokeModel", JSON, messages.to_string().into_bytes()),
        ("GetResponse", JSON, json!({"output": items(blocks)}).to_string().into_bytes()),
    ]
}

/// Calls in their order, and text without line feeds: documents have them between blocks.
fn sift(name: &str, kind: &str, body: &[u8], cut: usize) -> (Vec<(String, String, Value)>, String) {
    let head = AnswerHead { content_type: Some(kind.as_bytes()), ..AnswerHead::default() };
    let limits = SieveLimits { max_arguments: 4_096, max_piece: 65_536, text: true };
    let mut sieve = Sieve::new(Some(operation(name)), &head, limits).unwrap().unwrap();
    let mut found = Vec::new();
    body.chunks(cut).for_each(|slice| sieve.push(slice, &mut found));
    sieve.finish(&mut found);
    let (mut calls, mut text) = (Vec::new(), String::new());
    let mut told = BTreeSet::new();
    for found in found {
        match found {
            Found::Call { key, call } => {
                assert_eq!(call.problem, None);
                let arguments = serde_json::from_str(&call.arguments).unwrap();
                calls.push((call.id.unwrap(), call.name, arguments));
                told.insert(key);
            }
            Found::Text(part) => text.push_str(&part),
            Found::Piece { .. } | Found::Part { .. } => {}
            Found::Flaw(flaw) => panic!("{flaw:?}"),
        }
    }
    assert_eq!(told.len(), calls.len(), "each call has a key of its own");
    (calls, text.replace('\n', ""))
}

/// Calls that are told again are known by what they say: in one conversation they must differ.
fn distinct(blocks: Vec<Block>) -> Vec<Block> {
    let mut seen = BTreeSet::new();
    let is_new = |block: &Block| match block {
        Block::Text(parts) => seen.insert(parts.concat()),
        Block::Call { id, .. } => seen.insert(format!("call {id}")),
    };
    blocks.into_iter().filter(is_new).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases_wanted(), ..ProptestConfig::default() })]

    #[test]
    fn a_conversation_is_the_same_in_every_form(blocks in conversation(), cut in 1usize..400) {
        let blocks = distinct(blocks);
        let mut calls = Vec::new();
        let mut text = String::new();
        for block in &blocks {
            match block {
                Block::Text(parts) => text.push_str(&parts.concat().replace('\n', "")),
                Block::Call { id, name, arguments } => {
                    calls.push((id.clone(), name.clone(), Block::whole(arguments)));
                }
            }
        }
        for (name, kind, body) in forms(&blocks) {
            let (got, told) = sift(name, kind, &body, cut);
            prop_assert_eq!(&got, &calls, "{} {}", name, kind);
            prop_assert_eq!(&told, &text, "{} {}", name, kind);
        }
    }
}

/// `PROPTEST_CASES`, or enough for every run.
fn cases_wanted() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}
