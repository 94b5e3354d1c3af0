//! Which decisions: the same flags for `search`, `tail` and `facets`.

/// Flags that may be given more than once find decisions with any of their values; different flags must all hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Filter {
    /// call, tool_call or answer_text
    #[arg(long)]
    kind: Vec<String>,
    /// Principal; like most values exact, or a glob with `*` and `?`
    #[arg(long)]
    principal: Vec<String>,
    /// The principal's tenant
    #[arg(long)]
    tenant: Vec<String>,
    /// Model as called or its base model
    #[arg(long)]
    model: Vec<String>,
    /// Whose endpoint: aws, or another provider's name
    #[arg(long)]
    provider: Vec<String>,
    /// Tool that was called, or that an answer proposed
    #[arg(long)]
    tool: Vec<String>,
    /// Agent id or runtime ARN
    #[arg(long)]
    agent: Vec<String>,
    /// allow, deny, throttle or pending_approval
    #[arg(long)]
    verdict: Vec<String>,
    /// The rule that decided
    #[arg(long)]
    rule: Vec<String>,
    /// The route of the bundle
    #[arg(long)]
    route: Vec<String>,
    /// Operation, such as Converse
    #[arg(long)]
    operation: Vec<String>,
    /// AWS region
    #[arg(long)]
    region: Vec<String>,
    /// AWS account, of the credential or in the model's ARN
    #[arg(long)]
    account: Vec<String>,
    /// pending, completed, failed, aborted, blocked or unknown
    #[arg(long)]
    outcome: Vec<String>,
    /// Digest of the bundle that decided
    #[arg(long, value_name = "DIGEST")]
    bundle: Vec<String>,
    /// Agent session, exact
    #[arg(long, value_name = "ID")]
    session: Vec<String>,
    /// Correlation id, exact; see also `audit trace`
    #[arg(long, value_name = "ID")]
    correlation: Vec<String>,
    /// The gate's name for the call, exact
    #[arg(long, value_name = "ID")]
    call_id: Vec<String>,
    /// AWS's request id, exact
    #[arg(long, value_name = "ID")]
    aws_request_id: Vec<String>,
    /// Words and "phrases" that are all in what the caller was told
    #[arg(long)]
    text: Option<String>,
}

/// When.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Range {
    /// Decided at or after: 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago (15m, 2h, 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Decided before: likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Filter {
    /// As the admin API takes it.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let several = [
            ("kind", &self.kind),
            ("principal", &self.principal),
            ("tenant", &self.tenant),
            ("model", &self.model),
            ("provider", &self.provider),
            ("tool", &self.tool),
            ("agent", &self.agent),
            ("verdict", &self.verdict),
            ("rule", &self.rule),
            ("route", &self.route),
            ("operation", &self.operation),
            ("region", &self.region),
            ("account", &self.account),
            ("outcome", &self.outcome),
            ("bundle", &self.bundle),
            ("session", &self.session),
            ("correlation", &self.correlation),
            ("call_id", &self.call_id),
            ("aws_request_id", &self.aws_request_id),
        ];
        let several =
            several.into_iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        several
            .chain(self.text.iter().map(|text| ("text", text)))
            .map(|(key, value)| (key, value.clone()))
            .collect()
    }
}

impl Range {
    /// As the admin API takes it.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let both = [("since", &self.since), ("until", &self.until)];
        both.into_iter().filter_map(|(key, time)| Some((key, time.clone()?))).collect()
    }
}
