//! `portcullis limits`: what is used of the limits, from a running server.

use super::client::{Client, Server};
use super::output::{Format, table};
use crate::app::LimitUse;
use crate::http::LimitsPage;
use std::io::{Write, stdout};
use std::time::Duration;

const LIST: &str = "\
USED includes what is reserved for calls that are still going on. RESETS is when nothing of it counts any more if nothing
else comes; room comes back before that, slice by slice.

Exit codes: 0 printed; 1 the server cannot be reached or refuses.

Examples:
  portcullis limits list
  portcullis limits list --limit team-tokens --watch
  portcullis limits list --principal billing --output json";

/// Commands of `limits`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List limits and who uses how much of them, the fullest first
    List(ListArgs),
}

/// Arguments of `limits list`.
#[derive(Debug, clap::Args)]
#[command(after_help = LIST)]
pub(super) struct ListArgs {
    #[command(flatten)]
    server: Server,
    /// This limit only
    #[arg(long, value_name = "ID")]
    limit: Option<String>,
    /// This key only, such as `principal.name=billing`
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// This principal only, of limits that count by `principal.name`
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Print at most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max: u32,
    /// Print again every few seconds, until interrupted
    #[arg(long)]
    watch: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs a command of `limits`.
///
/// # Errors
/// When the server does not answer it.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    let Command::List(args) = command;
    let client = args.server.client()?;
    loop {
        let page = fetch(&client, &args)?;
        print(&args, &page)?;
        if !args.watch {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}

fn fetch(client: &Client, args: &ListArgs) -> anyhow::Result<LimitsPage> {
    let max = usize::try_from(args.max).unwrap_or(usize::MAX);
    let mut query = Vec::new();
    for (name, value) in [("limit", &args.limit), ("key", &args.key), ("principal", &args.principal)] {
        query.extend(value.clone().map(|value| (name, value)));
    }
    query.push(("page_size", max.min(1_000).to_string()));
    let mut all: LimitsPage = client.get("/v1/limits", &query)?;
    while let Some(next) = all.next.clone().filter(|_| all.limits.len() < max) {
        let mut query = query.clone();
        query.push(("cursor", next));
        let page: LimitsPage = client.get("/v1/limits", &query)?;
        all.limits.extend(page.limits);
        all.next = page.next;
    }
    all.limits.truncate(max);
    Ok(all)
}

fn print(args: &ListArgs, page: &LimitsPage) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if args.output == Format::Json {
        let json =
            if args.watch { serde_json::to_string(page)? } else { serde_json::to_string_pretty(page)? };
        writeln!(out, "{json}")?;
        return Ok(out.flush()?);
    }
    if args.watch {
        // Home, and clear below: nothing flickers.
        write!(out, "\u{1b}[H\u{1b}[J")?;
    }
    let rows: Vec<_> = page.limits.iter().map(row).collect();
    let heading = ["LIMIT", "KEY", "USE", "USED", "RESERVED", "MAX", "WINDOW", "OVER IT", "RESETS"];
    table(&mut out, &heading, &rows)?;
    let shown = u64::try_from(page.limits.len()).unwrap_or(u64::MAX);
    if shown < page.total {
        writeln!(out, "{} more; see --max", page.total - shown)?;
    } else if page.total == 0 {
        writeln!(out, "the active bundle has no such limits, and nothing is used")?;
    }
    Ok(out.flush()?)
}

fn row(one: &LimitUse) -> Vec<String> {
    let amount = |nanos: u64, money: Option<&String>| money.cloned().unwrap_or_else(|| nanos.to_string());
    let cost = one.cost.as_ref();
    let unit = match (cost, &one.measure) {
        (Some(cost), _) => cost.currency.clone(),
        (None, measure) => measure.clone().unwrap_or_else(|| "(not in the bundle)".to_owned()),
    };
    let over = match (&one.action, one.shadow) {
        (Some(action), true) => format!("{action} (shadow)"),
        (action, _) => action.clone().unwrap_or_default(),
    };
    vec![
        one.limit.clone(),
        one.key.clone(),
        bar(one.fill_percent),
        amount(one.used, cost.map(|cost| &cost.used)),
        amount(one.reserved, cost.map(|cost| &cost.reserved)),
        format!("{} {unit}", amount(one.max, cost.map(|cost| &cost.max))),
        window(one.window_ms),
        over,
        one.resets_at_ms.map(crate::http::show_time).unwrap_or_default(),
    ]
}

/// `[######....]  60.0 %`
fn bar(percent: f64) -> String {
    const WIDTH: usize = 10;
    let filled =
        (1..=WIDTH).filter(|tenth| percent >= 10.0 * f64::from(u32::try_from(*tenth).unwrap_or(0))).count();
    format!("[{}{}] {percent:>5.1} %", "#".repeat(filled), ".".repeat(WIDTH - filled))
}

/// As bundles write it: `24h`.
fn window(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let whole = units.iter().find(|(_, length)| ms >= *length && ms.is_multiple_of(*length));
    whole.map_or_else(|| format!("{ms}ms"), |(unit, length)| format!("{}{unit}", ms / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_windows() {
        for (percent, text) in [
            (0.0, "[..........]   0.0 %"),
            (9.99, "[..........]  10.0 %"),
            (60.0, "[######....]  60.0 %"),
            (100.0, "[##########] 100.0 %"),
            (240.0, "[##########] 240.0 %"),
        ] {
            assert_eq!(bar(percent), text);
        }
        for (ms, text) in
            [(60_000, "1m"), (86_400_000, "1d"), (172_800_000, "2d"), (5_400_000, "90m"), (1, "1ms")]
        {
            assert_eq!(window(ms), text);
        }
    }
}
