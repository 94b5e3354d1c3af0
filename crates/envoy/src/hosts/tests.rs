use super::*;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_region_has_thirty_four_hosts_and_none_twice() {
    let hosts = for_region("us-east-1").unwrap();
    println!("{}", hosts.join("\n"));
    assert_eq!(hosts.len(), 34);
    assert_eq!(hosts.iter().collect::<BTreeSet<_>>().len(), 34);
    for expected in [
        "bedrock-runtime.us-east-1.amazonaws.com",
        "bedrock-runtime-fips.us-east-1.api.aws",
        "bedrock-agentcore-control.us-east-1.api.aws",
        "bedrock-mantle.us-east-1.api.aws",
    ] {
        assert!(hosts.iter().any(|host| host == expected), "{expected} is missing");
    }
    assert!(
        !hosts.iter().any(|host| host == "bedrock-mantle.us-east-1.amazonaws.com"),
        "mantle has no such name"
    );
    assert!(hosts.iter().all(|host| exact(host).is_ok() && could_be_bedrock(host)));
}

#[test]
fn partitions_have_their_own_suffixes() {
    let runtime = service("bedrock-runtime").unwrap();
    for (region, expected) in [
        ("eu-central-1", "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("eusc-de-east-1", "bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", "bedrock-runtime.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
        ("us-isof-south-1", "bedrock-runtime.us-isof-south-1.csp.hci.ic.gov"),
    ] {
        let got = host(runtime, region).unwrap();
        println!("{region} -> {got}");
        assert_eq!(got, expected);
    }
    let mantle = service("bedrock-mantle").unwrap();
    assert_eq!(host(mantle, "us-west-2").unwrap(), "bedrock-mantle.us-west-2.api.aws");
}

#[test]
fn what_is_not_a_region_or_a_host_is_refused() {
    for region in [
        "",
        "us",
        "us-east",
        "US-EAST-1",
        "us-east-1.evil.com",
        "us--1",
        "*",
        "us-east-1a",
        "us_east_1",
        "-us-east-1",
    ] {
        println!("region `{region}` -> {:?}", for_region(region));
        assert!(for_region(region).is_err());
    }
    for name in [
        "",
        "localhost",
        "*.amazonaws.com",
        "a..b",
        "10.0.0.1",
        "host:443",
        "https://a.b",
        "A.b",
        "-a.b",
        "a.b.",
    ] {
        println!("host `{name}` -> {:?}", exact(name));
        assert!(exact(name).is_err());
    }
    assert!(exact("vpce-0a1b-cdef.bedrock-runtime.us-east-1.vpce.amazonaws.com").is_ok());
}

#[test]
fn nothing_that_may_be_bedrock_counts_as_another_service() {
    for (name, expected) in [
        ("bedrock-runtime.eu-west-9.amazonaws.com", true),
        ("vpce-1-a.bedrock.us-east-1.vpce.amazonaws.com", true),
        ("x.gateway.bedrock-agentcore.us-east-1.amazonaws.com", true),
        ("BEDROCK-runtime.us-east-1.amazonaws.com", true),
        ("sts.us-east-1.amazonaws.com", false),
        ("s3.amazonaws.com", false),
    ] {
        println!("{name}: {}", could_be_bedrock(name));
        assert_eq!(could_be_bedrock(name), expected);
    }
}

/// The gateway routes by the first path segment, so this table must be what AWS models.
#[test]
fn first_segments_are_those_of_the_modelled_operations() {
    let operations: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../../testdata/operations.json")).unwrap();
    let mut modelled: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for operation in &operations {
        let path = operation["requestUri"].as_str().unwrap().split('?').next().unwrap();
        modelled
            .entry(operation["endpointPrefix"].as_str().unwrap())
            .or_default()
            .insert(path.split('/').nth(1).unwrap());
    }
    // Compatible paths are not in AWS's models.
    modelled.get_mut("bedrock-runtime").unwrap().extend(["anthropic", "openai", "v1"]);
    modelled.insert("bedrock-mantle", ["anthropic", "openai", "v1"].into());
    for service in &SERVICES {
        println!("{}: {} segments", service.prefix, service.segments.len());
        assert_eq!(modelled.remove(service.prefix).unwrap(), service.segments.iter().copied().collect());
    }
    assert!(modelled.is_empty(), "services without an entry: {modelled:?}");
}
