//! From what is said to what is meant.

use super::peer::unix_path;
use super::{
    Config, ConfigError, ControlPlane, Filter, Gateway, HostPort, InlineCredential, Peer, Provider, Region,
    Socket, Target, Upstream, raw,
};
use crate::MAX_BODY_LIMIT_BYTES;
use crate::hosts::{self, Service};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

/// Where Debian, Ubuntu and Alpine keep the public authorities.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The longest tool call that the control plane can be asked about: it takes questions of 8 MiB, and JSON in JSON has up to twice
/// the bytes.
const MAX_TOOL_CALL_BYTES: u64 = 3_145_728;
/// The gate keeps what it holds of a stream in its own memory, of which a worker has 1 GiB.
const MAX_HELD_BYTES: u64 = 134_217_728;
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn validate(raw: raw::Gateway) -> Result<Config, ConfigError> {
    let regions = regions(&raw.regions)?;
    let (egress, transparent, gateway) = entrances(raw.topology, raw.listeners, &regions)?;
    let admin = admin(raw.admin)?;
    let config = Config {
        node: node(raw.node)?,
        providers: providers(raw.providers)?,
        extra_hosts: extra_hosts(raw.extra_hosts, &regions)?,
        regions,
        egress,
        transparent,
        gateway,
        control_plane: ControlPlane {
            peer: Peer::parse(&raw.control_plane.address)
                .map_err(|reason| bad("control_plane.address", reason))?,
            timeout_ms: within("control_plane.timeout_ms", raw.control_plane.timeout_ms, 5_000, 1..=60_000)?,
        },
        filter: filter(raw.filter)?,
        tls_dir: raw.tls.map(|tls| text("tls.dir", tls.dir)).transpose()?,
        upstream: upstream(raw.upstream)?,
        connect_passthrough: passthrough(&raw.connect_passthrough)?,
        metrics: raw.metrics.map(|socket| self::socket("metrics", &socket)).transpose()?,
        admin,
        max_connections: within(
            "limits.max_connections",
            raw.limits.max_connections,
            10_000,
            1..=10_000_000,
        )?,
        max_heap_mib: within("limits.max_heap_mib", raw.limits.max_heap_mib, 2_048, 128..=1_048_576)?,
        access_log: raw.access_log.map(|path| text("access_log", path)).transpose()?,
    };
    together(&config)?;
    Ok(config)
}

/// What only makes sense, or no sense, together.
fn together(config: &Config) -> Result<(), ConfigError> {
    if config.tls_dir.is_none() && (config.intercepts() || config.gateway.as_ref().is_some_and(|g| g.tls)) {
        return Err(bad(
            "tls.dir",
            "is missing: TLS is ended here, so name the `leaves` directory that `portcullis certs init` made",
        ));
    }
    if config.egress.is_none() && !config.connect_passthrough.is_empty() {
        return Err(bad("connect_passthrough", "needs listeners.egress: nobody else is sent CONNECT"));
    }
    if !config.providers.is_empty() && !config.intercepts() {
        return Err(bad(
            "providers",
            "needs listeners.egress or listeners.transparent: the gateway signs with a credential of AWS, which other providers do not take",
        ));
    }
    for provider in &config.providers {
        if config.extra_hosts.contains(&provider.host) {
            return Err(bad("providers", format!("`{}` is among extra_hosts, too", provider.host)));
        }
        if config.connect_passthrough.iter().any(|target| target.host == provider.host) {
            return Err(bad(
                "connect_passthrough",
                format!("`{}` is among providers, and a tunnel to it a way round the gate", provider.host),
            ));
        }
    }
    if config.metrics.is_some() && matches!(&config.admin, Peer::Tcp(admin) if admin.port == 0) {
        return Err(bad("metrics", "needs a fixed admin port or admin.path, because it fetches from there"));
    }
    Ok(())
}

