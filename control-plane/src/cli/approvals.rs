//! `portcullis approvals`: answering calls that wait for a person.

use super::client::{Client, Refused, Server, segment};
use super::output::{Format, printable, printable_json, table};
use crate::app::NewGrant;
use crate::http::{ApprovalView, ApprovalsPage, GrantList, GrantView};
use serde::Serialize;
use std::io::{Write, stdout};
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the server cannot be reached, or cannot do it now
  2  the command line is wrong
  3  there is no such approval or grant
  4  too late: it is decided, expired, consumed or revoked already; the message says by whom
  5  you may not answer it: you make the call yourself, or are none of its approvers

Examples:
  portcullis approvals list --follow
  portcullis approvals approve apr_0f3c… --why 'ticket 4711'
  portcullis approvals grant --rule approve-large --principal billing --uses 20 --ttl 8h --why 'month end'

You are who your admin token says: `portcullis keys create --kind admin --name alice-laptop --principal alice`.
Documentation: docs/approvals.md";

/// Arguments of `approvals`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// How to print; JSON of a list is one object per line
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List approvals, newest first
    List(List),
    /// Show one, with everything that is known of its call
    Show {
        #[command(flatten)]
        server: Server,
        /// Its id, such as apr_0f3c…
        id: String,
    },
    /// Say yes: the same call may be made once
    Approve(Answer),
    /// Say no: the same call is refused until the approval would have expired
    Deny(Answer),
    /// Say yes in advance, to a number of calls of one principal that one rule asks about
    Grant(Grant),
    /// List grants, newest first
    Grants {
        #[command(flatten)]
        server: Server,
    },
    /// Take a grant back
    Revoke {
        #[command(flatten)]
        server: Server,
        /// Its id, such as grt_0f3c…
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    server: Server,
    /// pending, approved, denied, expired, consumed, or `all`
    #[arg(long, default_value = "pending")]
    state: String,
    /// Principal of the calls, exact
    #[arg(long)]
    principal: Option<String>,
    /// The rule that asks, exact
    #[arg(long)]
    rule: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// When there is none, wait for one
    #[arg(long)]
    wait: bool,
    /// Show what is there, and then what is asked from now on, until interrupted
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, clap::Args)]
struct Answer {
    #[command(flatten)]
    server: Server,
    /// The approval, such as apr_0f3c…
    id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

#[derive(Debug, clap::Args)]
struct Grant {
    #[command(flatten)]
    server: Server,
    /// The rule whose questions are answered in advance
    #[arg(long)]
    rule: String,
    /// Whose calls
    #[arg(long)]
    principal: String,
    /// How many calls
    #[arg(long, default_value_t = 1)]
    uses: u64,
    /// For how long, such as 30m, 8h, 7d
    #[arg(long)]
    ttl: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    why: String,
}

/// Runs a command of `approvals`, and gives its exit code.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    match execute(args.command, args.output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.downcast_ref::<Refused>().map_or(1, |Refused(problem)| match problem.status {
                404 => 3,
                409 => 4,
                403 if problem.code.starts_with("approval_") => 5,
                _ => 1,
            });
            super::failed(&error, code)
        }
    }
}

fn execute(command: Command, output: Format) -> anyhow::Result<()> {
    match command {
        Command::List(args) => list(&args, output),
        Command::Show { server, id } => {
            let found: ApprovalView =
                server.client()?.get(&format!("/v1/approvals/{}", segment(&id)?), &[])?;
            match output {
                Format::Json => print_json(&found),
                Format::Table => show(&found),
            }
        }
        Command::Approve(args) => answer(&args, "approve", output),
        Command::Deny(args) => answer(&args, "deny", output),
        Command::Grant(args) => {
            let Grant { server, rule, principal, uses, ttl, why } = args;
            let made: GrantView =
                server.client()?.post("/v1/grants", &NewGrant { rule, principal, uses, ttl, why })?;
            print_grants(vec![made], output)
        }
        Command::Grants { server } => {
            print_grants(server.client()?.get::<GrantList>("/v1/grants", &[])?.grants, output)
        }
        Command::Revoke { server, id } => {
            server.client()?.delete(&format!("/v1/grants/{}", segment(&id)?))?;
            eprintln!("revoked {id}");
            Ok(())
        }
    }
}

