//! gateway.yaml to an Envoy bootstrap.
