//! The little YAML that templates need.

/// A string as a YAML double-quoted scalar. JSON's escapes are a subset of YAML's (YAML 1.2 §5.7).
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `text`, each line of it that is not empty indented by `spaces`.
pub(super) fn block(spaces: usize, text: &str) -> String {
    let pad = " ".repeat(spaces);
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A socket address.
pub(super) fn socket_address(host: &str, port: u16) -> String {
    format!("socket_address: {{address: {}, port_value: {port}}}", quoted(host))
}
