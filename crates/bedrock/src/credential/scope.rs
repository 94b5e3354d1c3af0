//! Credential scopes: `AKID/yyyymmdd/region/service/aws4_request`.

use super::broken;
use crate::call::Problem;

/// A scope, taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) access_key_id: &'a str,
    /// Everything after the access key id.
    pub(super) rest: &'a str,
    /// `None` for SigV4a, whose scope has none.
    pub(super) region: Option<&'a str>,
    pub(super) service: &'a str,
}

impl<'a> Scope<'a> {
    /// Reads a whole scope, with a region or without.
    pub(super) fn parse(credential: &'a str, with_region: bool) -> Result<Self, Problem> {
        let whole = || {
            let mut parts = credential.split('/');
            let access_key_id = parts.next().filter(|p| is_key_id(p))?;
            let rest = credential.get(access_key_id.len().checked_add(1)?..)?;
            parts.next().filter(|p| p.len() == 8 && p.bytes().all(|b| b.is_ascii_digit()))?;
            let region = if with_region { Some(parts.next().filter(|p| is_name(p))?) } else { None };
            let service = parts.next().filter(|p| is_name(p))?;
            let ends = parts.next() == Some("aws4_request") && parts.next().is_none();
            ends.then_some(Self { access_key_id, rest, region, service })
        };
        whole().ok_or_else(|| {
            broken("the credential scope is not whole: `key/date/region/service/aws4_request`")
        })
    }
}

fn is_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
