//! Three bootstraps from the one that the product renders: as it is, with the filter taken out, and with Envoy's own
//! `ext_authz` in the filter's place. Upstream TLS is taken off in all three: it costs the same in each and would
//! only soften the ratios.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// What stands between the application and the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    /// Nothing.
    Plain,
    /// `ext_authz` with a service that decides nothing.
    ExtAuthz,
    /// The gate.
    Gate,
}

impl Variant {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Variant; 3] = [Variant::Plain, Variant::ExtAuthz, Variant::Gate];

    /// As the tables name it.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Variant::Plain => "plain Envoy",
            Variant::ExtAuthz => "ext_authz",
            Variant::Gate => "gate",
        }
    }
}

/// Makes one of them, as JSON.
///
/// # Errors
/// The rendered bootstrap is not what this module knows.
pub(crate) fn bootstrap(rendered: &str, variant: Variant, upstream: &str, authz: &str) -> Result<String> {
    let mut root: Value = serde_saphyr::from_str(rendered).context("the rendered bootstrap")?;
    let clusters =
        root.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut).context("clusters")?;
    let bedrock =
        clusters.iter_mut().find(|cluster| cluster["name"] == "bedrock").context("no cluster `bedrock`")?;
    let upstream_cluster = bedrock.as_object_mut().context("cluster")?;
    upstream_cluster.remove("transport_socket");
    // Without TLS there is no SNI to set automatically.
    for options in upstream_cluster
        .get_mut("typed_extension_protocol_options")
        .into_iter()
        .filter_map(Value::as_object_mut)
    {
        for one in options.values_mut().filter_map(Value::as_object_mut) {
            one.remove("upstream_http_protocol_options");
        }
    }
    ensure!(upstream_cluster.contains_key("load_assignment"), "the upstream {upstream} is not a static one");
    if variant == Variant::ExtAuthz {
        clusters.push(cluster("authz", authz)?);
    }
    let mut changed = 0;
    replace_filters(&mut root, variant, authz, &mut changed);
    ensure!(variant == Variant::Gate || changed > 0, "no filter was replaced");
    Ok(serde_json::to_string_pretty(&root)?)
}

/// Takes every Wasm filter out, or puts `ext_authz` in its place.
fn replace_filters(value: &mut Value, variant: Variant, authz: &str, changed: &mut usize) {
    match value {
        Value::Object(object) => {
            if variant != Variant::Gate
                && let Some(Value::Array(filters)) = object.get_mut("http_filters")
            {
                for filter in filters.iter_mut() {
                    if is_wasm(filter) {
                        *changed += 1;
                        *filter = if variant == Variant::ExtAuthz { ext_authz(authz) } else { Value::Null };
                    }
                }
                filters.retain(|filter| !filter.is_null());
            }
            object.values_mut().for_each(|inner| replace_filters(inner, variant, authz, changed));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|inner| replace_filters(inner, variant, authz, changed))
        }
        _ => {}
    }
}

fn is_wasm(filter: &Value) -> bool {
    filter
        .pointer("/typed_config/@type")
        .and_then(Value::as_str)
        .is_some_and(|name| name.ends_with("wasm.v3.Wasm"))
}

fn ext_authz(authz: &str) -> Value {
    json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "http_service": {"server_uri": {"uri": format!("http://{authz}"), "cluster": "authz", "timeout": "5s"}},
        }
    })
}

fn cluster(name: &str, address: &str) -> Result<Value> {
    let (host, port) = address.rsplit_once(':').context("host:port")?;
    Ok(json!({
        "name": name,
        "connect_timeout": "2s",
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": host, "port_value": port.parse::<u16>()?}}}}]}]},
    }))
}
