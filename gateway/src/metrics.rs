//! What the serving process counts, in Prometheus' text format.
//!
//! Labels are words of this program; no name of a user, token, address or resource ever is one.

use countersign_core::login_transition::State;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::store::{AuditEntry, AuditEvent};

/// The media type of what [`Metrics::text`] returns.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label and its word.
type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    validations: Counters,
    logins: Counters,
    refusals: Counters,
    events: Counters,
    hooks: Counters,
    radius: Counters,
    streams: Gauge,
    pending: Gauge,
    batches: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let mut family = |name: &str, help: &str| {
            let counters = Counters::default();
            registry.register(name, help, counters.clone());
            counters
        };
        let validations = family("validations", "Typed passcodes, by what they came to");
        let logins = family("login_ends", "Login requests, by how they ended");
        let refusals = family(
            "login_refusals",
            "Login requests that were not opened, by why",
        );
        let events = family("events", "Rows of the audit log, by event");
        let hooks = family("alarm_commands", "Runs of the alarm command, by result");
        let radius = family("radius_packets", "RADIUS packets, by what became of them");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let streams = gauge("open_streams", "Agents that are connected");
        let pending = gauge("pending_logins", "Login requests that wait for an answer");
        let batches = Counter::default();
        registry.register(
            "audit_batches",
            "Commits to the database that wrote to the audit log",
            batches.clone(),
        );
        Self {
            registry,
            validations,
            logins,
            refusals,
            events,
            hooks,
            radius,
            streams,
            pending,
            batches,
        }
    }
}

impl Metrics {
    /// A typed passcode came to this.
    pub fn validated(&self, result: &'static str) {
        self.validations.get_or_create(&[("result", result)]).inc();
    }

    /// A login request was not opened.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }

    /// The alarm command was run, or not.
    pub fn alarmed(&self, result: &'static str) {
        self.hooks.get_or_create(&[("result", result)]).inc();
    }

    /// A RADIUS packet came to this.
    pub fn radius_packet(&self, result: &'static str) {
        self.radius.get_or_create(&[("result", result)]).inc();
    }

    /// So many RADIUS packets came to this.
    #[must_use]
    pub fn radius_packets(&self, result: &'static str) -> u64 {
        self.radius.get_or_create(&[("result", result)]).get()
    }

    /// Rows of the audit log have become durable together.
    pub fn committed(&self, entries: &[AuditEntry]) {
        if !entries.is_empty() {
            self.batches.inc();
        }
        for entry in entries {
            let Some(event) = AuditEvent::of(&entry.event) else {
                continue;
            };
            self.events
                .get_or_create(&[("event", event.as_str())])
                .inc();
            if event == AuditEvent::LoginChanged
                && let Some(state) = entry.detail.split(':').next()
                && let Ok(state) = state.parse::<State>()
            {
                self.logins
                    .get_or_create(&[("state", state.as_str())])
                    .inc();
            }
        }
    }

    /// The text, with what is counted at the moment of asking.
    #[must_use]
    pub fn text(&self, streams: usize, pending: u32) -> String {
        self.streams.set(i64::try_from(streams).unwrap_or(i64::MAX));
        self.pending.set(i64::from(pending));
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: AuditEvent, detail: &str) -> AuditEntry {
        AuditEntry {
            seq: 1,
            at_ms: 0,
            event: event.as_str().to_owned(),
            subject: "ada".to_owned(),
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn what_is_counted_is_told_without_any_name() {
        let metrics = Metrics::default();
        metrics.validated("accepted");
        metrics.refused("throttled");
        metrics.committed(&[
            entry(AuditEvent::LoginChanged, "denied: CS123 LEVEL_PIN"),
            entry(AuditEvent::LoginChanged, "consumed"),
            entry(AuditEvent::LoginReported, "ada at payroll from 192.0.2.7"),
        ]);
        metrics.committed(&[]);
        let text = metrics.text(3, 2);
        for line in [
            "countersign_validations_total{result=\"accepted\"} 1",
            "countersign_login_refusals_total{reason=\"throttled\"} 1",
            "countersign_login_ends_total{state=\"denied\"} 1",
            "countersign_login_ends_total{state=\"consumed\"} 1",
            "countersign_events_total{event=\"login_reported\"} 1",
            "countersign_open_streams 3",
            "countersign_pending_logins 2",
            "countersign_audit_batches_total 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
        for name in ["ada", "CS123", "payroll", "192.0.2.7"] {
            assert!(!text.contains(name), "{name}");
        }
    }
}
