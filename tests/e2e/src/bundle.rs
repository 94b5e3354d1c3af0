//! Bundle directories for tests.

use anyhow::Result;
use std::path::Path;

/// Lets everything known pass but what a test forbids by name.
pub const DEFAULT: &[(&str, &str)] = &[
    (
        "bundle.yaml",
        "version: \"1.0\"\nname: e2e\ndefault: allow\nprincipals:\n- name: app-one\n  access_keys: [AKIAQAAAAAAAAAAAAAAA]\n- name: app-two\n  access_keys: [AKIAQBBBBBBBBBBBBBBB]\n",
    ),
    (
        "rules/models.yaml",
        "version: \"1.0\"\nname: Models\nrules:\n- id: block-opus\n  action: block\n  models: [\"*opus*\"]\n  message: Opus is not approved for this team\n",
    ),
];

/// Writes files below `directory`, each by rename, as editors and deployment tools do.
///
/// # Errors
/// The file system refused.
pub fn write(directory: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let fresh = path.with_extension("new~");
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, &path)?;
    }
    Ok(())
}