fn answer(args: &Answer, verb: &str, output: Format) -> anyhow::Result<()> {
    let path = format!("/v1/approvals/{}/{verb}", segment(&args.id)?);
    let after: ApprovalView = args.server.client()?.post(&path, &serde_json::json!({ "why": args.why }))?;
    if output == Format::Json {
        return print_json(&after);
    }
    let approval = &after.approval;
    let until = after.valid_until.map(|until| format!("; the call may be made once, until {until}"));
    let line = format!(
        "{} {}: {} of `{}`{}",
        approval.state,
        approval.id,
        approval.call.operation,
        approval.call.principal,
        until.unwrap_or_default()
    );
    writeln!(stdout(), "{}", printable(&line))?;
    Ok(())
}

fn list(args: &List, output: Format) -> anyhow::Result<()> {
    let client = args.server.client()?;
    let mut filter = Vec::new();
    if args.state != "all" {
        filter.push(("state", args.state.clone()));
    }
    for (key, value) in [("principal", &args.principal), ("rule", &args.rule)] {
        filter.extend(value.clone().map(|value| (key, value)));
    }
    let (mut found, mut follow) = newest(&client, &filter, args.limit)?;
    let waits = args.follow || (args.wait && found.is_empty());
    if !waits {
        return print(&found, output);
    }
    found.reverse();
    let mut shown = 0;
    loop {
        for approval in &found {
            print_line(approval, output)?;
        }
        shown += found.len();
        if shown > 0 && !args.follow {
            return Ok(());
        }
        let mut query = filter.clone();
        query.extend([("order", "asc".to_owned()), ("wait", "20".to_owned()), ("cursor", follow)]);
        let page: ApprovalsPage = client.get("/v1/approvals", &query)?;
        (found, follow) = (page.approvals, page.follow);
    }
}

/// The newest approvals, and where to go on.
fn newest(
    client: &Client,
    filter: &[(&'static str, String)],
    limit: usize,
) -> anyhow::Result<(Vec<ApprovalView>, String)> {
    let (mut found, mut cursor, mut follow) = (Vec::new(), None::<String>, None);
    loop {
        let mut query = filter.to_vec();
        query.push(("limit", limit.saturating_sub(found.len()).clamp(1, 1_000).to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page: ApprovalsPage = client.get("/v1/approvals", &query)?;
        found.extend(page.approvals);
        let follow = follow.get_or_insert(page.follow);
        cursor = page.next;
        if cursor.is_none() || found.len() >= limit {
            found.truncate(limit);
            return Ok((found, std::mem::take(follow)));
        }
    }
}

const HEADING: [&str; 9] =
    ["ID", "STATE", "CREATED", "EXPIRES", "PRINCIPAL", "OPERATION", "MODEL", "RULE", "MESSAGE"];

fn row(view: &ApprovalView) -> Vec<String> {
    let approval = &view.approval;
    let call = &approval.call;
    vec![
        approval.id.clone(),
        approval.state.to_string(),
        view.created.clone(),
        view.valid_until.as_ref().unwrap_or(&view.expires).clone(),
        call.principal.clone(),
        call.operation.clone(),
        call.models.first().or(call.agent.as_ref()).cloned().unwrap_or_default(),
        approval.rule.clone(),
        approval.message.clone().unwrap_or_default(),
    ]
}

fn print(found: &[ApprovalView], output: Format) -> anyhow::Result<()> {
    match output {
        Format::Json => found.iter().try_for_each(|approval| print_line(approval, output)),
        Format::Table => {
            Ok(table(&mut stdout().lock(), &HEADING, &found.iter().map(row).collect::<Vec<_>>())?)
        }
    }
}

/// One approval on one line; the columns of a stream cannot know what is coming.
fn print_line(approval: &ApprovalView, output: Format) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string(approval)?))?,
        Format::Table => writeln!(out, "{}", printable(&row(approval).join("  ")))?,
    }
    Ok(out.flush()?)
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    writeln!(stdout(), "{}", printable_json(&serde_json::to_string_pretty(value)?))?;
    Ok(())
}

