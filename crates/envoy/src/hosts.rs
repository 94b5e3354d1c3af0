//! The finite list of Bedrock hosts, shared by certificates and bootstrap: what is not on it is not reachable.
//!
//! Source: botocore's endpoint rule sets of the eight services, and AWS's page on `bedrock-mantle`: `{prefix}.{region}.{suffix}`,
//! `{prefix}-fips.…`, and both again under the partition's dual-stack suffix; mantle has the dual-stack suffix only.

use thiserror::Error;

/// A Bedrock service as its endpoint names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Endpoint prefix, the first label of its hosts.
    pub prefix: &'static str,
    /// Service name in SigV4 scopes.
    pub signing_name: &'static str,
    /// First path segments of its operations; `""` is the path `/`.
    pub segments: &'static [&'static str],
}

/// The nine services. A test holds `segments` and `testdata/operations.json` together.
pub const SERVICES: [Service; 9] = [
    Service {
        prefix: "bedrock-runtime",
        signing_name: "bedrock",
        segments: &["anthropic", "async-invoke", "guardrail", "guardrail-checks", "model", "openai", "v1"],
    },
    Service {
        prefix: "bedrock-agent-runtime",
        signing_name: "bedrock",
        segments: &[
            "agenticRetrieveStream",
            "agents",
            "flows",
            "generateQuery",
            "knowledgebases",
            "optimize-prompt",
            "rerank",
            "retrieveAndGenerate",
            "retrieveAndGenerateStream",
            "sessions",
            "tags",
        ],
    },
    Service {
        prefix: "bedrock",
        signing_name: "bedrock",
        segments: &[
            "advanced-prompt-optimization-job",
            "advanced-prompt-optimization-jobs",
            "automated-reasoning-policies",
            "create-foundation-model-agreement",
            "custom-models",
            "data-retention",
            "delete-foundation-model-agreement",
            "enforcedGuardrailsConfiguration",
            "evaluation-job",
            "evaluation-jobs",
            "foundation-model-availability",
            "foundation-models",
            "guardrails",
            "imported-models",
            "inference-profiles",
            "list-foundation-model-agreement-offers",
            "listTagsForResource",
            "logging",
            "marketplace-model",
            "model-copy-jobs",
            "model-customization",
            "model-customization-jobs",
            "model-import-jobs",
            "model-invocation-job",
            "model-invocation-jobs",
            "prompt-routers",
            "provisioned-model-throughput",
            "provisioned-model-throughputs",
            "resource-policy",
            "tagResource",
            "untagResource",
            "use-case-for-model-access",
        ],
    },
    Service {
        prefix: "bedrock-agent",
        signing_name: "bedrock",
        segments: &[
            "agents",
            "flows",
            "knowledgebases",
            "prompts",
            "resourcepolicy",
            "retrievalinstructions",
            "tags",
        ],
    },
    Service {
        prefix: "bedrock-agentcore",
        signing_name: "bedrock-agentcore",
        segments: &[
            "ab-tests",
            "agentinsights",
            "browser-profiles",
            "browsers",
            "capacity-providers",
            "code-interpreters",
            "datasets",
            "evaluations",
            "harnesses",
            "identities",
            "memories",
            "payments",
            "recommendations",
            "registry-records",
            "runtimes",
            "web-search",
        ],
    },
    Service {
        prefix: "bedrock-agentcore-control",
        signing_name: "bedrock-agentcore",
        segments: &[
            "agent-insight-stores",
            "browser-profiles",
            "browsers",
            "capacity-providers",
            "code-interpreters",
            "configuration-bundles",
            "datasets",
            "evaluators",
            "gateways",
            "harnesses",
            "identities",
            "memories",
            "online-evaluation-configs",
            "payments",
            "policy-engine-summaries",
            "policy-engines",
            "registries",
            "resourcepolicy",
            "runtimes",
            "tags",
        ],
    },
    Service {
        prefix: "bedrock-data-automation",
        signing_name: "bedrock",
        segments: &[
            "blueprints",
            "data-automation-libraries",
            "data-automation-projects",
            "getBlueprintOptimizationStatus",
            "invokeBlueprintOptimizationAsync",
            "listTagsForResource",
            "tagResource",
            "untagResource",
        ],
    },
    Service { prefix: "bedrock-data-automation-runtime", signing_name: "bedrock", segments: &[""] },
    Service { prefix: MANTLE, signing_name: "bedrock-mantle", segments: &["anthropic", "openai", "v1"] },
];

