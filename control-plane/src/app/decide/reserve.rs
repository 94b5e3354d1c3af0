//! A call that would go out: is there room for it under every limit?

use super::App;
use super::identify::Identified;
use crate::storage::Commit;
use portcullis_policy::{Bundle, Decision};

/// What the limits say of a call.
pub(super) enum Room {
    /// It fits, and its place is taken.
    Left(Reserved),
    /// It does not fit, nothing is taken, and this is what is decided now.
    #[expect(dead_code, reason = "limits fill this")]
    Exceeded(Decision),
}

/// What a call holds of its limits. Given back when dropped.
pub(super) struct Reserved {}

impl App {
    /// Takes what the call needs from all of its limits, or from none. Where it is `approved`, limits that ask for an
    /// approval count it and do not stop it.
    #[expect(clippy::unused_self, reason = "limits are kept there")]
    pub(super) fn reserve(
        &self,
        _identified: &Identified,
        _bundle: &Bundle,
        _decision: &Decision,
        _approved: bool,
    ) -> Room {
        Room::Left(Reserved {})
    }
}

impl Reserved {
    /// Kept when the call's record is durable, and only then.
    #[expect(clippy::unused_self, reason = "limits fill this")]
    pub(super) fn go_with(self, _commit: &mut Commit) {}
}
