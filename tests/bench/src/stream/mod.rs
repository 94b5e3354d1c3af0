//! `gate-bench stream`: what the gate costs a stream, beside plain Envoy in the same run: with nothing to ask about
//! (unguarded), and with a rule on tool calls (guarded).

mod client;
mod memory;
pub(crate) mod upstream;

use crate::report::{self, Outcome, median};
use crate::setup::Bench;
use crate::variants::Variant;
use anyhow::{Context, Result};
use client::{Call, Streamed};
use std::collections::BTreeMap;
use upstream::Order;

/// Frames of the streams that throughput is measured with.
const FRAMES: usize = 2_000;

/// Rules that make the gate ask about tool calls; the benchmark's call is allowed by them.
const GUARD: &str = "version: \"1.0\"\nname: Tools\nrules:\n- id: limit\n  action: block\n  tools: [transfer_funds]\n  conditions:\n  - {field: arguments.amount, operator: greater_than, value: 5000}\n";

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Rounds; in each, every variant is measured once, in turn.
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Streams per measurement.
    #[arg(long, default_value_t = 60)]
    pub(crate) streams: usize,
    /// Rules in the bundle, besides the one on tool calls.
    #[arg(long, default_value_t = 100)]
    pub(crate) rules: usize,
    /// A minute of 200 streams at once, instead of eight seconds.
    #[arg(long)]
    pub(crate) long: bool,
    /// Where the results go.
    #[arg(long, default_value = "target/bench/stream")]
    pub(crate) out: std::path::PathBuf,
}

/// Who stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Plain,
    Unguarded,
    Guarded,
}

impl Way {
    const ALL: [Way; 3] = [Way::Plain, Way::Unguarded, Way::Guarded];

    const fn name(self) -> &'static str {
        match self {
            Way::Plain => "plain Envoy",
            Way::Unguarded => "gate, unguarded",
            Way::Guarded => "gate, guarded",
        }
    }
}

/// Two gates, with and without a rule on tool calls.
struct Both {
    open: Bench,
    guarded: Bench,
}

impl Both {
    fn call(&self, way: Way, order: Order) -> Result<Call> {
        let (bench, variant) = match way {
            Way::Plain => (&self.open, Variant::Plain),
            Way::Unguarded => (&self.open, Variant::Gate),
            Way::Guarded => (&self.guarded, Variant::Gate),
        };
        Ok(Call::new(bench.envoy(variant)?.transparent, &bench.tls, order))
    }
}

/// Measures, prints and writes.
///
/// # Errors
/// A stream did not come whole.
pub(crate) fn run(runtime: &tokio::runtime::Runtime, options: &Options) -> Result<()> {
    let (results, phases) = measure(runtime, options)?;
    report::write(&options.out, &results, &phases)
}

/// Comparisons, and single numbers with their names.
type Results = (Vec<Outcome>, Vec<(String, f64)>);

/// The same without printing: for a run that measures more.
///
/// # Errors
/// As [`run`].
pub(crate) fn measure(runtime: &tokio::runtime::Runtime, options: &Options) -> Result<Results> {
    let both = Both {
        open: Bench::start_with(options.rules, false, "streams", &[])?,
        guarded: Bench::start_with(options.rules, false, "streams", &[("rules/tools.yaml", GUARD)])?,
    };
    let mut results = Vec::new();
    let mut extra = Vec::new();
    for (case, connections, order) in [
        ("2,000 frames, a write each, 1 conn.", 1, Order { frames: FRAMES, flush: true, ..Order::default() }),
        (
            "2,000 frames, a write each, 16 conn.",
            16,
            Order { frames: FRAMES, flush: true, ..Order::default() },
        ),
        ("2,000 frames at once, 1 conn.", 1, Order { frames: FRAMES, ..Order::default() }),
    ] {
        let measured = turns(runtime, options, &both, case, connections, order)?;
        throughput(&mut results, &mut extra, case, &measured);
    }
    let first = Order { frames: 3, first: true, ..Order::default() };
    let measured = turns(runtime, options, &both, "first byte", 1, first)?;
    delay(&mut results, "first byte, upstream to client, 1 conn.", &measured, |one| one.first_us);
    let tool = Order { frames: 20, tool: true, flush: true, ..Order::default() };
    let before = both.guarded.questions()?;
    let measured = turns(runtime, options, &both, "tool call", 1, tool)?;
    delay(&mut results, "end of a tool call, upstream to client, 1 conn.", &measured, |one| one.tool_us);
    let asked = both.guarded.questions()? - before;
    let streams = measured.get(&Way::Guarded).into_iter().flatten().map(Vec::len).sum::<usize>();
    // The warm-up of each measurement asks, too.
    let streams = streams + client::WARM_UP * options.rounds;
    let name = "callouts per guarded stream with one tool call: decision, tool call, batch of outcomes";
    extra.push((name.to_owned(), asked / streams as f64));
    memory::run(runtime, &both.guarded, options.long, &mut results)?;
    Ok((results, extra))
}

