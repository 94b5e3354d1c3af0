//! End to end: a real Envoy with the real filter, the real control plane, real boto3, raw clients; only Bedrock is a fake.
//!
//! Modules follow the promises: what an application sees, what a bad call meets, what happens when a part fails.

#![allow(clippy::indexing_slicing, reason = "tests: an index that is not there is a failed test")]

mod adversary;
mod agents;
mod answers;
mod answers_hold;
mod application;
mod approvals;
mod audit;
mod bad_body;
mod bad_head;
mod budget;
mod bundle_reload;
mod compatible;
mod control_plane_faults;
mod differential;
mod envoy_faults;
mod faults_disk;
mod gateway;
mod javascript;
mod kill;
mod protocols;
mod providers;
mod raw;
mod reconcile;
mod sandbox;
mod streams;
mod usage;
