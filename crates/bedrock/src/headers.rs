//! The headers that matter, read in one pass.

use crate::call::{Problem, ProblemCode};

/// The values of the headers that this crate reads. One that is repeated, not UTF-8 or holds control characters
/// is a problem; every other header may be anything.
#[derive(Debug, Default)]
pub(crate) struct Headers<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) api_key: Option<&'a str>,
    pub(crate) date: Option<&'a str>,
    pub(crate) amz_date: Option<&'a str>,
    pub(crate) security_token: Option<&'a str>,
    pub(crate) region_set: Option<&'a str>,
    pub(crate) content_sha256: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
    pub(crate) content_length: Option<&'a str>,
    pub(crate) content_encoding: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) transfer_encoding: Option<&'a str>,
    pub(crate) guardrail: Option<&'a str>,
    pub(crate) guardrail_version: Option<&'a str>,
    pub(crate) request_metadata: Option<&'a str>,
    pub(crate) trace: Option<&'a str>,
    pub(crate) runtime_session: Option<&'a str>,
    pub(crate) runtime_user: Option<&'a str>,
    pub(crate) tool_session: Option<&'a str>,
    pub(crate) mcp_session: Option<&'a str>,
    pub(crate) mcp_version: Option<&'a str>,
    pub(crate) mcp_method: Option<&'a str>,
    pub(crate) mcp_name: Option<&'a str>,
    pub(crate) source_arn: Option<&'a str>,
    pub(crate) service_tier: Option<&'a str>,
    pub(crate) latency: Option<&'a str>,
    pub(crate) user_agent: Option<&'a [u8]>,
    pub(crate) invocation_id: Option<&'a [u8]>,
    pub(crate) attempt: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// Reads the pairs; the first problem comes along.
    pub(crate) fn read(pairs: &'a [(Vec<u8>, Vec<u8>)]) -> (Self, Option<Problem>) {
        let mut headers = Self::default();
        let mut problem = None;
        for (name, value) in pairs {
            let slot = match name.as_slice() {
                b"host" => &mut headers.host,
                b"authorization" => &mut headers.authorization,
                b"x-api-key" => &mut headers.api_key,
                b"date" => &mut headers.date,
                b"x-amz-date" => &mut headers.amz_date,
                b"x-amz-security-token" => &mut headers.security_token,
                b"x-amz-region-set" => &mut headers.region_set,
                b"x-amz-content-sha256" => &mut headers.content_sha256,
                b"x-amz-target" => &mut headers.target,
                b"content-length" => &mut headers.content_length,
                b"content-encoding" => &mut headers.content_encoding,
                b"content-type" => &mut headers.content_type,
                b"transfer-encoding" => &mut headers.transfer_encoding,
                b"x-amzn-bedrock-guardrailidentifier" => &mut headers.guardrail,
                b"x-amzn-bedrock-guardrailversion" => &mut headers.guardrail_version,
                b"x-amzn-bedrock-request-metadata" => &mut headers.request_metadata,
                b"x-amzn-bedrock-trace" => &mut headers.trace,
                b"x-amzn-bedrock-agentcore-runtime-session-id" => &mut headers.runtime_session,
                b"x-amzn-bedrock-agentcore-runtime-user-id" => &mut headers.runtime_user,
                b"x-amzn-code-interpreter-session-id" | b"x-amzn-browser-session-id" => {
                    &mut headers.tool_session
                }
                b"mcp-session-id" => &mut headers.mcp_session,
                b"mcp-protocol-version" => &mut headers.mcp_version,
                b"mcp-method" => &mut headers.mcp_method,
                b"mcp-name" => &mut headers.mcp_name,
                b"x-amz-source-arn" => &mut headers.source_arn,
                b"x-amzn-bedrock-service-tier" => &mut headers.service_tier,
                b"x-amzn-bedrock-performanceconfig-latency" => &mut headers.latency,
                b"user-agent" => {
                    headers.user_agent.get_or_insert(value);
                    continue;
                }
                b"amz-sdk-invocation-id" => {
                    headers.invocation_id.get_or_insert(value);
                    continue;
                }
                b"amz-sdk-request" => {
                    headers.attempt.get_or_insert(value);
                    continue;
                }
                _ => continue,
            };
            if let Err(found) = put(slot, name, value) {
                problem.get_or_insert(found);
            }
        }
        (headers, problem)
    }
}

fn put<'a>(slot: &mut Option<&'a str>, name: &[u8], value: &'a [u8]) -> Result<(), Problem> {
    let name = String::from_utf8_lossy(name);
    let bad =
        |what: &str| Problem { code: ProblemCode::BadHeader, detail: format!("header `{name}` {what}") };
    let text = std::str::from_utf8(value).map_err(|_| bad("is not UTF-8"))?;
    if text.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        return Err(bad("holds a control character"));
    }
    if slot.is_some() {
        // Two credentials are told from two lengths: it is another refusal.
        let code = if matches!(&*name, "authorization" | "x-api-key") {
            ProblemCode::TwoCredentials
        } else {
            ProblemCode::BadHeader
        };
        return Err(Problem { code, detail: format!("header `{name}` is there twice") });
    }
    *slot = Some(text.trim_matches([' ', '\t']));
    Ok(())
}
