//! A compiler for `wasm32-unknown-unknown`.
//!
//! The ordinary way is rustup's target. Where it cannot be downloaded, Debian 12 has a matched compiler and the source of
//! the standard library (`rustc-web`, `rust-web-src`), from which cargo builds std itself (`-Zbuild-std`).

use super::{How, apt, say};
use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Which compiler builds the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The compiler that builds everything else has the target.
    Ordinary,
    /// Debian's compiler and std source.
    Debian { rustc: PathBuf, linker: PathBuf },
}

pub(super) fn ensure() -> Result<Toolchain> {
    if ordinary()? {
        say("wasm toolchain", How::Found, format_args!("{TARGET} of the ordinary rustc"));
        return Ok(Toolchain::Ordinary);
    }
    if let Some(debian) = debian() {
        say("wasm toolchain", How::Found, "Debian's rustc-web, rust-web-src, lld-19");
        return Ok(debian);
    }
    let add = ["target", "add", TARGET];
    if shell::succeeds_within(Command::new("rustup").args(add), Duration::from_secs(60)) && ordinary()? {
        say("wasm toolchain", How::Installed, format_args!("rustup target add {TARGET}"));
        return Ok(Toolchain::Ordinary);
    }
    println!(
        "  wasm toolchain  `rustup target add {TARGET}` did not work here; taking Debian's packages (164 MB)"
    );
    apt::ensure(&["rustc-web", "rust-web-src", "lld-19"])
        .with_context(|| format!("no compiler for {TARGET}: neither rustup nor apt could install one"))?;
    let Some(debian) = debian() else {
        bail!("rustc-web, rust-web-src and lld-19 are installed, but not where they are on Debian 12");
    };
    say("wasm toolchain", How::Installed, "apt-get install rustc-web rust-web-src lld-19");
    Ok(debian)
}

fn ordinary() -> Result<bool> {
    let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib");
    Ok(fs::read_dir(library).is_ok_and(|mut files| files.next().is_some()))
}

fn debian() -> Option<Toolchain> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    let linker = shell::which("wasm-ld-19")?;
    let sources = fs::read_dir("/usr/src").ok()?.flatten().any(|entry| {
        entry.file_name().to_string_lossy().starts_with("rustc-") && entry.path().join("library/std").is_dir()
    });
    (shell::is_executable(&rustc) && sources).then_some(Toolchain::Debian { rustc, linker })
}
