//! A certificate directory.
//!
//! ```text
//! DIR/ca.key        the CA's key, mode 0600: stays here, Envoy never needs it
//! DIR/ca.pem        the CA: NODE_EXTRA_CA_CERTS, Java trust stores …
//! DIR/bundle.pem    the CA and, if asked for, the public ones: AWS_CA_BUNDLE replaces the client's whole store
//! DIR/plan.json     what was asked for
//! DIR/leaves/       what Envoy reads: NAME.pem, NAME.key, NAME.sds.yaml, ca.pem
//! DIR/leaves/..data the current generation: every file in leaves/ is a link through it
//! ```
//! A renewal writes a new generation and renames one symbolic link, as Kubernetes does with mounted secrets: certificate
//! and key change in one step, and Envoy (`watched_directory`) sees a rename in the directory that it watches.

use super::issue::{Authority, Validity};
use super::{Leaf, Plan};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the link to the current generation.
const DATA: &str = "..data";

/// A certificate directory.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The leaves.
    pub leaves: Vec<Leaf>,
    /// When the first of them ends, since the Unix epoch.
    pub leaves_expire: Duration,
    /// When the CA ends, since the Unix epoch.
    pub ca_expires: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    plan: Plan,
    ca_expires_unix: u64,
    permitted: Vec<String>,
}

impl Directory {
    /// A directory that need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes a CA and its leaves.
    ///
    /// # Errors
    /// There is a CA already and `force` is not set; a name is wrong; files cannot be written.
    pub fn init(
        &self,
        plan: &Plan,
        system_cas: Option<&Path>,
        force: bool,
        now: Duration,
    ) -> anyhow::Result<Written> {
        let permitted = plan.permitted()?;
        if !force && (self.path("ca.pem").exists() || self.path("ca.key").exists()) {
            bail!(
                "`{}` has a CA already: `portcullis certs renew` renews its leaves; --force makes a new CA, which every application must then trust",
                self.root.display()
            );
        }
        let public = system_cas
            .map(|path| {
                fs::read_to_string(path).with_context(|| {
                    format!("cannot read `{}` (--system-cas names another file)", path.display())
                })
            })
            .transpose()?;
        fs::create_dir_all(self.path("leaves"))
            .with_context(|| format!("cannot make `{}`", self.root.display()))?;
        let authority = Authority::create(&permitted, Validity { now, days: plan.ca_days })?;
        let bundle = format!("{}{}", authority.cert_pem(), public.as_deref().unwrap_or_default());
        write(&self.path("ca.key"), authority.key_pem(), 0o600)?;
        write(&self.path("ca.pem"), authority.cert_pem(), 0o644)?;
        write(&self.path("bundle.pem"), &bundle, 0o644)?;
        self.generation(&authority, plan, permitted, now)
    }

    /// Issues the leaves anew from the CA that is there. `change` may alter what was asked for, within what the CA may certify.
    ///
    /// # Errors
    /// There is no CA, it has expired, it may not certify a name, or files cannot be written.
    pub fn renew(&self, change: impl FnOnce(&mut Plan), now: Duration) -> anyhow::Result<Written> {
        let saved = self.read("plan.json")?;
        let mut saved: Saved = serde_json::from_str(&saved).with_context(|| {
            format!("`{}` is not what `certs init` wrote", self.path("plan.json").display())
        })?;
        change(&mut saved.plan);
        for leaf in saved.plan.leaves()? {
            if let Some(host) = leaf.hosts.iter().find(|host| !saved.permitted.contains(host)) {
                bail!(
                    "the CA may not certify `{host}` (leaf `{}`): it was made for fewer names; `certs init --force` makes a new one, which every application must then trust",
                    leaf.name
                );
            }
        }
        let expires = Duration::from_secs(saved.ca_expires_unix);
        if expires <= now {
            bail!(
                "the CA has expired: `certs init --force` makes a new one, which every application must then trust"
            );
        }
        let authority = Authority::existing(self.read("ca.pem")?, self.read("ca.key")?, expires);
        self.generation(&authority, &saved.plan, saved.permitted, now)
    }

