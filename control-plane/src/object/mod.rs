//! Object storage by URL: `s3://bucket/prefix`, `file:///directory`.

mod lock;

pub use lock::{Lock, LockMode};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
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
    open_locked(url, options, environment, None)
}

/// Likewise; every object that is put there is locked (S3 Object Lock), where that is wanted.
///
/// # Errors
/// See [`open`]; also where the storage knows no locks.
pub fn open_locked(
    url: &str,
    options: &BTreeMap<String, String>,
    environment: impl IntoIterator<Item = (String, String)>,
    lock: Option<Lock>,
) -> Result<Place, String> {
    let parsed = url.parse().map_err(|error| {
        format!("`{url}` is no URL: {error}; write s3://BUCKET/PREFIX or file:///DIRECTORY")
    })?;
    let (scheme, prefix) = ObjectStoreScheme::parse(&parsed).map_err(|error| format!("`{url}`: {error}"))?;
    let s3 = scheme == ObjectStoreScheme::AmazonS3;
    if let Some(name) = options.keys().find(|name| s3 && !known(name)) {
        return Err(format!(
            "`{name}` is no option of S3 storage; there are `region`, `endpoint`, `access_key_id`, `secret_access_key`, \
             `session_token`, `allow_http`, `virtual_hosted_style_request`, `checksum_algorithm` and others of the library \
             object_store"
        ));
    }
    let from_environment = environment.into_iter().filter(|(name, _)| name.starts_with("AWS_"));
    let from_environment = from_environment.map(|(name, value)| (name.to_ascii_lowercase(), value));
    // Later ones win.
    let mut all: BTreeMap<String, String> = from_environment.collect();
    all.extend(options.iter().map(|(name, value)| (full_name(name), value.clone())));
    let wrong = |error: object_store::Error| format!("`{url}`: {error}");
    let Some(lock) = lock else {
        let (store, prefix) = object_store::parse_url_opts(&parsed, all).map_err(wrong)?;
        return Ok(Place { store: store.into(), prefix });
    };
    if !s3 {
        return Err(format!("`{url}`: only objects in S3 (s3://…) can be locked"));
    }
    let builder = || {
        let empty = AmazonS3Builder::new().with_url(url);
        all.iter().fold(empty, |builder, (name, value)| match name.parse::<AmazonS3ConfigKey>() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        })
    };
    // The first knows where credentials come from, the second signs with them once more.
    let plain = builder().build().map_err(wrong)?;
    let credentials = Arc::clone(plain.credentials());
    // S3 takes locked objects with a checksum only.
    let builder = builder().with_checksum_algorithm(object_store::aws::Checksum::SHA256);
    let store =
        builder.with_http_connector(lock::Connector::new(lock, credentials)).build().map_err(wrong)?;
    Ok(Place { store: Arc::new(store), prefix })
}

fn known(name: &str) -> bool {
    full_name(name).parse::<AmazonS3ConfigKey>().is_ok()
}

/// Options are said with or without `aws_`, variables with it: one of the two must win.
fn full_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let with = format!("aws_{name}");
    if !name.starts_with("aws_") && with.parse::<AmazonS3ConfigKey>().is_ok() { with } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_options_are_read_or_refused_with_a_reason() {
        let cases = [
            ("s3://bucket/a/b", &[("region", "eu-central-1")][..], Ok("a/b")),
            (
                "s3://bucket",
                &[("aws_region", "x"), ("allow_http", "true"), ("endpoint", "http://127.0.0.1:1")],
                Ok(""),
            ),
            ("file:///tmp/x", &[], Ok("tmp/x")),
            ("bucket/x", &[], Err("is no URL")),
            ("s3://bucket", &[("regoin", "x")], Err("`regoin` is no option")),
        ];
        for (url, options, expected) in cases {
            let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let found = open(url, &options, []).map(|place| place.prefix.to_string());
            println!("{url}: {found:?}");
            match expected {
                Ok(prefix) => assert_eq!(found.unwrap(), prefix),
                Err(part) => assert!(found.unwrap_err().contains(part)),
            }
        }
        let lock = Lock { mode: LockMode::Governance, until_ms: 1_800_000_000_000 };
        assert!(
            open_locked("file:///tmp/x", &BTreeMap::new(), [], Some(lock))
                .unwrap_err()
                .contains("only objects in S3")
        );
    }
}
