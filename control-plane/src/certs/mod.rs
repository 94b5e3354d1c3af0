//! The gate's own authority: a CA that can speak for Bedrock's hosts and for nothing else, and a leaf per region.
//!
//! Applications must trust this CA, so a thief of its key could pose as whatever the CA may certify. Critical name
//! constraints (RFC 5280 §4.2.1.10) therefore limit it to the exact hosts it was made for, and exclude IP addresses.

mod directory;
mod issue;

pub use directory::{Directory, Written};
pub use issue::{Authority, IssueError, Validity};

use portcullis_envoy::hosts::{self, HostError};
use serde::{Deserialize, Serialize};

/// What a certificate directory is for: written down in it, so that `renew` needs no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Regions with a leaf each.
    pub regions: Vec<String>,
    /// Further regions that the CA may issue for, later.
    #[serde(default)]
    pub also_allow_regions: Vec<String>,
    /// Names of VPC endpoints and the like: the leaf `extra`.
    #[serde(default)]
    pub extra_hosts: Vec<String>,
    /// Names of the gateway entrance, when it speaks TLS: the leaf `gateway`.
    #[serde(default)]
    pub gateway_hosts: Vec<String>,
    /// The directory of leaves as Envoy sees it, when that is not where they are written (a mounted secret).
    #[serde(default)]
    pub mount_path: Option<String>,
    /// Days that a leaf is good for.
    pub days: u32,
    /// Days that the CA is good for.
    pub ca_days: u32,
}

/// A leaf to issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// File stem and SDS name: the region, `extra` or `gateway`.
    pub name: String,
    /// DNS names.
    pub hosts: Vec<String>,
}

impl Plan {
    /// The leaves in a fixed order.
    ///
    /// # Errors
    /// A name is not what it should be.
    pub fn leaves(&self) -> Result<Vec<Leaf>, HostError> {
        let mut leaves = Vec::new();
        for region in &self.regions {
            leaves.push(Leaf { name: region.clone(), hosts: hosts::for_region(region)? });
        }
        for (name, names) in [("extra", &self.extra_hosts), ("gateway", &self.gateway_hosts)] {
            if !names.is_empty() {
                leaves.push(Leaf { name: name.to_owned(), hosts: names.clone() });
            }
        }
        Ok(leaves)
    }

    /// Every name that the CA may certify.
    ///
    /// # Errors
    /// A name is not what it should be.
    pub fn permitted(&self) -> Result<Vec<String>, HostError> {
        let mut names = Vec::new();
        for region in self.regions.iter().chain(&self.also_allow_regions) {
            names.extend(hosts::for_region(region)?);
        }
        for name in &self.extra_hosts {
            names.push(hosts::exact(name)?);
        }
        for name in &self.gateway_hosts {
            names.push(hosts::name(name)?);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
