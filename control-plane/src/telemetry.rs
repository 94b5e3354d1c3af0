//! What is measured. Handles are made once; on the path of a call a measurement is an atomic operation or two.

use crate::export::ExportView;
use crate::retention::LastPass;
use metrics::{Counter, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use portcullis_audit::{DecisionKind, OutcomeState};
use portcullis_policy::LimitSpec;
use portcullis_protocol::Verdict;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bounds of the histograms, seconds: from what parsing takes to what a gate waits at most.
const BUCKETS: [f64; 16] = [
    0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.02,
    0.1, 0.5, 2.0, 5.0,
];

/// Limits that have a gauge of their own.
const MAX_LIMITS: usize = 500;

/// A part of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bytes to question.
    Parse,
    /// Who calls, and taking the question apart.
    Identity,
    /// The bundle's verdict.
    Policy,
    /// Until the record is durable.
    Commit,
    /// From the complete request to the answer.
    Total,
}

/// A part of an inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InspectionPhase {
    /// Reading the record of the call.
    Recall,
    /// The bundle's verdict.
    Policy,
    /// Until the record is durable.
    Commit,
    /// From the complete question to the answer.
    Total,
}

/// See the module's description. Every instance has a registry of its own, so that tests do not share one.
pub struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    phases: [Histogram; 5],
    inspections: [Histogram; 4],
    verdicts: [Counter; 6],
    unaudited: Counter,
    lost: Counter,
    orphans: Counter,
    /// Limits that have a gauge: one that is gone shows 0.
    limits: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry::new()
    }
}

