//! The host table of `portcullis_envoy` and the endpoints of `portcullis_bedrock` are two, because the gate must not know
//! Envoy's configuration and the other way round. Only here are both within reach, and held together: what certificates and
//! bootstraps are made for, the gate recognises; where a gateway's routes send a call is where the gate says it goes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers: whatever is not as expected ends it"
)]

use portcullis::certs::Plan;
use portcullis_bedrock::{Call, Endpoint, Entrance, GatewayEndpoint, Head, OPERATIONS, recognise};
use portcullis_envoy::hosts::{self, SERVICES, Service};
use portcullis_envoy::{Config, render};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A region of every partition, with the partition's name (botocore's `partitions.json`), and one that AWS may yet open.
const REGIONS: [(&str, &str); 11] = [
    ("us-east-1", "aws"),
    ("eu-central-1", "aws"),
    ("ap-southeast-7", "aws"),
    ("zz-nowhere-42", "aws"),
    ("cn-north-1", "aws-cn"),
    ("us-gov-west-1", "aws-us-gov"),
    ("eusc-de-east-1", "aws-eusc"),
    ("us-iso-east-1", "aws-iso"),
    ("us-isob-east-1", "aws-iso-b"),
    ("eu-isoe-west-1", "aws-iso-e"),
    ("us-isof-south-1", "aws-iso-f"),
];

/// Service and FIPS by the first label alone: `bedrock-runtime-fips`.
fn first_label(host: &str) -> (&str, bool) {
    let label = host.split('.').next().unwrap();
    label.strip_suffix("-fips").map_or((label, false), |service| (service, true))
}

fn check(host: &str, region: &str) -> Endpoint {
    let endpoint = Endpoint::from_host(host).unwrap_or_else(|| panic!("the gate does not know `{host}`"));
    assert_eq!((&*endpoint.service, endpoint.fips), first_label(host), "{host}");
    assert_eq!(endpoint.region, region, "{host}");
    assert_eq!(endpoint.vpc_endpoint, None, "{host}");
    endpoint
}

#[test]
fn every_host_of_the_certificates_is_recognised() {
    let plan = Plan {
        regions: REGIONS.map(|(region, _)| region.to_owned()).to_vec(),
        also_allow_regions: Vec::new(),
        extra_hosts: Vec::new(),
        gateway_hosts: Vec::new(),
        mount_path: None,
        days: 1,
        ca_days: 1,
    };
    let leaves = plan.leaves().unwrap();
    assert_eq!(leaves.len(), REGIONS.len());
    for (leaf, (region, partition)) in leaves.iter().zip(REGIONS) {
        let mut services = BTreeSet::new();
        for host in &leaf.hosts {
            let endpoint = check(host, region);
            assert_eq!(endpoint.partition, partition, "{host}");
            services.insert(endpoint.service);
        }
        println!("{region}: {} hosts of {} services", leaf.hosts.len(), services.len());
        // AgentCore gateways have an id of their own in the host, and other providers are not AWS's: no list can hold them,
        // `extra_hosts` does.
        let listed =
            |service: &String| !matches!(&**service, "bedrock-agentcore-gateway" | "anthropic" | "openai");
        let all = OPERATIONS.iter().map(|operation| operation.service.to_owned());
        assert_eq!(services, all.filter(listed).collect());
        assert_eq!(leaf.hosts.len(), services.len() * 4 - 2, "all four forms, but of mantle, which has two");
        assert_eq!(leaf.hosts.iter().collect::<BTreeSet<_>>().len(), leaf.hosts.len());
    }
}

#[test]
fn every_host_of_a_bootstrap_is_recognised() {
    for (region, _) in REGIONS {
        let bootstrap = render(&config(region, "[bedrock-runtime, bedrock-agent-runtime]"));
        let names = bootstrap.split(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c)));
        let found: BTreeSet<&str> = names
            .filter(|name| name.starts_with("bedrock") && name.contains(&format!(".{region}.")))
            .collect();
        let expected = hosts::for_region(region).unwrap();
        println!("{region}: {} hosts in its bootstrap", found.len());
        assert_eq!(found, expected.iter().map(String::as_str).collect());
        for host in found {
            check(host, region);
        }
    }
}

