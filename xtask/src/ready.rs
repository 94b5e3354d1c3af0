//! The programs that `up` runs: those that somebody named, or else what `setup` and `build` make.

use crate::{build, setup, test};
use anyhow::Result;
use std::env;
use std::path::PathBuf;

/// Everything, ready to run.
#[derive(Debug)]
pub(crate) struct Ready {
    pub portcullis: PathBuf,
    pub fake_bedrock: PathBuf,
    pub wasm: PathBuf,
    pub envoy: PathBuf,
    /// A Python with boto3.
    pub python: PathBuf,
}

impl Ready {
    /// The environment wins when it names all of them, as [`test::environment`] does; otherwise what is missing is
    /// installed and what is out of date is built.
    ///
    /// # Errors
    /// Something cannot be installed or built.
    pub(crate) fn make(release: bool) -> Result<Self> {
        if let Some(named) = Self::named(|name| env::var_os(name).map(PathBuf::from)) {
            println!("  running the programs that the environment names: {}, …", named.portcullis.display());
            return Ok(named);
        }
        let tools = setup::run()?;
        let built = build::build(&tools.wasm, release)?;
        Ok(Self {
            portcullis: built.portcullis,
            fake_bedrock: built.fake_bedrock,
            wasm: built.wasm,
            envoy: tools.envoy,
            python: tools.python,
        })
    }

    fn named(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let file = |name: &str| variable(name).filter(|path| path.is_file());
        Some(Self {
            portcullis: file(test::PORTCULLIS)?,
            fake_bedrock: file(test::FAKE_BEDROCK)?,
            wasm: file(test::WASM)?,
            envoy: file(test::ENVOY)?,
            python: file(test::PYTHON)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let there = |_: &str| Some(file.path().to_path_buf());
        assert!(Ready::named(there).is_some());
        for missing in [test::PORTCULLIS, test::FAKE_BEDROCK, test::WASM, test::ENVOY, test::PYTHON] {
            assert!(
                Ready::named(|name| there(name).filter(|_| name != missing)).is_none(),
                "{missing} is not named"
            );
            let nowhere = |name: &str| if name == missing { Some("/nowhere".into()) } else { there(name) };
            assert!(Ready::named(nowhere).is_none(), "{missing} is not there");
        }
    }
}