fn regions(names: &[String]) -> Result<Vec<Region>, ConfigError> {
    let mut regions: Vec<Region> = Vec::new();
    for name in names {
        let hosts = hosts::for_region(name).map_err(|source| ConfigError::Host { key: "regions", source })?;
        if regions.iter().any(|region| region.name == *name) {
            return Err(bad("regions", format!("`{name}` is there twice")));
        }
        regions.push(Region { name: name.clone(), hosts });
    }
    if regions.is_empty() {
        return Err(bad(
            "regions",
            "is empty: name the regions whose Bedrock is used, such as `[us-east-1]`",
        ));
    }
    Ok(regions)
}

fn extra_hosts(names: Vec<String>, regions: &[Region]) -> Result<Vec<String>, ConfigError> {
    let mut extra: Vec<String> = Vec::new();
    for name in names {
        let name = hosts::exact(&name).map_err(|source| ConfigError::Host { key: "extra_hosts", source })?;
        if extra.contains(&name) || regions.iter().any(|region| region.hosts.contains(&name)) {
            return Err(bad("extra_hosts", format!("`{name}` is served already")));
        }
        extra.push(name);
    }
    Ok(extra)
}

/// The APIs that providers speak; the gate knows the same.
const APIS: [&str; 2] = ["anthropic", "openai"];

fn providers(raw: Vec<raw::Provider>) -> Result<Vec<Provider>, ConfigError> {
    const KEY: &str = "providers";
    let mut all: Vec<Provider> = Vec::new();
    for raw::Provider { host, provider: name, api } in raw {
        let host = hosts::exact(&host).map_err(|source| ConfigError::Host { key: KEY, source })?;
        let said = api.as_deref().unwrap_or(&name);
        let api = APIS.into_iter().find(|api| *api == said).ok_or_else(|| match &api {
            Some(api) => bad(KEY, format!("api `{api}` is not known: use one of {}", APIS.join(", "))),
            None => bad(KEY, format!("`{name}` needs an api: write `api: {}`", APIS.join("` or `api: "))),
        })?;
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(sound) || name == "aws" {
            return Err(bad(
                KEY,
                format!("`{name}` is not a name: use lower-case letters, digits, `-`, `_`, and not `aws`"),
            ));
        }
        if hosts::could_be_bedrock(&host) {
            return Err(bad(
                KEY,
                format!("`{host}` may be a Bedrock endpoint: those are known by regions and extra_hosts"),
            ));
        }
        if all.iter().any(|other| other.host == host) {
            return Err(bad(KEY, format!("`{host}` is there twice")));
        }
        all.push(Provider { host, name, api });
    }
    Ok(all)
}

type Entrances = (Option<Socket>, Option<Socket>, Option<Gateway>);

fn entrances(
    topology: Option<raw::Topology>,
    listeners: Option<raw::Listeners>,
    regions: &[Region],
) -> Result<Entrances, ConfigError> {
    let default_gateway = || raw::GatewayListener {
        address: ANY.to_string(),
        port: 10_000,
        region: None,
        services: None,
        credential: raw::Credential::Default,
        tls: false,
    };
    let socket = |address, port| Some(Socket { address, port });
    match (topology, listeners) {
        (Some(_), Some(_)) => {
            Err(bad("topology", "and listeners exclude each other: a topology is a set of listeners"))
        }
        (Some(raw::Topology::EgressExplicit), None) => Ok((socket(ANY, 3128), None, None)),
        (Some(raw::Topology::EgressTransparent), None) => Ok((None, socket(ANY, 10_443), None)),
        (Some(raw::Topology::Sidecar), None) => Ok((socket(LOOPBACK, 3128), socket(LOOPBACK, 10_443), None)),
        (Some(raw::Topology::Gateway), None) => Ok((None, None, Some(gateway(default_gateway(), regions)?))),
        (None, Some(raw::Listeners { egress: None, transparent: None, gateway: None })) | (None, None) => {
            Err(bad(
                "listeners",
                "names no listener: add `topology: egress-explicit` (or egress-transparent, sidecar, gateway), or listeners",
            ))
        }
        (None, Some(listeners)) => Ok((
            listeners.egress.map(|s| self::socket("listeners.egress", &s)).transpose()?,
            listeners.transparent.map(|s| self::socket("listeners.transparent", &s)).transpose()?,
            listeners.gateway.map(|g| gateway(g, regions)).transpose()?,
        )),
    }
}

