//! `portcullis keys`: through the admin API of a running server, or on the data directory while none runs.

use super::client::{Client, Server, segment};
use super::output::{Format, table};
use crate::app::{ExistingPair, KeyRing, KeySummary, NewKey, SecretKey};
use crate::config::DEFAULT_DATA_DIR;
use crate::storage::SqliteStore;
use crate::tokens::{MasterKey, Tokens};
use serde::Deserialize;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;

const WHERE: &str = "\
With --url (or PORTCULLIS_URL) and an admin token the running server does it. Otherwise, or with --data-dir, it is done
on the data directory, which needs the server to be stopped: this is how the first tokens are made.";

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = WHERE)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
    /// How to print
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    server: Server,
    /// Work on this data directory [default without --url: portcullis-data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// The master key, if it is not in the data directory
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_MASTER_KEY_FILE", global = true)]
    master_key_file: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make one, and show its secret: here, and never again
    Create {
        /// `data` for a gate, `admin` for the admin API, `agent` for an agent that asks about its tool calls, `aws` for a
        /// virtual AWS key of an application
        #[arg(long)]
        kind: String,
        /// What to call it
        #[arg(long)]
        name: String,
        /// The principal that an `aws` key stands for [default: its name] or an `agent` token [default: the agent], or that an
        /// `admin` token belongs to: nobody approves calls of their own
        #[arg(long)]
        principal: Option<String>,
        /// The tenant of that principal
        #[arg(long)]
        tenant: Option<String>,
        /// The agent that an `agent` token is for: its id, such as Bedrock gives it
        #[arg(long, value_name = "ID")]
        agent: Option<String>,
        /// The tools that an `agent` token covers: globs, separated by commas
        #[arg(long, value_name = "GLOBS", value_delimiter = ',')]
        tools: Vec<String>,
        /// How long a token is good: 12h, 30d, never [default: 90d for `agent`, never for the others]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// Take over this access key pair instead of making one (kind `aws`)
        #[arg(long, value_name = "ID", requires = "secret_access_key")]
        access_key_id: Option<String>,
        /// Its secret; better from the environment than from the command line, which others can see
        #[arg(
            long,
            value_name = "SECRET",
            env = "PORTCULLIS_IMPORT_SECRET_ACCESS_KEY",
            hide_env_values = true
        )]
        secret_access_key: Option<String>,
    },
    /// List them, revoked ones included
    List,
    /// Revoke one: it is worth nothing from then on
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(Debug, Deserialize)]
struct KeyList {
    keys: Vec<KeySummary>,
}

/// Runs a command of `keys`.
///
/// # Errors
/// When neither server nor data directory does it.
pub fn run(args: Args) -> anyhow::Result<()> {
    let keys = args.place.open()?;
    let json = args.output == Format::Json;
    let mut out = stdout().lock();
    match args.command {
        Command::Create {
            kind,
            name,
            principal,
            tenant,
            agent,
            tools,
            expires,
            access_key_id,
            secret_access_key,
        } => {
            let existing = access_key_id.zip(secret_access_key);
            let existing = existing
                .map(|(access_key_id, secret_access_key)| ExistingPair { access_key_id, secret_access_key });
            let wish = NewKey { kind, name, principal, tenant, agent, tools, expires_in: expires, existing };
            let made = keys.create(wish)?;
            if json {
                writeln!(out, "{}", serde_json::to_string_pretty(&made)?)?;
            } else if let Some(token) = made.token {
                writeln!(out, "{token}")?;
                let until = made.expires_at_ms.map(crate::http::show_time);
                let until = until.map(|end| format!(" and is good until {end}")).unwrap_or_default();
                eprintln!("this is {} `{}`{until}; the token is not shown again", made.id, made.name);
            } else {
                let SecretKey { access_key_id, secret_access_key, .. } = made;
                writeln!(out, "AWS_ACCESS_KEY_ID={}", access_key_id.unwrap_or_default())?;
                writeln!(out, "AWS_SECRET_ACCESS_KEY={}", secret_access_key.unwrap_or_default())?;
                eprintln!("the secret is not shown again");
            }
        }
        Command::List => {
            let keys = keys.list()?;
            if json {
                writeln!(out, "{}", serde_json::to_string_pretty(&keys)?)?;
            } else {
                let rows: Vec<_> = keys.into_iter().map(row).collect();
                let header =
                    ["ID", "KIND", "NAME", "PRINCIPAL", "TENANT", "TOOLS", "CREATED", "EXPIRES", "REVOKED"];
                table(&mut out, &header, &rows)?;
            }
        }
        Command::Revoke { id } => {
            keys.revoke(&id)?;
            eprintln!("revoked {id}");
        }
    }
    Ok(())
}

/// Where keys are managed.
enum Keys {
    Remote(Client),
    Local(Box<(tokio::runtime::Runtime, KeyRing)>),
}

impl Place {
    fn open(&self) -> anyhow::Result<Keys> {
        if self.server.url.is_some() && self.data_dir.is_none() {
            return Ok(Keys::Remote(self.server.client()?));
        }
        let fallback = std::env::var_os("PORTCULLIS_DATA_DIR").map(PathBuf::from);
        let directory = self.data_dir.clone().or(fallback).unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let store = Arc::new(SqliteStore::open(super::store::options(&directory)?)?);
        let master = match (std::env::var("PORTCULLIS_MASTER_KEY"), &self.master_key_file) {
            (Ok(key), _) if !key.is_empty() => MasterKey::parse(&key, "PORTCULLIS_MASTER_KEY")?,
            (_, Some(file)) => {
                MasterKey::parse(&std::fs::read_to_string(file)?, &file.display().to_string())?
            }
            _ => MasterKey::load_or_create(&directory)?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ring = runtime.block_on(KeyRing::load(store, Tokens::default(), master))?;
        Ok(Keys::Local(Box::new((runtime, ring))))
    }
}

impl Keys {
    fn create(&self, wish: NewKey) -> anyhow::Result<SecretKey> {
        match self {
            Keys::Remote(client) => client.post("/v1/keys", &wish),
            Keys::Local(local) => Ok(local.0.block_on(local.1.create(wish, "cli"))?),
        }
    }

    fn list(&self) -> anyhow::Result<Vec<KeySummary>> {
        match self {
            Keys::Remote(client) => Ok(client.get::<KeyList>("/v1/keys", &[])?.keys),
            Keys::Local(local) => Ok(local.0.block_on(local.1.list())?),
        }
    }

    fn revoke(&self, id: &str) -> anyhow::Result<()> {
        match self {
            Keys::Remote(client) => client.delete(&format!("/v1/keys/{}", segment(id)?)),
            Keys::Local(local) => Ok(local.0.block_on(local.1.revoke(id, "cli"))?),
        }
    }
}

fn row(key: KeySummary) -> Vec<String> {
    vec![
        key.id,
        key.kind,
        key.name,
        key.principal.unwrap_or_default(),
        key.tenant.unwrap_or_default(),
        key.tools.join(","),
        crate::http::show_time(key.created_at_ms),
        key.expires_at_ms.map(crate::http::show_time).unwrap_or_default(),
        key.revoked_at_ms.map(crate::http::show_time).unwrap_or_default(),
    ]
}