impl Telemetry {
    /// Makes the registry and describes the metrics.
    #[must_use]
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        let matcher = Matcher::Suffix("_seconds".to_owned());
        // Fails only for an empty list of bounds.
        let builder = builder.set_buckets_for_metric(matcher, &BUCKETS).unwrap_or_default();
        let recorder = Arc::new(builder.build_recorder());
        describe(&*recorder);
        let phases = ["parse", "identity", "policy", "commit", "total"];
        let of_inspections = ["recall", "policy", "commit", "total"];
        let verdicts = ["allow", "deny", "throttle", "pending_approval", "hold", "need_text"];
        Telemetry {
            handle: recorder.handle(),
            phases: phases.map(|phase| histogram(&*recorder, "portcullis_decision_seconds", "phase", phase)),
            inspections: of_inspections
                .map(|phase| histogram(&*recorder, "portcullis_inspection_seconds", "phase", phase)),
            verdicts: verdicts
                .map(|verdict| counter(&*recorder, "portcullis_decisions_total", &[("verdict", verdict)])),
            unaudited: counter(&*recorder, "portcullis_unaudited_calls_total", &[]),
            lost: counter(&*recorder, "portcullis_outcomes_lost_total", &[]),
            orphans: counter(&*recorder, "portcullis_outcomes_total", &[("state", "unknown")]),
            limits: Mutex::default(),
            recorder,
        }
    }

    /// Makes this registry the process's: metrics of libraries and other modules land in it as well.
    pub fn install(&self) {
        let _ = metrics::set_global_recorder(Arc::clone(&self.recorder));
    }

    /// A part of a decision took so long.
    pub fn phase(&self, phase: Phase, took: Duration) {
        let [parse, identity, policy, commit, total] = &self.phases;
        let histogram = match phase {
            Phase::Parse => parse,
            Phase::Identity => identity,
            Phase::Policy => policy,
            Phase::Commit => commit,
            Phase::Total => total,
        };
        histogram.record(took.as_secs_f64());
    }

    /// A part of an inspection took so long.
    pub fn inspection_phase(&self, phase: InspectionPhase, took: Duration) {
        let [recall, policy, commit, total] = &self.inspections;
        let histogram = match phase {
            InspectionPhase::Recall => recall,
            InspectionPhase::Policy => policy,
            InspectionPhase::Commit => commit,
            InspectionPhase::Total => total,
        };
        histogram.record(took.as_secs_f64());
    }

    /// A part of a decision on this kind of thing took so long.
    pub fn decision_phase(&self, kind: DecisionKind, phase: Phase, took: Duration) {
        match (kind, phase) {
            (DecisionKind::Call, phase) => self.phase(phase, took),
            (_, Phase::Policy) => self.inspection_phase(InspectionPhase::Policy, took),
            (_, Phase::Commit) => self.inspection_phase(InspectionPhase::Commit, took),
            (_, Phase::Parse | Phase::Identity | Phase::Total) => {}
        }
    }

    /// A question about an answer was answered.
    pub fn inspected(&self, subject: &'static str, verdict: &Verdict) {
        let verdict = match verdict {
            Verdict::Allow => "allow",
            Verdict::Deny { .. } => "deny",
            Verdict::Throttle { .. } => "throttle",
            Verdict::PendingApproval { .. } => "pending_approval",
            Verdict::Hold { .. } => "hold",
            Verdict::NeedText => "need_text",
        };
        let labels = [("subject", subject), ("verdict", verdict)];
        counter(&*self.recorder, "portcullis_inspections_total", &labels).increment(1);
    }

    /// A question was answered.
    pub fn decided(&self, verdict: &Verdict) {
        let [allow, deny, throttle, pending, hold, need_text] = &self.verdicts;
        let counter = match verdict {
            Verdict::Allow => allow,
            Verdict::Deny { .. } => deny,
            Verdict::Throttle { .. } => throttle,
            Verdict::PendingApproval { .. } => pending,
            Verdict::Hold { .. } => hold,
            Verdict::NeedText => need_text,
        };
        counter.increment(1);
    }

    /// A question or a batch got no verdict.
    pub fn fault(&self, code: &'static str) {
        counter(&*self.recorder, "portcullis_faults_total", &[("code", code)]).increment(1);
    }

    /// Outcomes were taken.
    pub fn outcomes(&self, states: &[OutcomeState]) {
        for state in states {
            counter(&*self.recorder, "portcullis_outcomes_total", &[("state", state.as_str())]).increment(1);
        }
    }

    /// A gate reported a gap.
    pub fn gap(&self, unaudited: u64, lost: u64) {
        self.unaudited.increment(unaudited);
        self.lost.increment(lost);
    }

    /// Calls became `unknown`.
    pub fn orphans(&self, n: u64) {
        self.orphans.increment(n);
    }

    /// A call was over a limit.
    pub fn limit_exceeded(&self, limit: &LimitSpec) {
        // What a limit in shadow mode would have done is not what it does.
        let action = if limit.shadow { "shadow" } else { limit.action.as_str() };
        let labels = vec![Label::new("limit", limit.id.clone()), Label::new("action", action)];
        let key = Key::from_parts("portcullis_limit_exceeded_total", labels);
        self.recorder.register_counter(&key, &METADATA).increment(1);
    }

    /// How full the limits are, at the time of a scrape.
    pub fn limits(&self, fullest: Vec<(String, f64)>) {
        let set = |limit: &str, ratio: f64| {
            let labels = vec![Label::new("limit", limit.to_owned())];
            let key = Key::from_parts("portcullis_limit_used_ratio", labels);
            self.recorder.register_gauge(&key, &METADATA).set(ratio);
        };
        let mut known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in known.iter().filter(|id| !fullest.iter().any(|(own, _)| own == *id)) {
            set(gone, 0.0);
        }
        for (limit, ratio) in fullest.into_iter().take(MAX_LIMITS) {
            set(&limit, ratio);
            if known.len() < 2 * MAX_LIMITS {
                known.insert(limit);
            }
        }
    }

    /// A webhook was told, or not: `delivered`, `failed` or `gave_up`.
    pub fn webhook(&self, webhook: &str, result: &'static str) {
        let labels = vec![Label::new("webhook", webhook.to_owned()), Label::new("result", result)];
        let key = Key::from_parts("portcullis_webhook_deliveries_total", labels);
        self.recorder.register_counter(&key, &METADATA).increment(1);
    }

    /// Sets a gauge, at the time of a scrape.
    pub fn gauge(&self, name: &'static str, value: f64) {
        let key = Key::from_static_name(name);
        self.recorder.register_gauge(&key, &METADATA).set(value);
    }

    /// How many records of the log are published.
    pub fn published(&self, size: u64) {
        self.gauge("portcullis_log_published_records", whole(size));
    }

    /// How many records of the log a witness has cosigned.
    pub fn witnessed(&self, witness: &str, size: u64) {
        let labels = vec![Label::new("witness", witness.to_owned())];
        let key = Key::from_parts("portcullis_log_witnessed_records", labels);
        self.recorder.register_gauge(&key, &METADATA).set(whole(size));
    }

    /// Publication or a witness failed.
    pub fn log_trouble(&self, of: &'static str) {
        counter(&*self.recorder, "portcullis_log_failures_total", &[("of", of)]).increment(1);
    }

    /// How exports are doing, at the time of a scrape.
    pub fn exports(&self, exports: &[ExportView]) {
        for export in exports {
            let key =
                |name: &'static str| Key::from_parts(name, vec![Label::new("export", export.name.clone())]);
            let gauge = |name, value| self.recorder.register_gauge(&key(name), &METADATA).set(value);
            let counter = |name, value| self.recorder.register_counter(&key(name), &METADATA).absolute(value);
            let failing = if export.failing_since_ms.is_some() { 1.0 } else { 0.0 };
            gauge("portcullis_audit_export_lag_records", whole(export.lag_records));
            gauge("portcullis_audit_export_lag_seconds", whole(export.lag_ms) / 1_000.0);
            gauge("portcullis_audit_export_failing", failing);
            counter("portcullis_audit_export_failures_total", export.failures);
            counter("portcullis_audit_export_records_total", export.delivered_records);
            counter("portcullis_audit_export_bytes_total", export.delivered_bytes);
            counter("portcullis_audit_export_rejected_total", export.rejected_records);
        }
    }

    /// How retention is doing, at the time of a scrape.
    pub fn retention(&self, pruned: u64, last: Option<&LastPass>) {
        counter(&*self.recorder, "portcullis_audit_pruned_records_total", &[]).absolute(pruned);
        let Some(last) = last else { return };
        self.gauge("portcullis_audit_retention_pass_timestamp_seconds", whole(last.at_ms) / 1_000.0);
        self.gauge("portcullis_audit_retention_failing", if last.error.is_some() { 1.0 } else { 0.0 });
        self.gauge("portcullis_audit_retention_held_records", whole(last.held.values().sum()));
        let waiting = last.waiting.values().max().copied().unwrap_or(0);
        self.gauge("portcullis_audit_retention_waiting_records", whole(waiting));
    }

    /// The text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Must run every few seconds: histograms collect raw values until then.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Whole numbers up to 2^53 are exact; more records than that take longer than anybody lives.
