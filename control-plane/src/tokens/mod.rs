//! Who may talk to the control plane, and whose signatures count: bearer tokens and virtual AWS keys.
//!
//! Both live in the store and, whole, in memory: the path of a call reads memory only. A token is kept as its
//! SHA-256; a virtual key's secret must be had again to check a signature, so it is sealed with the master key.

mod aws_key;
mod bearer;
mod seal;
#[cfg(test)]
mod tests;

pub use aws_key::{AwsKey, AwsKeys, NewAwsKey, aws_pair};
pub(crate) use bearer::sha256;
pub use bearer::{AgentScope, Caller, Denied, Kind, NewToken, Tokens};
pub use seal::{MasterKey, MasterKeyError};
