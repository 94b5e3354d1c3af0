//! `portcullis policy digest|pack|sign|keygen`: bundles as they travel.

use super::super::output::{Format, counted, printable_json};
use super::snippet::{self, Paint};
use super::{EXIT_CODES, Ending, source};
use crate::bundle::{SigningKey, pack as pack_files};
use anyhow::{Context, bail};
use portcullis_policy::{LoadError, SourceFile};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};

/// Arguments of `policy digest`.
///
/// The digest names the bundle's files wherever they are, and is what signatures sign. Signatures are no part of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES, after_long_help = "\
Sign with minisign:
  portcullis policy digest bundles/finance > digest.txt
  minisign -Sm digest.txt -x bundles/finance/bundle.minisig

Exit codes:
  0  done
  1  the bundle's files cannot be read as a bundle; the output says which
  2  there is nothing to read, or the command line is wrong")]
pub struct Digest {
    /// The bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
}

/// Arguments of `policy pack`.
///
/// Packs what the server would load, and nothing else: no hidden files, links as the files that they lead to. The same files
/// give the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Pack {
    /// The bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The archive to write, replaced when it is there
    #[arg(long, short = 'f', value_name = "FILE")]
    file: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `policy sign`.
///
/// Writes `bundle.sig` into the bundle's directory: an Ed25519 signature of the bundle's digest. Any change of a file
/// makes it void.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES, after_long_help = "\
Examples:
  portcullis policy keygen --key release.pem         prints the public key for `bundle_keys`
  portcullis policy sign bundles/finance --key release.pem

Exit codes:
  0  done
  1  the bundle's files cannot be read as a bundle; the output says which
  2  the key or the directory cannot be used, or the command line is wrong")]
pub struct Sign {
    /// The bundle's directory
    #[arg(value_name = "DIR")]
    bundle: PathBuf,
    /// The private key: PEM (PKCS #8), by `portcullis policy keygen` or `openssl genpkey -algorithm ed25519`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `policy keygen`.
///
/// Makes an Ed25519 key pair: the private key goes to a file that only you can read, the public key is printed, for the
/// server's `bundle_keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Keygen {
    /// The file to make; one that is there is never replaced
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// The bundle's files; `None` when they are none, and what is wrong with them is printed.
fn files(bundle: &Path) -> anyhow::Result<Option<Vec<SourceFile>>> {
    match source::read(bundle)? {
        Ok(files) if files.iter().any(|file| file.path == "bundle.yaml") => Ok(Some(files)),
        Ok(_) => {
            eprintln!("`{}` has no bundle.yaml: it is no bundle", bundle.display());
            Ok(None)
        }
        Err(LoadError { diagnostics }) => {
            snippet::print(&mut stderr().lock(), Paint::stderr(), &diagnostics, &[])?;
            Ok(None)
        }
    }
}

pub(super) fn digest(args: &Digest) -> anyhow::Result<Ending> {
    let Some(files) = files(&args.bundle)? else { return Ok(Ending::Findings) };
    writeln!(stdout(), "{}", portcullis_policy::digest(&files))?;
    Ok(Ending::Well)
}

pub(super) fn pack(args: &Pack) -> anyhow::Result<Ending> {
    let Some(files) = files(&args.bundle)? else { return Ok(Ending::Findings) };
    let archive = pack_files(&files)?;
    let name = args.file.display();
    fs::write(&args.file, &archive).with_context(|| format!("cannot write `{name}`"))?;
    let digest = portcullis_policy::digest(&files);
    let told = json!({"file": args.file, "digest": digest, "files": files.len(), "bytes": archive.len()});
    let (count, bytes) = (counted(files.len(), "file"), counted(archive.len(), "byte"));
    tell(args.output, &told, &format!("`{name}`: {count}, {bytes}, digest {digest}"))
}

pub(super) fn sign(args: &Sign) -> anyhow::Result<Ending> {
    if !args.bundle.is_dir() {
        bail!("`{}` is no directory; sign the directory, and pack it then", args.bundle.display());
    }
    let cannot = || format!("cannot use the key in `{}`", args.key.display());
    let pem = fs::read_to_string(&args.key).with_context(cannot)?;
    let key = SigningKey::from_pem(&pem).map_err(anyhow::Error::msg).with_context(cannot)?;
    let Some(files) = files(&args.bundle)? else { return Ok(Ending::Findings) };
    let digest = portcullis_policy::digest(&files);
    let place = args.bundle.join("bundle.sig");
    // Renamed into place: a server may be watching the directory.
    let partial = args.bundle.join("bundle.sig.tmp");
    fs::write(&partial, key.sign(&digest))
        .and_then(|()| fs::rename(&partial, &place))
        .with_context(|| format!("cannot write `{}`", place.display()))?;
    let told = json!({"file": place, "digest": digest, "public_key": key.public()});
    tell(args.output, &told, &format!("`{}` signs digest {digest}", place.display()))
}

pub(super) fn keygen(args: &Keygen) -> anyhow::Result<Ending> {
    use std::os::unix::fs::OpenOptionsExt;
    let (key, pem) = SigningKey::generate().map_err(anyhow::Error::msg)?;
    let cannot = || format!("cannot make `{}`", args.key.display());
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.key).with_context(cannot)?;
    file.write_all(pem.as_bytes()).with_context(cannot)?;
    file.sync_all().with_context(cannot)?;
    tell(args.output, &json!({"file": args.key, "public_key": key.public()}), &key.public())
}

fn tell(format: Format, json: &serde_json::Value, line: &str) -> anyhow::Result<Ending> {
    match format {
        Format::Json => writeln!(stdout(), "{}", printable_json(&serde_json::to_string_pretty(json)?))?,
        Format::Table => writeln!(stdout(), "{line}")?,
    }
    Ok(Ending::Well)
}