fn whole(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let n = n as f64;
    n
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

fn counter(recorder: &dyn Recorder, name: &'static str, labels: &[(&'static str, &'static str)]) -> Counter {
    let labels: Vec<Label> = labels.iter().map(|(key, value)| Label::new(*key, *value)).collect();
    recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
}

fn histogram(
    recorder: &dyn Recorder,
    name: &'static str,
    label: &'static str,
    value: &'static str,
) -> Histogram {
    recorder.register_histogram(&Key::from_parts(name, vec![Label::new(label, value)]), &METADATA)
}

fn describe(recorder: &dyn Recorder) {
    let counters = [
        ("portcullis_decisions_total", "Questions answered, by verdict."),
        (
            "portcullis_inspections_total",
            "Questions about answers that were answered, by subject and verdict.",
        ),
        (
            "portcullis_faults_total",
            "Questions and batches that got no verdict, by code; the gate refuses the call.",
        ),
        ("portcullis_outcomes_total", "Outcomes taken, repeated ones included, by state."),
        (
            "portcullis_unaudited_calls_total",
            "Calls that gates let out without a record (failure_mode: open).",
        ),
        ("portcullis_outcomes_lost_total", "Outcomes that gates lost."),
        (
            "portcullis_limit_exceeded_total",
            "Calls over a limit, by limit and by what it does: throttle, deny, require_approval, warn, shadow.",
        ),
        ("portcullis_webhook_deliveries_total", "Attempts to tell a webhook, by result."),
        ("portcullis_audit_export_failures_total", "Failed attempts of an export to deliver a chunk."),
        ("portcullis_audit_export_records_total", "Records of the log that an export has delivered."),
        ("portcullis_audit_export_bytes_total", "Bytes that an export has delivered."),
        (
            "portcullis_audit_export_rejected_total",
            "Records that the receiver of an export refused for good.",
        ),
        (
            "portcullis_log_failures_total",
            "Rounds that failed of what publishes or cosigns the log: `publish`, `witness`.",
        ),
    ];
    for (name, help) in counters {
        recorder.describe_counter(KeyName::from_const_str(name), None, SharedString::const_str(help));
    }
    recorder.describe_histogram(
        KeyName::from_const_str("portcullis_decision_seconds"),
        None,
        SharedString::const_str("Time taken by the phases of a decision."),
    );
    recorder.describe_histogram(
        KeyName::from_const_str("portcullis_inspection_seconds"),
        None,
        SharedString::const_str("Time taken by the phases of an inspection, and of a tool call's decision."),
    );
    let gauges = [
        ("portcullis_approvals_pending", "Approvals that wait for an answer."),
        ("portcullis_store_writable", "1 while the store takes records."),
        ("portcullis_bundle_loaded", "1 while a bundle is active."),
        ("portcullis_bundle_generation", "Counts the bundles that became active."),
        ("portcullis_bundle_rules", "Enabled rules of the active bundle."),
        (
            "portcullis_limit_used_ratio",
            "Use of a limit in its window by the key that uses most, reservations included; 1 is full.",
        ),
        ("portcullis_audit_export_lag_records", "Records of the log that an export has not delivered."),
        (
            "portcullis_audit_export_lag_seconds",
            "Age of the oldest record that an export has read and not delivered.",
        ),
        ("portcullis_audit_retention_pass_timestamp_seconds", "When retention looked for old records last."),
        ("portcullis_audit_retention_failing", "1 when the last pass of retention ended early."),
        ("portcullis_audit_retention_held_records", "Old records that the last pass left because of a hold."),
        (
            "portcullis_audit_retention_waiting_records",
            "Records that are too old and stay until a required export has taken them.",
        ),
        ("portcullis_audit_export_failing", "1 while every attempt of an export fails."),
        (
            "portcullis_log_published_records",
            "Records of the log that the newest published checkpoint covers.",
        ),
        (
            "portcullis_log_witnessed_records",
            "Records of the log that the newest cosigned checkpoint covers, by witness.",
        ),
        ("portcullis_bundle_error", "1 while what is in the bundle directory was refused."),
    ];
    for (name, help) in gauges {
        recorder.describe_gauge(KeyName::from_const_str(name), None, SharedString::const_str(help));
    }
}
