//! Keys, publication and witnesses of the log.

mod config;
mod publish;
#[cfg(test)]
mod tests;
mod tiles;
mod witness;

pub use config::{Publish, RawPublish, RawWitness, Witness};
pub use publish::Publisher;
pub use tiles::tile_bytes;
pub use witness::Cosigner;
