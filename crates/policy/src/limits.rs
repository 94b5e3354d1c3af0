//! What a bundle may weigh. Over a limit is a load error: nothing is cut silently.

/// Bytes of one file.
pub const MAX_FILE_BYTES: u64 = 5 * 1024 * 1024;
/// Bytes of all files together.
pub const MAX_BUNDLE_BYTES: u64 = 20 * 1024 * 1024;
/// Files of a bundle.
pub const MAX_FILES: usize = 4_096;
/// Enabled rules of a bundle.
pub(crate) const MAX_RULES: usize = 50_000;
/// Routes of a bundle.
pub(crate) const MAX_ROUTES: usize = 1_000;
/// Limits of a bundle, those of its routes included.
pub(crate) const MAX_LIMITS: usize = 1_000;
/// Values of one file, those that aliases repeat counted each time.
pub(crate) const MAX_NODES: u64 = 1_000_000;
/// Depth of lists and mappings in one file, aliases followed.
pub(crate) const MAX_DEPTH: u32 = 64;
/// Findings that are kept.
pub(crate) const MAX_DIAGNOSTICS: usize = 200;
/// Characters of a regular expression.
pub(crate) const MAX_REGEX_CHARS: usize = 4_096;
/// Bytes of a compiled regular expression.
pub(crate) const MAX_REGEX_PROGRAM: usize = 1024 * 1024;
/// Characters of an id, a name, a tag or a glob.
pub(crate) const MAX_NAME_CHARS: usize = 2_048;
/// Characters of a message for the caller.
pub(crate) const MAX_MESSAGE_CHARS: usize = 1_024;
/// Characters of a description.
pub(crate) const MAX_PROSE_CHARS: usize = 16_384;