fn gateway(raw: raw::GatewayListener, regions: &[Region]) -> Result<Gateway, ConfigError> {
    let region = match (raw.region, regions) {
        (Some(region), _) if regions.iter().any(|r| r.name == region) => region,
        (Some(region), _) => {
            return Err(bad(
                "listeners.gateway.region",
                format!("`{region}` is not among regions: add it there"),
            ));
        }
        (None, [only]) => only.name.clone(),
        (None, _) => {
            return Err(bad(
                "listeners.gateway.region",
                "is missing, and there is more than one region to choose from",
            ));
        }
    };
    let names = raw
        .services
        .unwrap_or_else(|| vec!["bedrock-runtime".to_owned(), "bedrock-agent-runtime".to_owned()]);
    Ok(Gateway {
        socket: socket("listeners.gateway", &raw::Socket { address: raw.address, port: raw.port })?,
        region,
        services: services(&names)?,
        credential: match raw.credential {
            raw::Credential::Default => None,
            raw::Credential::Inline(key) => Some(InlineCredential {
                access_key_id: text("listeners.gateway.credential.access_key_id", key.access_key_id)?,
                secret_access_key: text(
                    "listeners.gateway.credential.secret_access_key",
                    key.secret_access_key,
                )?,
                session_token: key.session_token,
            }),
        },
        tls: raw.tls,
    })
}

/// A gateway tells services apart by the first path segment; two that share one would be told apart differently by the gate
/// and by the route table.
fn services(names: &[String]) -> Result<Vec<&'static Service>, ConfigError> {
    const KEY: &str = "listeners.gateway.services";
    let mut services: Vec<&'static Service> = Vec::new();
    for name in names {
        let known = || hosts::SERVICES.map(|service| service.prefix).join(", ");
        let service = hosts::service(name)
            .ok_or_else(|| bad(KEY, format!("`{name}` is not a Bedrock service: use one of {}", known())))?;
        for other in &services {
            if let Some(shared) = service.segments.iter().find(|segment| other.segments.contains(segment)) {
                return Err(bad(
                    KEY,
                    format!(
                        "`{}` and `{name}` share the path `/{shared}`: run a gateway for each",
                        other.prefix
                    ),
                ));
            }
        }
        services.push(service);
    }
    if services.is_empty() {
        return Err(bad(KEY, "is empty: leave it out for bedrock-runtime and bedrock-agent-runtime"));
    }
    Ok(services)
}

fn filter(raw: raw::Filter) -> Result<Filter, ConfigError> {
    let limits = raw.limits;
    let max_tool_call_bytes = within(
        "filter.limits.max_tool_call_bytes",
        limits.max_tool_call_bytes,
        1_048_576,
        1_024..=MAX_TOOL_CALL_BYTES,
    )?;
    Ok(Filter {
        path: text("filter.path", raw.path)?,
        fail_open: matches!(raw.failure_mode, raw::FailureMode::Open),
        max_body_bytes: within(
            "filter.limits.max_body_bytes",
            limits.max_body_bytes,
            26_214_400,
            1..=MAX_BODY_LIMIT_BYTES,
        )?,
        body_timeout_ms: within(
            "filter.limits.body_timeout_ms",
            limits.body_timeout_ms,
            300_000,
            1..=3_600_000,
        )?,
        max_text_bytes: within("filter.limits.max_text_bytes", limits.max_text_bytes, 65_536, 0..=4_194_304)?,
        max_tool_call_bytes,
        // A tool call is held until it is complete.
        max_held_bytes: within(
            "filter.limits.max_held_bytes",
            limits.max_held_bytes,
            max_tool_call_bytes.max(16_777_216),
            max_tool_call_bytes..=MAX_HELD_BYTES,
        )?,
        max_held_answer_bytes: within(
            "filter.limits.max_held_answer_bytes",
            limits.max_held_answer_bytes,
            26_214_400,
            1..=MAX_BODY_LIMIT_BYTES,
        )?,
    })
}

