//! Turns `data/*.tsv` into the static operation table, so that adding a service is a data change.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

type Failure = Box<dyn Error>;
type Row = Vec<String>;

/// One line of the table before it is printed.
struct Entry {
    service: String,
    name: String,
    method: String,
    uri: String,
    action: String,
    plan: String,
    shape: String,
    kind: String,
    stream: String,
}

fn main() -> Result<(), Failure> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=data");
    let services = read("services", 5)?;
    let mut entries = modelled(&services)?;
    for table in ["compatible", "providers"] {
        for row in read(table, 8)? {
            let [service, name, method, uri, action, plan, shape, kind] = fields(row)?;
            entries.push(Entry { service, name, method, uri, action, plan, shape, kind, stream: "-".into() });
        }
    }
    // The most specific first: where a literal and a label could take the same segment, the literal is tried first.
    entries.sort_by_key(|e| {
        let specific: Vec<(bool, String)> =
            segments(&e.uri).map(|s| (s.starts_with('{'), s.to_owned())).collect();
        (e.service.clone(), e.method.clone(), specific.len(), specific, e.name.clone())
    });
    let out = Path::new(&env::var("OUT_DIR")?).join("operations.rs");
    fs::write(out, print(&services, &entries)?)?;
    Ok(())
}

/// The rows of `operations.tsv` with `overrides.tsv` and the defaults applied.
fn modelled(services: &[Row]) -> Result<Vec<Entry>, Failure> {
    let mut iam = BTreeMap::new();
    for row in services {
        let [service, prefix, ..] = fields::<5>(row.clone())?;
        iam.insert(service, prefix);
    }
    let mut overrides = BTreeMap::new();
    for row in read("overrides", 5)? {
        let [service, name, action, plan, kind] = fields(row)?;
        overrides.insert((service, name), [action, plan, kind]);
    }
    let mut entries = Vec::new();
    for row in read("operations", 6)? {
        let [service, name, method, uri, body, stream] = fields(row)?;
        let prefix = iam.get(&service).ok_or_else(|| format!("services.tsv lacks `{service}`"))?;
        let [action, plan, kind] = overrides
            .remove(&(service.clone(), name.clone()))
            .unwrap_or_else(|| ["-", "-", "-"].map(String::from));
        let plan = match (plan.as_str(), body.as_str()) {
            ("-", "none") => "Opaque".to_owned(),
            ("-", "optional") => "Json:Generic".to_owned(),
            ("-", "required") => "RequiredJson:Generic".to_owned(),
            ("-", other) => {
                return Err(
                    format!("`{service}` `{name}`: a body `{other}` needs a plan in overrides.tsv").into()
                );
            }
            (plan, _) => plan.to_owned(),
        };
        let action = if action == "-" { format!("{prefix}:{name}") } else { action };
        let kind = if kind == "-" { "other".to_owned() } else { kind };
        entries.push(Entry { service, name, method, uri, action, plan, shape: "Aws".into(), kind, stream });
    }
    match overrides.keys().next() {
        Some((service, name)) => {
            Err(format!("overrides.tsv names `{service}` `{name}`, which operations.tsv lacks").into())
        }
        None => Ok(entries),
    }
}

fn print(services: &[Row], entries: &[Entry]) -> Result<String, Failure> {
    let mut out = String::from(
        "/// Every operation, by service, method and number of segments, the most specific first.\n",
    );
    writeln!(out, "pub static OPERATIONS: &[Operation] = &[")?;
    for e in entries {
        let segments: Vec<String> = segments(&e.uri)
            .map(|s| match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(label) => format!("Segment::Label({label:?})"),
                None => format!("Segment::Literal({s:?})"),
            })
            .collect();
        let kind = match e.kind.as_str() {
            "model_invoked" => "ModelInvoked",
            "agent_invoked" => "AgentInvoked",
            "other" => "Other",
            other => return Err(format!("unknown action type `{other}`").into()),
        };
        let plan = match e.plan.split_once(':') {
            Some((plan, payload)) => format!("BodyPlan::{plan}(PayloadKind::{payload})"),
            None => format!("BodyPlan::{}", e.plan),
        };
        writeln!(
            out,
            "Operation {{ service: {:?}, name: {:?}, method: {:?}, uri: {:?}, iam_action: {:?}, input_stream: {}, \
             output_stream: {}, body: {plan}, shape: ApiShape::{}, kind: ActionKind::{kind}, segments: &[{}] }},",
            e.service,
            e.name,
            e.method,
            e.uri,
            e.action,
            matches!(e.stream.as_str(), "in" | "both"),
            matches!(e.stream.as_str(), "out" | "both"),
            e.shape,
            segments.join(", "),
        )?;
    }
    writeln!(out, "];\n/// Every service.\npub(crate) static SERVICES: &[Service] = &[")?;
    for row in services {
        let [name, _, signing, target, host] = fields(row.clone())?;
        let signing: Vec<&str> = signing.split(',').filter(|name| *name != "-").collect();
        let target = if target == "-" { "None".to_owned() } else { format!("Some({target:?})") };
        let host = match host.as_str() {
            "standard" => "Standard",
            "dual" => "DualStackOnly",
            "gateway" => "Gateway",
            "provider" => "Provider",
            other => return Err(format!("unknown host form `{other}`").into()),
        };
        writeln!(
            out,
            "Service {{ name: {name:?}, signing: &{signing:?}, target_prefix: {target}, host: HostForm::{host}, routes: &["
        )?;
        routes(&mut out, &name, entries)?;
        writeln!(out, "] }},")?;
    }
    writeln!(out, "];")?;
    Ok(out)
}

/// Prints, per method and number of segments, the slice of `OPERATIONS` to look in.
fn routes(out: &mut String, service: &str, entries: &[Entry]) -> Result<(), Failure> {
    let mut slices: BTreeMap<(&str, usize), (usize, usize)> = BTreeMap::new();
    for (at, e) in entries.iter().enumerate().filter(|(_, e)| e.service == service) {
        let slice = slices.entry((&e.method, segments(&e.uri).count())).or_insert((at, at));
        slice.1 = at + 1;
    }
    for ((method, count), (start, end)) in slices {
        writeln!(out, "Route {{ method: {method:?}, segments: {count}, start: {start}, end: {end} }},")?;
    }
    Ok(())
}

/// The segments of a template. A trailing slash makes none: see `operation::find`.
fn segments(uri: &str) -> impl Iterator<Item = &str> {
    uri.split('/').filter(|s| !s.is_empty())
}

fn read(table: &str, columns: usize) -> Result<Vec<Row>, Failure> {
    let path = format!("data/{table}.tsv");
    let text = fs::read_to_string(&path)?;
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let row: Row = line.split('\t').map(String::from).collect();
        if row.len() != columns {
            return Err(format!("{path}:{}: {} columns, not {columns}", at + 1, row.len()).into());
        }
        rows.push(row);
    }
    Ok(rows)
}

fn fields<const N: usize>(row: Row) -> Result<[String; N], Failure> {
    row.try_into().map_err(|row: Row| format!("not {N} columns: {row:?}").into())
}
