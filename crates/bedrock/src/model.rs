//! Model identifiers in all forms.
//!
//! Source: the `modelId` patterns of the bedrock-runtime model; ARN formats of the AWS service authorisation reference.

/// What a model identifier names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelKind {
    /// A foundation model id or ARN.
    #[default]
    FoundationModel,
    /// A system-defined (cross-region) inference profile.
    InferenceProfile,
    /// An application inference profile.
    ApplicationInferenceProfile,
    /// Provisioned throughput.
    ProvisionedModel,
    /// A custom model.
    CustomModel,
    /// A deployment of a custom model.
    CustomModelDeployment,
    /// An imported model.
    ImportedModel,
    /// A prompt of prompt management.
    Prompt,
    /// A prompt router.
    PromptRouter,
    /// A SageMaker (Marketplace) endpoint.
    MarketplaceEndpoint,
    /// Something that no rule of AWS's describes.
    Unknown,
}

impl ModelKind {
    /// The name in the protocol, such as `inference_profile`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FoundationModel => "foundation_model",
            Self::InferenceProfile => "inference_profile",
            Self::ApplicationInferenceProfile => "application_inference_profile",
            Self::ProvisionedModel => "provisioned_model",
            Self::CustomModel => "custom_model",
            Self::CustomModelDeployment => "custom_model_deployment",
            Self::ImportedModel => "imported_model",
            Self::Prompt => "prompt",
            Self::PromptRouter => "prompt_router",
            Self::MarketplaceEndpoint => "marketplace_endpoint",
            Self::Unknown => "unknown",
        }
    }
}

/// A model identifier, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelRef {
    /// As the caller gave it, percent-decoded once.
    pub id: String,
    /// What it names.
    pub kind: ModelKind,
    /// Base model without geography, when the identifier reveals it.
    pub base: Option<String>,
    /// Provider, when revealed.
    pub provider: Option<String>,
    /// Version suffix (`v2:0`).
    pub version: Option<String>,
    /// Cross-region prefix.
    pub geography: Option<String>,
    /// Region in the ARN.
    pub region: Option<String>,
    /// Account in the ARN.
    pub account: Option<String>,
}

/// Longest identifier that AWS takes.
const MAX_ID: usize = 2048;

/// The providers of foundation models. One that is missing here is still read, see `plain`.
const PROVIDERS: &[&str] = &[
    "ai21",
    "alibaba",
    "amazon",
    "anthropic",
    "bria",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "microsoft",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "xai",
    "zai",
];

/// The geographies of cross-region inference profiles. One that is missing here is still read, see `plain`.
const GEOGRAPHIES: &[&str] = &[
    "us", "eu", "apac", "jp", "au", "ca", "sa", "us-gov", "global", "amer", "in", "me", "af", "il", "mx",
    "uk",
];

impl ModelRef {
    /// Takes an identifier apart; never fails, see [`ModelKind::Unknown`].
    #[must_use]
    pub fn parse(id: &str) -> Self {
        let mut model = Self { id: id.to_owned(), kind: ModelKind::Unknown, ..Self::default() };
        if id.len() > MAX_ID {
            return model;
        }
        match id.strip_prefix("arn:") {
            Some(rest) => model.arn(rest).unwrap_or(()),
            None => model.plain(id),
        }
        model
    }

    /// `partition:service:region:account:resource`.
    fn arn(&mut self, rest: &str) -> Option<()> {
        let mut parts = rest.splitn(5, ':');
        let (partition, service, region, account) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (resource, name) = parts.next()?.split_once('/')?;
        let well_formed = (partition == "aws" || partition.starts_with("aws-"))
            && (account.is_empty() || (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())))
            && !name.is_empty();
        if !well_formed {
            return None;
        }
        self.kind = match (service, resource) {
            ("bedrock", "foundation-model") => ModelKind::FoundationModel,
            ("bedrock", "inference-profile") => ModelKind::InferenceProfile,
            ("bedrock", "application-inference-profile") => ModelKind::ApplicationInferenceProfile,
            ("bedrock", "provisioned-model") => ModelKind::ProvisionedModel,
            ("bedrock", "custom-model") => ModelKind::CustomModel,
            ("bedrock", "custom-model-deployment") => ModelKind::CustomModelDeployment,
            ("bedrock", "imported-model") => ModelKind::ImportedModel,
            ("bedrock", "prompt") => ModelKind::Prompt,
            ("bedrock", "prompt-router" | "default-prompt-router") => ModelKind::PromptRouter,
            ("sagemaker", "endpoint") => ModelKind::MarketplaceEndpoint,
            _ => return None,
        };
        self.region = some(region);
        self.account = some(account);
        match self.kind {
            ModelKind::FoundationModel | ModelKind::InferenceProfile => {
                let kind = self.kind;
                self.plain(name);
                self.kind = kind;
            }
            // `custom-model/base.model/<id>` reveals what it was made from.
            ModelKind::CustomModel => {
                if let Some((base, _)) = name.split_once('/') {
                    self.base_model(base);
                }
            }
            ModelKind::Prompt => self.version = name.split_once(':').map(|(_, version)| version.to_owned()),
            _ => {}
        }
        Some(())
    }

    /// `[geography.]provider.name[-version]`, or the name of provisioned throughput, which has no dot.
    fn plain(&mut self, id: &str) {
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.:".contains(&b);
        let Some((first, rest)) = id.split_once('.') else {
            if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                self.kind = ModelKind::ProvisionedModel;
            }
            return;
        };
        if first.is_empty() || rest.is_empty() || !id.bytes().all(lower) {
            return;
        }
        // An unknown first label is a geography if a provider follows: AWS adds geographies and providers all the time.
        let second = rest.split_once('.').map(|(second, _)| second);
        let geography = !PROVIDERS.contains(&first)
            && second.is_some_and(|second| {
                GEOGRAPHIES.contains(&first)
                    || PROVIDERS.contains(&second)
                    || !second.bytes().any(|b| b.is_ascii_digit() || b == b'-')
            });
        if geography {
            self.kind = ModelKind::InferenceProfile;
            self.geography = Some(first.to_owned());
            self.base_model(rest);
        } else {
            self.kind = ModelKind::FoundationModel;
            self.base_model(id);
        }
    }

    /// `provider.name[-version]`.
    fn base_model(&mut self, base: &str) {
        self.base = Some(base.to_owned());
        self.provider = base.split_once('.').and_then(|(provider, _)| some(provider));
        self.version = version(base).map(str::to_owned);
    }
}

/// `v2:0` of `…-v2:0`, `v1` of `…-v1`, `1:0` of `gpt-oss-120b-1:0`, `v1:0:200k`.
fn version(base: &str) -> Option<&str> {
    let (_, last) = base.rsplit_once('-')?;
    let digits = last.strip_prefix('v').unwrap_or(last);
    let marked = digits.len() < last.len() || digits.contains(':');
    let (number, rest) = digits.split_once(':').unwrap_or((digits, "0"));
    let number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (marked && number && !rest.is_empty()).then_some(last)
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
