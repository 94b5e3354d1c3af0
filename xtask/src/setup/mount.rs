//! Whether tests may mount a small file system, to fill it: as root, and not in every container.

use super::{How, say};
use crate::shell;
use std::process::Command;

/// Tries it.
pub(super) fn allowed() -> bool {
    let Ok(folder) = tempfile::tempdir() else { return false };
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
    let allowed = shell::output(&mut mount).is_ok();
    if allowed {
        // Lazily: whatever looks into new file systems must not keep this one.
        let _gone = shell::output(Command::new("umount").arg("--lazy").arg(folder.path()));
        say("small disks", How::Found, "tests may mount a tmpfs to fill it");
    } else {
        say(
            "small disks",
            How::Skipped,
            "tests may not mount a tmpfs here: the tests with a full disk are left out",
        );
    }
    allowed
}