/// The OpenAI-compatible endpoint, which exists under the dual-stack suffix only.
const MANTLE: &str = "bedrock-mantle";

/// AWS partitions: how their regions begin, and their DNS suffixes (plain, dual-stack). The first match counts.
const PARTITIONS: [(&str, &str, &str); 8] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "amazonaws.com", "api.aws"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("", "amazonaws.com", "api.aws"),
];

/// Why a host list cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// Not shaped like a region.
    #[error("`{0}` is not an AWS region: write it like `us-east-1`")]
    Region(String),
    /// Not a host name, or a pattern.
    #[error("`{0}` is not a host name: write one exact name in lower case, without port, scheme or `*`")]
    Host(String),
}

/// The service with this endpoint prefix.
#[must_use]
pub fn service(prefix: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.prefix == prefix)
}

/// The public host of a service in a region.
///
/// # Errors
/// `region` is not shaped like a region.
pub fn host(service: &Service, region: &str) -> Result<String, HostError> {
    let (plain, dual) = suffixes(region)?;
    Ok(format!("{}.{region}.{}", service.prefix, if service.prefix == MANTLE { dual } else { plain }))
}

/// Every Bedrock host of a region, in a fixed order: 34 names.
///
/// # Errors
/// `region` is not shaped like a region.
pub fn for_region(region: &str) -> Result<Vec<String>, HostError> {
    let (plain, dual) = suffixes(region)?;
    let mut hosts = Vec::new();
    for service in &SERVICES {
        let suffixes: &[&str] = if service.prefix == MANTLE { &[dual] } else { &[plain, dual] };
        for suffix in suffixes {
            for variant in ["", "-fips"] {
                hosts.push(format!("{}{variant}.{region}.{suffix}", service.prefix));
            }
        }
    }
    Ok(hosts)
}

/// Checks a name that is to be served beside the public hosts, such as that of a VPC endpoint.
///
/// # Errors
/// It is not one exact host name of letters, digits, hyphens and at least one dot.
pub fn exact(text: &str) -> Result<String, HostError> {
    let name = name(text)?;
    if name.contains('.') { Ok(name) } else { Err(HostError::Host(name)) }
}

/// Checks a host name that may be a single label, such as that of a service in a cluster.
///
/// # Errors
/// It is not one exact host name of letters, digits and hyphens.
pub fn name(name: &str) -> Result<String, HostError> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    // A last label of digits only would be an IP address.
    let named = name.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    if name.len() <= 253 && named && name.split('.').all(label) {
        Ok(name.to_owned())
    } else {
        Err(HostError::Host(name.to_owned()))
    }
}

/// Whether a name could be an endpoint of Bedrock: any label that begins with `bedrock`. Such a host may be intercepted
/// but never be tunnelled, which would be a way round the gate.
#[must_use]
pub fn could_be_bedrock(name: &str) -> bool {
    name.to_ascii_lowercase().split('.').any(|label| label.starts_with("bedrock"))
}

fn suffixes(region: &str) -> Result<(&'static str, &'static str), HostError> {
    let parts: Vec<&str> = region.split('-').collect();
    let sound = parts.len() >= 3
        && region.len() <= 32
        && parts.first().is_some_and(|first| (2..=4).contains(&first.len()))
        && parts.iter().all(|part| !part.is_empty())
        && parts.iter().take(parts.len() - 1).all(|part| part.bytes().all(|b| b.is_ascii_lowercase()))
        && parts.last().is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    PARTITIONS
        .iter()
        .find(|(begin, _, _)| sound && region.starts_with(begin))
        .map(|(_, plain, dual)| (*plain, *dual))
        .ok_or_else(|| HostError::Region(region.to_owned()))
}

#[cfg(test)]
mod tests;
