//! Endpoints from host names.
//!
//! Source: the endpoint rule set of the AWS SDKs (`{prefix}[-fips].{region}.{suffix}`), AWS PrivateLink's DNS names
//! (`vpce-<id>-<hash>[-<zone>].{prefix}.{region}.vpce.{suffix}`).

use crate::operation::{HostForm, SERVICES};

/// Whose endpoints those of Bedrock are.
pub const AWS: &str = "aws";

/// A Bedrock endpoint, or a host of another provider that the operator lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose it is: [`AWS`], or the name that the operator gives the provider.
    pub provider: String,
    /// Endpoint prefix, such as `bedrock-runtime`; of another provider the API that it speaks.
    pub service: String,
    /// AWS region; empty where there is none.
    pub region: String,
    /// AWS partition; empty where there is none.
    pub partition: &'static str,
    /// FIPS endpoint.
    pub fips: bool,
    /// Dual-stack endpoint.
    pub dual_stack: bool,
    /// VPC endpoint id when the host names one.
    pub vpc_endpoint: Option<String>,
}

/// A host of another provider than AWS, and which API it speaks: from the operator's configuration, nothing is guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderHost {
    /// The exact host name, lower-case.
    pub host: String,
    /// What the operator calls the provider.
    pub provider: String,
    /// The API.
    pub api: ProviderApi,
}

/// The APIs that other providers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderApi {
    /// Anthropic's: `/v1/messages`.
    Anthropic,
    /// OpenAI's: `/v1/chat/completions`, `/v1/responses`.
    OpenAi,
}

impl ProviderApi {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Anthropic, Self::OpenAi];

    /// Its name, in configurations and as the service of an endpoint.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    /// The API of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.as_str() == name)
    }
}

struct Partition {
    name: &'static str,
    /// Its regions start so; the empty one takes what no other does.
    region_prefix: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

/// The partitions, the one with the most general region prefix last.
const PARTITIONS: &[Partition] = &[
    partition("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
    partition("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    partition("aws", "", "amazonaws.com", "api.aws"),
];

const fn partition(
    name: &'static str,
    region_prefix: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
) -> Partition {
    Partition { name, region_prefix, suffix, dual_stack_suffix }
}

impl Endpoint {
    /// Reads a host name: lower-case, without port or trailing dot. `None` for a host that is not Bedrock's.
    #[must_use]
    pub fn from_host(host: &str) -> Option<Self> {
        // The region is the label before the suffix (or before `vpce`), and tells the partition, so the suffix.
        let mut rest = host;
        let mut labels = Vec::with_capacity(8);
        while let Some((label, tail)) = rest.split_once('.') {
            labels.push(label);
            rest = tail;
            if let Some(endpoint) = Self::from_parts(&labels, tail) {
                return Some(endpoint);
            }
        }
        None
    }

    /// `labels` come before the suffix `suffix`: `[…, service, region]`.
    fn from_parts(labels: &[&str], suffix: &str) -> Option<Self> {
        let (&region, before) = labels.split_last()?;
        let partition = partition_of(region)?;
        let (dual_stack, vpce) = if suffix == partition.suffix {
            (false, false)
        } else if suffix == partition.dual_stack_suffix {
            (true, false)
        } else if suffix.strip_prefix("vpce.") == Some(partition.suffix) {
            (false, true)
        } else {
            return None;
        };
        let (&prefix, mut before) = before.split_last()?;
        let (mut name, fips) = match prefix.strip_suffix("-fips") {
            Some(name) => (name, true),
            None => (prefix, false),
        };
        let vpc_endpoint = match (vpce, before) {
            (false, _) => None,
            (true, [first, others @ ..]) => {
                before = others;
                Some(vpc_endpoint_id(first)?)
            }
            (true, []) => return None,
        };
        let gateway = match before {
            [] => false,
            // `<gateway id>.gateway.bedrock-agentcore.…`; through PrivateLink the id is not in the name.
            [id, "gateway"] if name == "bedrock-agentcore" && !vpce && is_name(id) => true,
            ["gateway"] if name == "bedrock-agentcore" && vpce => true,
            _ => return None,
        };
        if gateway {
            name = "bedrock-agentcore-gateway";
        }
        let service = SERVICES.iter().find(|s| s.name == name)?;
        let fits = match service.host {
            HostForm::Standard => !gateway,
            HostForm::DualStackOnly => !gateway && (dual_stack || vpce),
            HostForm::Gateway => gateway,
            HostForm::Provider => false,
        };
        fits.then(|| Self {
            provider: AWS.to_owned(),
            service: name.to_owned(),
            region: region.to_owned(),
            partition: partition.name,
            fips,
            dual_stack,
            vpc_endpoint,
        })
    }

    /// The endpoint of a host that the operator lists.
    #[must_use]
    pub fn of_provider(host: &ProviderHost) -> Self {
        Self {
            provider: host.provider.clone(),
            service: host.api.as_str().to_owned(),
            region: String::new(),
            partition: "",
            fips: false,
            dual_stack: false,
            vpc_endpoint: None,
        }
    }

    /// Whether it is one of AWS.
    #[must_use]
    pub fn is_aws(&self) -> bool {
        self.provider == AWS
    }

    /// The public endpoint of a service in a region: what a gateway stands for by its configuration.
    #[must_use]
    pub fn configured(service: &str, region: &str) -> Self {
        Self {
            provider: AWS.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            partition: partition_of(region).map_or("aws", |p| p.name),
            fips: false,
            dual_stack: false,
            vpc_endpoint: None,
        }
    }

    /// The host name that SDKs use for it, `{prefix}[-fips].{region}.{suffix}`; `None` for a service of no fixed name.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let service = SERVICES.iter().find(|s| s.name == self.service)?;
        let partition = PARTITIONS.iter().find(|p| p.name == self.partition)?;
        let suffix = match (service.host, self.dual_stack) {
            (HostForm::Gateway | HostForm::Provider, _) => return None,
            (HostForm::DualStackOnly, _) | (HostForm::Standard, true) => partition.dual_stack_suffix,
            (HostForm::Standard, false) => partition.suffix,
        };
        let fips = if self.fips { "-fips" } else { "" };
        Some(format!("{}{fips}.{}.{suffix}", self.service, self.region))
    }
}

/// The partition of something that has the form of a region (`us-east-1`, `us-gov-west-1`), whether AWS has it or not.
fn partition_of(region: &str) -> Option<&'static Partition> {
    let (name, number) = region.rsplit_once('-')?;
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let mut parts = name.split('-');
    let first = parts.next()?;
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    if !numbered
        || !(2..=4).contains(&first.len())
        || !lower(first)
        || !name.contains('-')
        || !parts.all(lower)
    {
        return None;
    }
    PARTITIONS.iter().find(|p| region.starts_with(p.region_prefix))
}

/// `vpce-0123abcd-hash` or `vpce-0123abcd-hash-us-east-1a`: the id is the first two parts.
fn vpc_endpoint_id(label: &str) -> Option<String> {
    let rest = label.strip_prefix("vpce-")?;
    let (id, hash) = rest.split_once('-')?;
    let hex = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && is_name(hash)).then(|| format!("vpce-{id}"))
}

fn is_name(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