/// A number of a stream.
type Pick = fn(&Streamed) -> f64;

type Measured = BTreeMap<Way, Vec<Vec<Streamed>>>;

/// Every way in turn, round after round.
fn turns(
    runtime: &tokio::runtime::Runtime,
    options: &Options,
    both: &Both,
    case: &str,
    connections: usize,
    order: Order,
) -> Result<Measured> {
    let mut measured = Measured::new();
    for round in 1..=options.rounds {
        for way in Way::ALL {
            let call = both.call(way, order)?;
            let each = options.streams.div_ceil(connections);
            let one = runtime
                .block_on(client::run(&call, connections, each))
                .with_context(|| format!("{} {case}", way.name()))?;
            let p50 = median(&one.iter().map(|one| one.seconds * 1e3).collect::<Vec<_>>());
            eprintln!("  {case} round {round}/{}: {:16} p50 {p50:.3} ms", options.rounds, way.name());
            measured.entry(way).or_default().push(one);
        }
    }
    Ok(measured)
}

/// A number for each round of a way.
fn rounds(measured: &Measured, way: Way, of: impl Fn(&[Streamed]) -> f64) -> Vec<f64> {
    measured.get(&way).into_iter().flatten().map(|round| of(round)).collect()
}

/// With the decision before the first byte, and without it.
fn throughput(results: &mut Vec<Outcome>, extra: &mut Vec<(String, f64)>, case: &str, measured: &Measured) {
    let parts: [(&str, Pick); 2] =
        [("whole exchange", |one| one.seconds), ("from the first byte", |one| one.body_seconds)];
    for (part, pick) in parts {
        let seconds = |round: &[Streamed]| median(&round.iter().map(pick).collect::<Vec<_>>());
        let per_second = |round: &[Streamed]| FRAMES as f64 / seconds(round);
        let plain = rounds(measured, Way::Plain, per_second);
        let plain_seconds = rounds(measured, Way::Plain, seconds);
        for way in [Way::Unguarded, Way::Guarded] {
            let of = rounds(measured, way, per_second);
            let case = format!("{case}, {part}: {}", way.name());
            results.push(Outcome::compare(&case, Way::Plain.name(), "frames_per_second", &of, &plain));
            let added: Vec<f64> = rounds(measured, way, seconds)
                .iter()
                .zip(&plain_seconds)
                .map(|(gate, plain)| (gate - plain) * 1e6 / FRAMES as f64)
                .collect();
            extra.push((format!("added per frame, {case}"), median(&added)));
        }
    }
}

fn delay(results: &mut Vec<Outcome>, case: &str, measured: &Measured, of: Pick) {
    let p50 = |round: &[Streamed]| median(&round.iter().map(of).collect::<Vec<_>>());
    let plain = rounds(measured, Way::Plain, p50);
    for way in [Way::Unguarded, Way::Guarded] {
        let case = format!("{case}: {}", way.name());
        results.push(Outcome::compare(
            &case,
            Way::Plain.name(),
            "p50_us",
            &rounds(measured, way, p50),
            &plain,
        ));
    }
}
