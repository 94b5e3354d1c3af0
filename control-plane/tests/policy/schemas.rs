//! The JSON Schemas, by a validator that is not ours: they are sound, take every good file and find mistakes.

use super::repository;
use std::path::PathBuf;
use std::process::Command;

/// The Python of `cargo xtask setup`, or `$PORTCULLIS_PYTHON`.
pub(super) fn python() -> PathBuf {
    let python = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from).unwrap_or_else(|| {
        let cache = std::env::var_os("PORTCULLIS_CACHE").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        cache.unwrap_or_else(|| home.join(".cache/portcullis")).join("venv/bin/python")
    });
    assert!(
        python.is_file(),
        "no Python at `{}`: run `cargo xtask setup`, or set PORTCULLIS_PYTHON",
        python.display()
    );
    python
}

#[test]
fn the_schemas_take_what_loads_and_find_mistakes() {
    let script = repository().join("control-plane/tests/policy/schemas.py");
    let output = Command::new(python()).arg(script).arg(repository()).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
