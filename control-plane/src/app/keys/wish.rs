//! What a key may be like.

use super::{KeysError, NewKey};
use crate::config::duration_ms;
use crate::storage::StoredAgent;
use portcullis_policy::ToolGlobs;

/// How long an agent's token is good when nobody says: agents are many, and forgotten.
const AGENT_DEFAULT: &str = "90d";

/// Most globs of an agent's token.
const MAX_TOOLS: usize = 256;

pub(super) fn check(wish: &NewKey) -> Result<(), KeysError> {
    let invalid = |message: &str| Err(KeysError::Invalid(message.to_owned()));
    let too_long =
        |text: &str| text.is_empty() || text.chars().count() > 128 || text.chars().any(char::is_control);
    if too_long(&wish.name) {
        return invalid("`name` must have 1 to 128 characters, none of them control characters");
    }
    if [&wish.principal, &wish.tenant, &wish.agent].into_iter().flatten().any(|text| too_long(text)) {
        return invalid(
            "`principal`, `tenant` and `agent` must have 1 to 128 characters, none of them control characters",
        );
    }
    if let Some(pair) = &wish.existing {
        let id = &pair.access_key_id;
        let shaped = id.len() == 20
            && id.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte));
        if !shaped {
            return Err(KeysError::Invalid(format!(
                "`{id}` is not an access key id: 20 characters of A–Z and 2–7"
            )));
        }
        let secret = pair.secret_access_key.as_bytes();
        if !(16..=128).contains(&secret.len()) || !secret.iter().all(u8::is_ascii_graphic) {
            return invalid("`secret_access_key` must have 16 to 128 visible ASCII characters");
        }
    }
    lifetime_ms(wish)?;
    match wish.kind.as_str() {
        "aws" if wish.expires_in.is_some() => invalid("keys of kind `aws` do not expire; revoke them"),
        "data" | "admin" | "agent" if wish.existing.is_some() => {
            invalid("an existing pair belongs to keys of kind `aws`")
        }
        "data" if wish.principal.is_some() => {
            invalid("`principal` belongs to keys of kind `aws`, `admin` and `agent`")
        }
        "data" | "admin" if wish.tenant.is_some() => {
            invalid("`tenant` belongs to keys of kind `aws` and `agent`")
        }
        "agent" => covers(wish),
        "data" | "admin" | "aws" if wish.agent.is_some() || !wish.tools.is_empty() => {
            invalid("`agent` and `tools` belong to keys of kind `agent`")
        }
        "data" | "admin" | "aws" => Ok(()),
        other => Err(KeysError::Invalid(format!(
            "kind `{other}` is not known; use `data`, `admin`, `agent` or `aws`"
        ))),
    }
}

/// An agent's token says whose it is and for what; `*` for everything must be written, too.
fn covers(wish: &NewKey) -> Result<(), KeysError> {
    let invalid = |message: &str| Err(KeysError::Invalid(message.to_owned()));
    if wish.agent.is_none() {
        return invalid("a key of kind `agent` needs `agent`: the id of the agent that it is for");
    }
    if wish.tools.is_empty() || wish.tools.len() > MAX_TOOLS {
        return Err(KeysError::Invalid(format!(
            "a key of kind `agent` needs `tools`: 1 to {MAX_TOOLS} globs of the tools that it covers, `*` for all"
        )));
    }
    if wish.tools.iter().any(|glob| glob.chars().count() > 256 || glob.chars().any(char::is_control)) {
        return invalid("`tools` must have at most 256 characters each, none of them control characters");
    }
    ToolGlobs::parse(&wish.tools).map(drop).map_err(KeysError::Invalid)
}

/// What an agent's token covers.
pub(super) fn agent(wish: &NewKey) -> Option<StoredAgent> {
    let id = wish.agent.clone()?;
    Some(StoredAgent { id, tenant: wish.tenant.clone(), tools: wish.tools.clone() })
}

/// How long a token is good; `None` for ever.
///
/// # Errors
/// [`KeysError::Invalid`] when it is no duration.
pub(super) fn lifetime_ms(wish: &NewKey) -> Result<Option<u64>, KeysError> {
    let default = (wish.kind == "agent").then_some(AGENT_DEFAULT);
    match wish.expires_in.as_deref().or(default) {
        None | Some("never") => Ok(None),
        Some(text) => duration_ms(text).map(Some).ok_or_else(|| {
            KeysError::Invalid(format!(
                "`expires_in` cannot be `{text}`: a whole number and m, h or d, such as 30d, or `never`"
            ))
        }),
    }
}
