//! The running gate of `cargo xtask up`: its folders, processes and ports, and what applications are told about it.

pub(crate) mod environment;
pub(crate) mod folders;
pub(crate) mod follow;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod wait;
