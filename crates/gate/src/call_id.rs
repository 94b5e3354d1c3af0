//! The name of one exchange.

use std::fmt;

/// Names one exchange: unique per gate process and lifetime, ordered by time within a VM.
///
/// Shape: `{VM start, Unix nanoseconds:016x}-{context id:08x}-{VM nonce:08x}`. The context id counts up within a VM, the
/// nonce keeps apart two VMs that start in the same nanosecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallId(String);

impl CallId {
    /// The id of the exchange with this context id.
    #[must_use]
    pub fn new(vm_start_nanos: u64, vm_nonce: u32, context_id: u32) -> Self {
        Self(format!("{vm_start_nanos:016x}-{context_id:08x}-{vm_nonce:08x}"))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
