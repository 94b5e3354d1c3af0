//! The one fake of this project: an Amazon Bedrock on loopback.
//!
//! It terminates TLS (own CA, HTTP/1.1 and h2), verifies SigV4 and Bedrock API keys of the principals it was given,
//! refuses as AWS does, answers in AWS's shapes (event streams included), and writes down **every** call that reached
//! it before it answers. Tests hold what the gate let out against that list: `GET /calls` on the control port is a JSON
//! array of [`CallRecord`], `DELETE /calls` empties it. A record also says what the answer said ([`SaidRecord`]) and, once it is
//! over, what was sent of it ([`SentRecord`]).
//!
//! The last user text of a prompt steers the answer, see [`Directives`].
//!
//! It shares no code with the gate on purpose: its own operation table (from `testdata/operations.json`), its own
//! signature check. A mistake on either side shows as a disagreement.
//!
//! Sources: AWS API references of Bedrock Runtime and Bedrock Agents Runtime, "AWS Signature Version 4" in the IAM user guide.

mod answer;
mod auth;
mod calls;
mod cloudtrail;
mod config;
mod control;
mod directives;
mod exchange;
mod meter;
mod operation;
mod receive;
mod reply;
mod server;
mod tls;

pub use calls::{CallLog, CallRecord, SaidCall, SaidRecord, SentRecord};
pub use config::{Config, Principal, Principals};
pub use directives::{Checksum, Directives, ErrorBody, Gzip, Short, ToolMark};
pub use server::{FakeBedrock, Handle};