    fn generation(
        &self,
        authority: &Authority,
        plan: &Plan,
        permitted: Vec<String>,
        now: Duration,
    ) -> anyhow::Result<Written> {
        let leaves_dir = self.path("leaves");
        let validity = Validity { now, days: plan.days };
        let leaves = plan.leaves()?;
        let mount = match &plan.mount_path {
            Some(path) => path.trim_end_matches('/').to_owned(),
            None => fs::canonicalize(&leaves_dir)?.to_string_lossy().into_owned(),
        };
        let fresh = tempdir_in(&leaves_dir, now)?;
        let fill = || -> anyhow::Result<Vec<String>> {
            let mut names = vec!["ca.pem".to_owned()];
            write(&fresh.join("ca.pem"), authority.cert_pem(), 0o644)?;
            for leaf in &leaves {
                let issued = authority.issue(leaf, validity)?;
                let (pem, key, sds) = (
                    format!("{}.pem", leaf.name),
                    format!("{}.key", leaf.name),
                    format!("{}.sds.yaml", leaf.name),
                );
                write(&fresh.join(&pem), &issued.cert_pem, 0o644)?;
                write(&fresh.join(&key), &issued.key_pem, 0o600)?;
                write(&fresh.join(&sds), &sds_file(&leaf.name, &mount), 0o644)?;
                names.extend([pem, key, sds]);
            }
            Ok(names)
        };
        let names = fill().inspect_err(|_| drop(fs::remove_dir_all(&fresh)))?;
        let saved = Saved { plan: plan.clone(), ca_expires_unix: authority.expires().as_secs(), permitted };
        write(&self.path("plan.json"), &(serde_json::to_string_pretty(&saved)? + "\n"), 0o644)?;
        swap(&leaves_dir, &fresh, &names)?;
        Ok(Written {
            leaves,
            leaves_expire: validity.end().min(authority.expires()),
            ca_expires: authority.expires(),
        })
    }

    fn read(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        fs::read_to_string(&path).with_context(|| {
            format!("cannot read `{}`: is this a directory that `certs init` made?", path.display())
        })
    }
}

/// An SDS answer in a file (`envoy.extensions.transport_sockets.tls.v3.Secret`).
fn sds_file(name: &str, mount: &str) -> String {
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    format!(
        r#"# The certificate `{name}` for Envoy, which reads it again when this directory changes. Written by `portcullis certs`.
resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: {name}
  tls_certificate:
    certificate_chain: {{filename: {cert}}}
    private_key: {{filename: {key}}}
    watched_directory: {{path: {dir}}}
"#,
        cert = quoted(format!("{mount}/{name}.pem")),
        key = quoted(format!("{mount}/{name}.key")),
        dir = quoted(mount.to_owned()),
    )
}

/// Makes `fresh` the current generation and removes what is no longer reachable.
fn swap(leaves: &Path, fresh: &Path, names: &[String]) -> anyhow::Result<()> {
    let generation = fresh.file_name().context("a generation has a name")?;
    // Links first: they dangle for a moment on the first run, when nobody reads yet.
    for name in names {
        let link = leaves.join(name);
        if !link.is_symlink() {
            relink(&Path::new(DATA).join(name), &link)?;
        }
    }
    relink(Path::new(generation), &leaves.join(DATA))?;
    for entry in fs::read_dir(leaves)?.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let stale_generation =
            name.to_string_lossy().starts_with("..") && name != DATA && name != *generation;
        if stale_generation && path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)?;
        } else if path.is_symlink() && !path.exists() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Points `link` to `target` in one step.
fn relink(target: &Path, link: &Path) -> anyhow::Result<()> {
    let mut name = link.file_name().context("a link has a name")?.to_os_string();
    name.push(".new");
    let fresh = link.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    symlink(target, &fresh).with_context(|| format!("cannot link `{}`", fresh.display()))?;
    fs::rename(&fresh, link).with_context(|| format!("cannot replace `{}`", link.display()))
}

/// A new, empty generation.
fn tempdir_in(leaves: &Path, now: Duration) -> anyhow::Result<PathBuf> {
    for n in 0..1000_u32 {
        let path = leaves.join(format!("..{}-{n}", now.as_secs()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make `{}`", path.display())),
        }
    }
    bail!("`{}` is full of unfinished generations: remove its `..*` directories", leaves.display())
}

/// Writes a file whole or not at all, with its mode from the first byte on.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut name = path.file_name().context("a file has a name")?.to_os_string();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .with_context(|| format!("cannot write `{}`", fresh.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path).with_context(|| format!("cannot write `{}`", path.display()))
}
