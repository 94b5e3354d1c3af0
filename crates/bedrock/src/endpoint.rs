//! Endpoints from host names.

/// A Bedrock endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Endpoint prefix, such as `bedrock-runtime`.
    pub service: String,
    /// AWS region.
    pub region: String,
    /// AWS partition.
    pub partition: &'static str,
    /// FIPS endpoint.
    pub fips: bool,
    /// Dual-stack endpoint.
    pub dual_stack: bool,
    /// VPC endpoint id when the host names one.
    pub vpc_endpoint: Option<String>,
}
