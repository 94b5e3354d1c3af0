//! Object storage by URL: `s3://bucket/prefix`, `file:///directory`.

use object_store::ObjectStore;
use object_store::path::Path;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place in object storage.
#[derive(Debug, Clone)]
pub struct Place {
    /// The storage.
    pub store: Arc<dyn ObjectStore>,
    /// What stands before every key.
    pub prefix: Path,
}

/// Opens a URL. `options` are those of the storage's library (`endpoint`, `region`, `access_key_id`, `allow_http` …), with or
/// without `aws_` before them; `AWS_…` variables of the environment count where they say nothing.
///
/// # Errors
/// What is wrong with the URL or an option, for people.
pub fn open(
    url: &str,
    options: &BTreeMap<String, String>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Place, String> {
    let url = url.parse().map_err(|error| {
        format!("`{url}` is no URL: {error}; write s3://BUCKET/PREFIX or file:///DIRECTORY")
    })?;
    let from_environment = environment.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
    let from_environment = from_environment.map(|(name, value)| (name.to_ascii_lowercase(), value));
    // Later ones win.
    let all = from_environment.chain(options.iter().map(|(name, value)| (name.clone(), value.clone())));
    let (store, prefix) =
        object_store::parse_url_opts(&url, all).map_err(|error| format!("`{url}`: {error}"))?;
    Ok(Place { store: store.into(), prefix })
}
