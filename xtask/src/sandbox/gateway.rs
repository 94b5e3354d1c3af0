//! The `gateway.yaml` of a gate started by `up`; `portcullis envoy render` makes Envoy's bootstrap of it.

use super::environment::Topology;
use super::keys::GATEWAY;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What differs from one gate to the next.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) topology: Topology,
    pub(crate) regions: Vec<String>,
    pub(crate) ports: EnvoyPorts,
    /// `host:port` of the control plane's data plane API.
    pub(crate) control_plane: String,
    pub(crate) filter: PathBuf,
    pub(crate) leaves: PathBuf,
    /// The fake: its `host:port` and its CA. Without one, calls go to AWS.
    pub(crate) fake: Option<(String, PathBuf)>,
}

/// Ports of Envoy's listeners; 0 lets the kernel choose.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EnvoyPorts {
    pub(crate) egress: u16,
    pub(crate) transparent: u16,
    pub(crate) gateway: u16,
    pub(crate) admin: u16,
}

impl Gateway {
    /// The listeners that the gate has: in the sandbox all of them, to try; otherwise those of the topology.
    pub(crate) fn listeners(&self) -> Vec<&'static str> {
        match (&self.fake, self.topology) {
            (Some(_), _) => vec!["egress", "transparent", "gateway"],
            (None, Topology::Egress | Topology::Sidecar) => vec!["egress", "transparent"],
            (None, Topology::Gateway) => vec!["gateway"],
        }
    }

    /// The file. JSON is YAML.
    pub(crate) fn rendered(&self) -> String {
        let socket = |port: u16| json!({"address": "127.0.0.1", "port": port});
        let mut listeners = serde_json::Map::new();
        for name in self.listeners() {
            let listener = match name {
                "egress" => socket(self.ports.egress),
                "transparent" => socket(self.ports.transparent),
                _ => self.gateway_listener(),
            };
            listeners.insert(name.to_owned(), listener);
        }
        let mut file = json!({
            "node": "sandbox",
            "regions": self.regions,
            "listeners": listeners,
            "control_plane": {"address": self.control_plane, "timeout_ms": 5000},
            "filter": {"path": self.filter, "failure_mode": "closed"},
            "tls": {"dir": self.leaves},
            "admin": socket(self.ports.admin),
        });
        if let (Some((address, ca)), Some(file)) = (&self.fake, file.as_object_mut()) {
            file.insert("upstream".to_owned(), json!({"address": address, "ca_file": ca}));
        }
        format!("{file:#}\n")
    }

    fn gateway_listener(&self) -> Value {
        let credential = match &self.fake {
            Some(_) => json!({"access_key_id": GATEWAY.id, "secret_access_key": GATEWAY.secret}),
            None => json!("default"),
        };
        json!({
            "address": "127.0.0.1",
            "port": self.ports.gateway,
            "region": self.regions.first(),
            "services": ["bedrock-runtime", "bedrock-agent-runtime"],
            "credential": credential,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(topology: Topology, fake: bool) -> Gateway {
        Gateway {
            topology,
            regions: vec!["us-east-1".into()],
            ports: EnvoyPorts { egress: 3128, transparent: 10443, gateway: 10000, admin: 9901 },
            control_plane: "127.0.0.1:8181".into(),
            filter: "/f.wasm".into(),
            leaves: "/leaves".into(),
            fake: fake.then(|| ("127.0.0.1:9443".into(), "/ca.pem".into())),
        }
    }

    #[test]
    fn the_sandbox_has_every_entrance_and_a_key_of_its_own() {
        let file: Value = serde_yaml_ng::from_str(&gateway(Topology::Egress, true).rendered()).unwrap();
        println!("{file:#}");
        assert_eq!(file["listeners"].as_object().unwrap().len(), 3);
        assert_eq!(file["listeners"]["gateway"]["credential"]["access_key_id"], GATEWAY.id);
        assert_eq!(file["upstream"]["address"], "127.0.0.1:9443");
    }

    #[test]
    fn the_real_aws_is_reached_by_the_topologys_entrance_and_awss_own_credentials() {
        let file: Value = serde_yaml_ng::from_str(&gateway(Topology::Gateway, false).rendered()).unwrap();
        assert_eq!(file["listeners"].as_object().unwrap().keys().collect::<Vec<_>>(), ["gateway"]);
        assert_eq!(file["listeners"]["gateway"]["credential"], "default");
        assert!(file["upstream"].is_null());
        let file: Value = serde_yaml_ng::from_str(&gateway(Topology::Sidecar, false).rendered()).unwrap();
        assert_eq!(
            file["listeners"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["egress", "transparent"]
        );
    }
}
