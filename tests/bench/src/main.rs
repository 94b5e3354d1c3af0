//! `cargo xtask bench`: what the gate costs, as ratios against plain Envoy and against Envoy with an external
//! authorisation service that decides nothing, all measured in the same run on the same machine.

mod cpu;
mod load;
mod memory;
mod phases;
mod policy;
mod reload;
mod report;
mod servers;
mod setup;
mod speed;
mod stream;
mod variants;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// What the gate costs.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure everything, print the table, write results.json.
    Run(RunOptions),
    /// What the gate costs a stream: throughput, first byte, a held tool call, memory.
    Stream(stream::Options),
    /// One policy decision beside Cedar's and veto's, text rules, compiling, limits.
    Policy(policy::Options),
    /// Swap the bundle under load: no call may fail, and the slowest in a hundred may take twice as long.
    Reload(reload::Options),
    /// Start everything, load the gate, and print process ids: for profilers.
    Hold {
        /// Connections.
        #[arg(long, default_value_t = 16)]
        connections: usize,
        /// Bytes of text in each body.
        #[arg(long, default_value_t = 560)]
        text: usize,
        /// Seconds.
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
        /// Rules in the bundle.
        #[arg(long, default_value_t = 100)]
        rules: usize,
        /// The control plane listens on a Unix socket.
        #[arg(long)]
        socket: bool,
    },
    /// One of the servers behind Envoy, in a process of its own.
    Serve {
        /// What it answers.
        role: servers::Role,
    },
}

/// What to measure.
#[derive(Debug, clap::Args)]
struct RunOptions {
    /// Rounds; in each, every variant is measured once, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that count, per measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rules in the bundle.
    #[arg(long, default_value_t = 100)]
    rules: usize,
    /// Bodies of 24 MiB in the memory case; 0 leaves it out.
    #[arg(long, default_value_t = 1000)]
    bodies: usize,
    /// The control plane listens on a Unix socket instead of a TCP port.
    #[arg(long)]
    socket: bool,
    /// Streams per measurement of streams; 0 leaves them out.
    #[arg(long, default_value_t = 60)]
    streams: usize,
    /// A minute of 200 streams at once, instead of eight seconds.
    #[arg(long)]
    long: bool,
    /// Where the results go.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Options::parse().command {
        Command::Serve { role } => runtime.block_on(servers::serve(role)),
        Command::Run(options) => run(&runtime, &options),
        Command::Reload(options) => reload::run(&runtime, &options),
        Command::Policy(options) => policy::run(&options),
        Command::Stream(options) => stream::run(&runtime, &options),
        Command::Hold { connections, text, seconds, rules, socket } => {
            let bench = setup::Bench::start(rules, socket)?;
            speed::hold(&runtime, &bench, connections, text, seconds)
        }
    }
}

fn run(runtime: &tokio::runtime::Runtime, options: &RunOptions) -> Result<()> {
    let bench = setup::Bench::start(options.rules, options.socket)?;
    let mut phases = Vec::new();
    let mut results = speed::run(runtime, &bench, options, &mut phases)?;
    phases.extend(phases::read(&bench)?);
    if options.bodies > 0 {
        results.push(memory::run(runtime, &bench, options.bodies)?);
    }
    // What follows has gates of its own.
    drop(bench);
    if options.streams > 0 {
        let (out, rules) = (options.out.clone(), options.rules);
        let streams = stream::Options {
            rounds: options.rounds,
            streams: options.streams,
            rules,
            long: options.long,
            out,
        };
        let (more, added) = stream::measure(runtime, &streams)?;
        results.extend(more);
        phases.extend(added);
    }
    report::write(&options.out, &results, &phases)
}
