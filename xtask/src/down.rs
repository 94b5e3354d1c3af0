//! `cargo xtask down`: stops whatever `up` left running. Nothing running is no error.

use crate::paths;
use crate::sandbox::folders::Folders;
use crate::sandbox::process;
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    let mut any = false;
    for folders in Folders::both() {
        for (name, id) in process::stop_all(&folders.run())? {
            any = true;
            println!("stopped {name} ({id}) of {}", paths::shown(&folders.run()));
        }
    }
    if !any {
        println!("nothing was running");
    }
    Ok(())
}