/// Every service's own gateway, every two that may share one, and all that may share one with these.
#[test]
fn a_gateway_sends_a_call_where_the_gate_says_it_goes() {
    let (mut gateways, mut operations, mut unknown) = (0, 0, 0);
    for services in gateways_of_up_to_three() {
        gateways += 1;
        let names: Vec<String> = services.iter().map(|service| service.prefix.to_owned()).collect();
        let entrance = Entrance::Gateway(GatewayEndpoint { region: "us-east-1".to_owned(), services: names });
        for operation in OPERATIONS.iter().filter(|o| services.iter().any(|s| s.prefix == o.service)) {
            let path = operation.uri.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            let target = (operation.uri == "/")
                .then(|| format!("AmazonBedrockKeystoneRuntimeService.{}", operation.name));
            let call = ask(&entrance, operation.method, &path, target.as_deref());
            let recognised = call.operation.unwrap_or_else(|| panic!("{path} is Unknown"));
            let sent_to = route(&services, &path);
            assert_eq!(sent_to, Some(recognised.service), "{} {path}", operation.method);
            assert_eq!(call.endpoint.map(|e| e.service).as_deref(), sent_to, "{} {path}", operation.method);
            operations += 1;

            // What is no operation is sent by the same route, and is on record as a call to the service that would get it.
            let path = format!("{}/no/such/path", path.trim_end_matches('/'));
            let call = ask(&entrance, "OPTIONS", &path, None);
            assert_eq!(call.operation, None, "{path}");
            if let Some(sent_to) = route(&services, &path) {
                assert_eq!(call.endpoint.map(|e| e.service).as_deref(), Some(sent_to), "{path}");
                unknown += 1;
            }
        }
    }
    println!("{gateways} gateways: {operations} operations and {unknown} unknown paths compared");
    assert!(gateways > 20 && operations > 5_000 && unknown > 5_000);
}

/// What Envoy's route table makes of a path: the first service with its first segment.
fn route(services: &[&'static Service], path: &str) -> Option<&'static str> {
    let first = path.split('/').nth(1).unwrap();
    // The empty segment is rendered as `path: /`, nothing below.
    let serves =
        |service: &&&Service| service.segments.contains(&first) && (!first.is_empty() || path == "/");
    services.iter().find(serves).map(|service| service.prefix)
}

fn gateways_of_up_to_three() -> Vec<Vec<&'static Service>> {
    let sound = |services: &[&Service]| {
        let names: Vec<&str> = services.iter().map(|service| service.prefix).collect();
        Config::parse(&text("us-east-1", &format!("[{}]", names.join(", ")))).is_ok()
    };
    let mut found: Vec<Vec<&'static Service>> = SERVICES.iter().map(|service| vec![service]).collect();
    let mut longer = found.clone();
    for _ in 0..2 {
        let extended = longer.iter().flat_map(|services| {
            SERVICES.iter().map(move |service| [services.as_slice(), &[service]].concat())
        });
        longer = extended.filter(|services| sound(services)).collect();
        found.extend_from_slice(&longer);
    }
    found
}

fn ask(entrance: &Entrance, method: &str, path: &str, target: Option<&str>) -> Call {
    let headers: Vec<_> =
        target.map(|target| (b"x-amz-target".to_vec(), target.into())).into_iter().collect();
    let head = Head {
        method: method.as_bytes(),
        authority: b"gateway:10000",
        path: path.as_bytes(),
        headers: &headers,
        server_name: None,
        end_of_stream: false,
    };
    recognise(&head, entrance).unwrap_or_else(|refused| refused.call)
}

fn config(region: &str, services: &str) -> Config {
    Config::parse(&text(region, services)).unwrap()
}

fn text(region: &str, services: &str) -> String {
    format!(
        "regions: [{region}]
listeners:
  egress: {{address: 127.0.0.1, port: 0}}
  transparent: {{address: 127.0.0.1, port: 0}}
  gateway: {{address: 127.0.0.1, port: 0, region: {region}, services: {services}, credential: default}}
control_plane: {{address: \"127.0.0.1:1\"}}
filter: {{path: /filter.wasm}}
tls: {{dir: /tls}}
"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever text is taken for a region on one side is one on the other.
    #[test]
    fn both_sides_take_the_same_for_a_region(region in "[a-z]{0,6}(-[a-z0-9]{0,6}){0,4}(-[0-9]{0,3})?") {
        let known = hosts::for_region(&region);
        for host in known.iter().flatten() {
            check(host, &region);
        }
        if let Err(error) = known {
            let host = format!("bedrock-runtime.{region}.amazonaws.com");
            prop_assert_eq!(Endpoint::from_host(&host), None, "{}", error);
        }
    }
}
