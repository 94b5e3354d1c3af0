//! The samples in `envoy/` are what `portcullis envoy render` writes, byte for byte.

use std::path::Path;

#[test]
fn samples_are_what_render_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy");
    let mut compared = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let read =
            |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let config = portcullis_envoy::Config::parse(&read("gateway.yaml")).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            portcullis_envoy::render(&config) == read("bootstrap.yaml"),
            "envoy/{name}/bootstrap.yaml is stale: portcullis envoy render --config envoy/{name}/gateway.yaml --output envoy/{name}/bootstrap.yaml"
        );
        assert!(read("README.md").contains("## What to expect"), "{name}");
        compared.push(name);
    }
    compared.sort();
    println!("compared: {compared:?}");
    assert_eq!(compared, ["egress-explicit", "egress-transparent", "gateway", "sidecar"]);
}