fn upstream(raw: raw::Upstream) -> Result<Upstream, ConfigError> {
    let resolvers = raw
        .dns_resolvers
        .iter()
        .map(|ip| {
            ip.parse().map_err(|_| bad("upstream.dns_resolvers", format!("`{ip}` is not an IP address")))
        })
        .collect::<Result<Vec<IpAddr>, _>>()?;
    let target = match raw.address {
        None => Target::Dns(resolvers),
        Some(_) if !resolvers.is_empty() => {
            return Err(bad("upstream.dns_resolvers", "and upstream.address exclude each other"));
        }
        Some(address) => {
            Target::Fixed(HostPort::parse(&address).map_err(|reason| bad("upstream.address", reason))?)
        }
    };
    Ok(Upstream {
        target,
        ca_file: text("upstream.ca_file", raw.ca_file.unwrap_or_else(|| SYSTEM_CAS.to_owned()))?,
    })
}

fn passthrough(targets: &[String]) -> Result<Vec<HostPort>, ConfigError> {
    const KEY: &str = "connect_passthrough";
    let mut all: Vec<HostPort> = Vec::new();
    for target in targets {
        let target = HostPort::parse(target).map_err(|reason| bad(KEY, reason))?;
        hosts::exact(&target.host).map_err(|source| ConfigError::Host { key: KEY, source })?;
        if hosts::could_be_bedrock(&target.host) {
            return Err(bad(
                KEY,
                format!(
                    "`{}` may be a Bedrock endpoint, and a tunnel to it a way round the gate",
                    target.host
                ),
            ));
        }
        if all.contains(&target) {
            return Err(bad(KEY, format!("`{}:{}` is there twice", target.host, target.port)));
        }
        all.push(target);
    }
    Ok(all)
}

fn admin(raw: Option<raw::Admin>) -> Result<Peer, ConfigError> {
    let tcp = |host: &str, port| Peer::Tcp(HostPort { host: host.to_owned(), port });
    let Some(raw) = raw else { return Ok(tcp("127.0.0.1", 9901)) };
    match (raw.path, raw.address, raw.port) {
        (Some(path), None, None) => {
            unix_path(&path).map(Peer::Unix).map_err(|reason| bad("admin.path", reason))
        }
        (Some(_), _, _) => Err(bad("admin.path", "excludes admin.address and admin.port")),
        (None, address, port) => {
            let address = address.unwrap_or_else(|| "127.0.0.1".to_owned());
            let ip = ip("admin.address", &address)?;
            // It can stop Envoy and shows its configuration, to anyone who asks.
            if !ip.is_loopback() {
                return Err(bad(
                    "admin.address",
                    format!(
                        "`{address}` is not loopback: anyone who reaches Envoy's admin interface can stop it; use `metrics` for scraping"
                    ),
                ));
            }
            Ok(tcp(&address, port.unwrap_or(9901)))
        }
    }
}

fn node(raw: Option<String>) -> Result<String, ConfigError> {
    let node = raw.unwrap_or_else(|| "portcullis".to_owned());
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
    if node.is_empty() || node.len() > 128 || !node.bytes().all(sound) {
        return Err(bad("node", format!("`{node}` is not 1 to 128 of letters, digits and `-_.:/`")));
    }
    Ok(node)
}

fn socket(key: &str, raw: &raw::Socket) -> Result<Socket, ConfigError> {
    Ok(Socket { address: ip(&format!("{key}.address"), &raw.address)?, port: raw.port })
}

fn ip(key: &str, address: &str) -> Result<IpAddr, ConfigError> {
    address.parse().map_err(|_| {
        bad(
            key,
            format!("`{address}` is not an IP address: write `0.0.0.0` for all, `127.0.0.1` for loopback"),
        )
    })
}

/// Text that can stand in a path, a file or a key: something, and no control characters.
fn text(key: &str, text: String) -> Result<String, ConfigError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(bad(key, "is empty or has control characters"));
    }
    Ok(text)
}

fn within(
    key: &str,
    value: Option<u64>,
    default: u64,
    range: RangeInclusive<u64>,
) -> Result<u64, ConfigError> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(bad(key, format!("`{value}` is not between {} and {}", range.start(), range.end())))
    }
}

fn bad(key: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), reason: reason.into() }
}