fn print_grants(grants: Vec<GrantView>, output: Format) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if output == Format::Json {
        for grant in &grants {
            writeln!(out, "{}", printable_json(&serde_json::to_string(grant)?))?;
        }
        return Ok(());
    }
    let heading = ["ID", "STATE", "LEFT", "OF", "RULE", "PRINCIPAL", "CREATED", "EXPIRES", "BY", "WHY"];
    let row = |view: GrantView| {
        let grant = view.grant;
        let state = format!("{:?}", view.state).to_lowercase();
        let (left, uses) = (grant.left.to_string(), grant.uses.to_string());
        vec![
            grant.id,
            state,
            left,
            uses,
            grant.rule,
            grant.principal,
            view.created,
            view.expires,
            grant.by,
            grant.why,
        ]
    };
    Ok(table(&mut out, &heading, &grants.into_iter().map(row).collect::<Vec<_>>())?)
}

/// Everything that helps to say yes or no.
fn show(view: &ApprovalView) -> anyhow::Result<()> {
    let approval = &view.approval;
    let (call, context) = (&approval.call, &approval.context);
    let list = |items: &[String]| items.join(", ");
    let map = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let max_tokens = call.max_tokens.map(|n| n.to_string()).unwrap_or_default();
    let tool = call.tool.as_ref().map(|tool| format!("{} {}", tool.name, tool.arguments)).unwrap_or_default();
    let lines = [
        ("approval", approval.id.clone()),
        ("state", approval.state.to_string()),
        ("rule", approval.rule.clone()),
        ("message", text(&approval.message)),
        ("created", view.created.clone()),
        ("expires", view.expires.clone()),
        ("valid until", text(&view.valid_until)),
        ("principal", format!("{} ({})", call.principal, context.assurance)),
        ("tenant", text(&context.tenant)),
        ("operation", format!("{} ({})", call.operation, call.action)),
        ("models", list(&call.models)),
        ("agent", [text(&call.agent), text(&call.agent_alias)].join(" ").trim().to_owned()),
        ("session", text(&call.session)),
        ("knowledge bases", list(&call.knowledge_bases)),
        ("tool", tool),
        ("endpoint", [call.service.as_str(), &call.region, &call.host].join(" ").trim().to_owned()),
        ("request", format!("{} {}", call.method, call.path)),
        (
            "body",
            match &call.body_sha256 {
                Some(sha256) => format!("{} bytes, sha256 {sha256}", call.bytes),
                None => "not seen: a yes is for whatever is sent".to_owned(),
            },
        ),
        ("max tokens", max_tokens),
        ("tools offered", list(&call.tools)),
        ("guardrail", [text(&call.guardrail), text(&call.guardrail_version)].join(" ").trim().to_owned()),
        ("metadata", map(&call.metadata)),
        ("attributes", map(&call.session_attributes)),
        ("s3", list(&call.s3_uris)),
        ("source", text(&context.source)),
        ("user agent", text(&context.user_agent)),
        ("bundle", format!("{} {}", context.bundle, context.bundle_version).trim().to_owned()),
        ("approvers", if approval.approvers.is_empty() { "*".to_owned() } else { list(&approval.approvers) }),
        ("digest", approval.digest.clone()),
    ];
    let mut out = stdout().lock();
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<16} {}", printable(value))?;
    }
    for change in &approval.history {
        let why = if change.why.is_empty() { String::new() } else { format!(": {}", change.why) };
        let line = format!("{} {} by {}{why}", crate::http::show_time(change.at_ms), change.to, change.by);
        writeln!(out, "  {}", printable(&line))?;
    }
    Ok(())
}
