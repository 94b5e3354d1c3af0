//! `cargo xtask down`: stops what `up` started, detached or in another shell. Nothing running is no error.

use crate::paths;
use crate::sandbox::folders::Folders;
use crate::sandbox::process;
use anyhow::Result;
use std::path::PathBuf;

/// Stop what `up` started, wherever it runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What was started with this --dir [default: target/sandbox and target/live]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let all = match &arguments.dir {
        Some(dir) => vec![Folders::of(Some(dir), true)?],
        None => Folders::both().to_vec(),
    };
    let mut any = false;
    for folders in all {
        for (name, id) in process::stop_all(&folders.run())? {
            any = true;
            println!("stopped {name} ({id}) of {}", paths::shown(folders.root()));
        }
        folders.retract()?;
    }
    if !any {
        println!("nothing was running");
    }
    Ok(())
}
