//! No request head panics, and what is recognised keeps its promises.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use portcullis_bedrock::{Entrance, GatewayEndpoint, Head, recognise};

const MAX_INPUT: usize = 16 * 1024;

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > MAX_INPUT {
        return Corpus::Reject;
    }
    // Lines: flags and method, authority, path, then headers as `name: value`. Values may hold any byte but the line feed.
    let mut lines = data.split(|&byte| byte == b'\n');
    let [flags, method @ ..] = lines.next().unwrap_or_default() else { return Corpus::Reject };
    let authority = lines.next().unwrap_or_default();
    let path = lines.next().unwrap_or_default();
    let headers: Vec<(Vec<u8>, Vec<u8>)> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let value = line[colon + 1..].trim_ascii_start();
            Some((line[..colon].to_ascii_lowercase(), value.to_vec()))
        })
        .collect();
    let head = Head {
        method,
        authority,
        path,
        headers: &headers,
        server_name: (flags & 1 == 0).then_some(authority),
        end_of_stream: flags & 2 != 0,
    };
    let gateway = Entrance::Gateway(GatewayEndpoint {
        region: "us-east-1".to_owned(),
        services: vec!["bedrock-runtime".to_owned(), "bedrock-agent-runtime".to_owned()],
    });
    for entrance in [Entrance::Intercepted, gateway] {
        let first = recognise(&head, &entrance);
        assert_eq!(first, recognise(&head, &entrance), "the same head is the same call");
        if let Err(refused) = &first {
            assert!(!refused.problem.detail.is_empty());
        }
    }
    Corpus::Keep
});
