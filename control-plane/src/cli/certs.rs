//! `portcullis certs`: the CA that applications trust, and the leaves that Envoy shows.

use crate::certs::{Directory, Plan, Written};
use anyhow::Context;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Where Debian, Ubuntu and Alpine keep the public authorities.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a CA and a certificate per region.
    Init(Init),
    /// Issue the certificates anew from the same CA; a running Envoy takes them up by itself.
    Renew(Renew),
}

#[derive(Debug, clap::Args)]
struct Init {
    /// Directory to make: ca.pem, ca.key, bundle.pem and leaves/.
    #[arg(long)]
    dir: PathBuf,
    /// Regions whose Bedrock hosts the gate stands for.
    #[arg(long, value_delimiter = ',', required = true)]
    regions: Vec<String>,
    /// Regions that the CA may issue for later, without a leaf now.
    #[arg(long, value_delimiter = ',')]
    also_allow_regions: Vec<String>,
    /// A further exact host name, such as that of a VPC endpoint (repeatable).
    #[arg(long = "extra-host", value_delimiter = ',')]
    extra_hosts: Vec<String>,
    /// A host name of the gateway entrance, if that is to speak TLS (repeatable).
    #[arg(long = "gateway-host", value_delimiter = ',')]
    gateway_hosts: Vec<String>,
    /// Days that the leaves are good for.
    #[arg(long, default_value_t = 397, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
    /// Days that the CA is good for.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=7300))]
    ca_days: u32,
    /// Where Envoy sees leaves/, if not here (a mounted secret).
    #[arg(long)]
    mount_path: Option<String>,
    /// Put the public CAs into bundle.pem too: AWS_CA_BUNDLE replaces the SDK's whole store.
    #[arg(long)]
    with_system_cas: bool,
    /// The file that --with-system-cas copies.
    #[arg(long, default_value = SYSTEM_CAS)]
    system_cas: PathBuf,
    /// Replace a CA that is there. Every application must then trust the new one.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct Renew {
    /// Directory that `certs init` made.
    #[arg(long)]
    dir: PathBuf,
    /// Change the regions, within what the CA may certify.
    #[arg(long, value_delimiter = ',')]
    regions: Option<Vec<String>>,
    /// Change how many days the leaves are good for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: Option<u32>,
}

/// Runs the command.
///
/// # Errors
/// What could not be made, and what to do about it.
pub fn run(args: Args) -> anyhow::Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    match args.command {
        Command::Init(init) => self::init(init, now),
        Command::Renew(renew) => self::renew(renew, now),
    }
}

fn init(args: Init, now: Duration) -> anyhow::Result<()> {
    let directory = Directory::new(&args.dir);
    let plan = Plan {
        regions: args.regions,
        also_allow_regions: args.also_allow_regions,
        extra_hosts: args.extra_hosts,
        gateway_hosts: args.gateway_hosts,
        mount_path: args.mount_path,
        days: args.days,
        ca_days: args.ca_days,
    };
    let system_cas = args.with_system_cas.then_some(args.system_cas.as_path());
    let written = directory.init(&plan, system_cas, args.force, now)?;
    report(&written);
    let show =
        |name: &str| std::path::absolute(directory.path(name)).unwrap_or_default().display().to_string();
    println!(
        "\nnext:\n  applications  AWS_CA_BUNDLE={bundle}   (Python SDK, CLI{only})\n                NODE_EXTRA_CA_CERTS={ca}   (JavaScript)\n                keytool -importcert -noprompt -alias portcullis -file {ca} -keystore …   (Java)\n  gateway.yaml  tls: {{dir: {leaves}}}\n  keep secret   {key}: whoever has it can pose as Bedrock to your applications\n  renew         portcullis certs renew --dir {dir}   before the leaves expire; Envoy need not restart",
        bundle = show("bundle.pem"),
        only = if args.with_system_cas {
            ""
        } else {
            "; add --with-system-cas if they call other https services, too"
        },
        ca = show("ca.pem"),
        leaves = show("leaves"),
        key = show("ca.key"),
        dir = args.dir.display(),
    );
    Ok(())
}

fn renew(args: Renew, now: Duration) -> anyhow::Result<()> {
    let change = |plan: &mut Plan| {
        if let Some(regions) = args.regions {
            plan.regions = regions;
        }
        if let Some(days) = args.days {
            plan.days = days;
        }
    };
    report(&Directory::new(&args.dir).renew(change, now)?);
    println!("a running Envoy that watches this directory uses them for the next connection");
    Ok(())
}

fn report(written: &Written) {
    for leaf in &written.leaves {
        println!("leaf {}: {} hosts, expires {}", leaf.name, leaf.hosts.len(), date(written.leaves_expire));
    }
    println!("CA expires {}", date(written.ca_expires));
}

fn date(since_epoch: Duration) -> String {
    i64::try_from(since_epoch.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(String::new, |time| time.strftime("%Y-%m-%d").to_string())
}
