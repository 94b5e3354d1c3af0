//! Model identifiers in all forms.

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

impl ModelRef {
    /// Takes an identifier apart; never fails, see [`ModelKind::Unknown`].
    #[must_use]
    pub fn parse(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }
}
