//! `/metrics`: what the exporter counts of itself, and the process that it runs as.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::closed_set::ClosedSet;
use crate::report::metrics::Counter;
use crate::report::metrics::Family;
use crate::report::metrics::Gauge;
use crate::report::metrics::Histogram;
use crate::report::metrics::Samples;
use crate::report::metrics::exposition;
use crate::report::metrics::exposition::Format;
use crate::telemetry::SelfCheck;
use crate::telemetry::Telemetry;

/// What no counter knows.
#[derive(Debug, Clone)]
pub struct ExporterFacts {
    /// The version of the program.
    pub version: &'static str,
    /// The commit that it was built from; empty when not known.
    pub revision: &'static str,
    /// The compiler; empty when not known.
    pub rustc: &'static str,
    /// Whether the configuration in force is the newest one asked for.
    pub config_last_reload_successful: bool,
    /// When the configuration in force was read.
    pub config_last_reload_success: UnixTime,
    /// The process; none where the system does not tell.
    pub process: Option<ProcessFacts>,
}

/// What the operating system says of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessFacts {
    /// Processor time used, user and system.
    pub cpu: Option<Duration>,
    /// File descriptors in use.
    pub open_fds: Option<u64>,
    /// File descriptors at most.
    pub max_fds: Option<u64>,
    /// Bytes.
    pub virtual_memory: Option<u64>,
    /// Bytes.
    pub resident_memory: Option<u64>,
    /// When it started, in seconds since 1970.
    pub start_time: Option<f64>,
    /// Threads.
    pub threads: Option<u64>,
}

const BUILD_INFO: Gauge<3> = Gauge::new(
    "mailtls_exporter_build_info",
    "1; the version that runs.",
    ["version", "revision", "rustc"],
);
const CONFIG_LAST_RELOAD_SUCCESSFUL: Gauge<0> = Gauge::new(
    "mailtls_exporter_config_last_reload_successful",
    "1 when the last attempt to read the configuration succeeded; 0 when an older one is still in force, or an older web configuration or certificate.",
    [],
);
const CONFIG_LAST_RELOAD_SUCCESS: Gauge<0> = Gauge::new(
    "mailtls_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read.",
    [],
);
const PROBES: Counter<1> = Counter::new(
    "mailtls_exporter_probes_total",
    "Probes begun through /probe.",
    ["module"],
);
const PROBE_FAILURES: Counter<1> = Counter::new(
    "mailtls_exporter_probe_failures_total",
    "Probes that learned nothing: every look-up failed, or the probe itself broke. What is wrong with a domain is probe_success.",
    ["module"],
);
const PROBE_DURATION: Histogram<1> = Histogram::new(
    "mailtls_exporter_probe_duration_seconds",
    "How long probes took.",
    ["module"],
);
const PROBES_IN_FLIGHT: Gauge<0> =
    Gauge::new("mailtls_exporter_probes_in_flight", "Probes under way.", []);
const PROBES_REJECTED: Counter<1> = Counter::new(
    "mailtls_exporter_probes_rejected_total",
    "Requests to /probe that were turned away without a probe.",
    ["reason"],
);
const DNS_QUERIES: Counter<0> = Counter::new(
    "mailtls_exporter_dns_queries_total",
    "Queries sent to the DNS upstream.",
    [],
);
const DNS_FAILURES: Counter<1> = Counter::new(
    "mailtls_exporter_dns_failures_total",
    "DNS look-ups of which nothing was learned.",
    ["reason"],
);
const DNS_CACHE_REQUESTS: Counter<0> = Counter::new(
    "mailtls_exporter_dns_cache_requests_total",
    "DNS look-ups asked of the cache.",
    [],
);
const DNS_CACHE_HITS: Counter<0> = Counter::new(
    "mailtls_exporter_dns_cache_hits_total",
    "DNS look-ups answered from the cache.",
    [],
);
const DNS_COALESCED: Counter<0> = Counter::new(
    "mailtls_exporter_dns_coalesced_total",
    "DNS look-ups that joined an equal one under way.",
    [],
);
const SMTP_SESSIONS: Counter<1> = Counter::new(
    "mailtls_exporter_smtp_sessions_total",
    "SMTP sessions opened, by how they ended.",
    ["outcome"],
);
const SMTP_SHARED: Counter<0> = Counter::new(
    "mailtls_exporter_smtp_shared_total",
    "SMTP sessions saved by sharing an observation between probes.",
    [],
);
const SELF_CHECK: Gauge<1> = Gauge::new(
    "mailtls_exporter_self_check",
    "1 when this part of the exporter's own surroundings is fine, 0 when not; absent while not known: dnssec_upstream until the resolver answers, port25_egress until something connects or enough has failed, ipv6_route where smtp.ip_versions leaves IPv6 out, clock until a signature of the root or the Date of a policy host was seen.",
    ["check"],
);
const PROCESS_CPU: Counter<0> = Counter::new(
    "process_cpu_seconds_total",
    "Processor time used, user and system.",
    [],
);
const PROCESS_OPEN_FDS: Gauge<0> = Gauge::new("process_open_fds", "File descriptors in use.", []);
const PROCESS_MAX_FDS: Gauge<0> = Gauge::new(
    "process_max_fds",
    "File descriptors at most; absent when not limited.",
    [],
);
const PROCESS_VIRTUAL_MEMORY: Gauge<0> =
    Gauge::new("process_virtual_memory_bytes", "Virtual memory.", []);
const PROCESS_RESIDENT_MEMORY: Gauge<0> =
    Gauge::new("process_resident_memory_bytes", "Resident memory.", []);
const PROCESS_START_TIME: Gauge<0> = Gauge::new(
    "process_start_time_seconds",
    "When the process started.",
    [],
);
const PROCESS_THREADS: Gauge<0> = Gauge::new("process_threads", "Threads of the process.", []);

/// Every family of `/metrics`, in the order of the reference.
pub const FAMILIES: &[Family] = &[
    BUILD_INFO.family(),
    CONFIG_LAST_RELOAD_SUCCESSFUL.family(),
    CONFIG_LAST_RELOAD_SUCCESS.family(),
    PROBES.family(),
    PROBE_FAILURES.family(),
    PROBE_DURATION.family(),
    PROBES_IN_FLIGHT.family(),
    PROBES_REJECTED.family(),
    DNS_QUERIES.family(),
    DNS_FAILURES.family(),
    DNS_CACHE_REQUESTS.family(),
    DNS_CACHE_HITS.family(),
    DNS_COALESCED.family(),
    SMTP_SESSIONS.family(),
    SMTP_SHARED.family(),
    SELF_CHECK.family(),
    PROCESS_CPU.family(),
    PROCESS_OPEN_FDS.family(),
    PROCESS_MAX_FDS.family(),
    PROCESS_VIRTUAL_MEMORY.family(),
    PROCESS_RESIDENT_MEMORY.family(),
    PROCESS_START_TIME.family(),
    PROCESS_THREADS.family(),
];

/// What `/metrics` answers.
pub fn render(telemetry: &Telemetry, facts: &ExporterFacts, format: Format) -> String {
    let mut samples = Samples::default();
    about_the_program(&mut samples, facts);
    about_probes(&mut samples, telemetry);
    about_the_network(&mut samples, telemetry);
    if let Some(process) = &facts.process {
        about_the_process(&mut samples, process);
    }
    exposition::render(samples, format)
}

fn about_the_program(samples: &mut Samples, facts: &ExporterFacts) {
    samples.set(
        &BUILD_INFO,
        [&facts.version, &facts.revision, &facts.rustc],
        true,
    );
    samples.set(
        &CONFIG_LAST_RELOAD_SUCCESSFUL,
        [],
        facts.config_last_reload_successful,
    );
    samples.set(
        &CONFIG_LAST_RELOAD_SUCCESS,
        [],
        facts.config_last_reload_success,
    );
}

fn about_probes(samples: &mut Samples, telemetry: &Telemetry) {
    for (module, counters) in telemetry.modules.all() {
        samples.count(&PROBES, [&module], counters.probes.value());
        samples.count(&PROBE_FAILURES, [&module], counters.failures.value());
        samples.histogram(&PROBE_DURATION, [&module], counters.duration.reading());
    }
    samples.set(&PROBES_IN_FLIGHT, [], telemetry.probes_in_flight.value());
    each(samples, &PROBES_REJECTED, telemetry.probes_rejected.iter());
}

fn about_the_network(samples: &mut Samples, telemetry: &Telemetry) {
    samples.count(&DNS_QUERIES, [], telemetry.dns_queries.value());
    each(samples, &DNS_FAILURES, telemetry.dns_failures.iter());
    samples.count(
        &DNS_CACHE_REQUESTS,
        [],
        telemetry.dns_cache_requests.value(),
    );
    samples.count(&DNS_CACHE_HITS, [], telemetry.dns_cache_hits.value());
    samples.count(&DNS_COALESCED, [], telemetry.dns_coalesced.value());
    each(samples, &SMTP_SESSIONS, telemetry.smtp_sessions.iter());
    samples.count(&SMTP_SHARED, [], telemetry.smtp_shared.value());
    for check in SelfCheck::ALL {
        samples.set(
            &SELF_CHECK,
            [check],
            telemetry.self_checks.of(*check).value(),
        );
    }
}

fn about_the_process(samples: &mut Samples, process: &ProcessFacts) {
    samples.count(&PROCESS_CPU, [], process.cpu);
    samples.set(&PROCESS_OPEN_FDS, [], process.open_fds);
    samples.set(&PROCESS_MAX_FDS, [], process.max_fds);
    samples.set(&PROCESS_VIRTUAL_MEMORY, [], process.virtual_memory);
    samples.set(&PROCESS_RESIDENT_MEMORY, [], process.resident_memory);
    samples.set(&PROCESS_START_TIME, [], process.start_time);
    samples.set(&PROCESS_THREADS, [], process.threads);
}

fn each<L: ClosedSet>(
    samples: &mut Samples,
    counter: &'static Counter<1>,
    values: impl Iterator<Item = (L, u64)>,
) {
    for (label, value) in values {
        samples.count(counter, [&label.text()], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ProbeRejection;

    fn facts() -> ExporterFacts {
        ExporterFacts {
            version: "1.2.3",
            revision: "abc",
            rustc: "1.95.0",
            config_last_reload_successful: true,
            config_last_reload_success: UnixTime(1_795_507_200),
            process: Some(ProcessFacts {
                cpu: Some(Duration::from_millis(1250)),
                open_fds: Some(12),
                max_fds: Some(1024),
                virtual_memory: Some(1 << 30),
                resident_memory: Some(1 << 20),
                start_time: Some(1_795_507_100.25),
                threads: Some(3),
            }),
        }
    }

    #[test]
    fn every_value_is_there_from_the_start() {
        let telemetry = Telemetry::default();
        telemetry.modules.of("default");
        let text = render(&telemetry, &facts(), Format::Text);
        for reason in ProbeRejection::ALL {
            let line = format!("mailtls_exporter_probes_rejected_total{{reason=\"{reason}\"}} 0\n");
            assert!(text.contains(&line), "{line}");
        }
        for line in [
            "mailtls_exporter_build_info{version=\"1.2.3\",revision=\"abc\",rustc=\"1.95.0\"} 1\n",
            "mailtls_exporter_probes_total{module=\"default\"} 0\n",
            "mailtls_exporter_probe_duration_seconds_bucket{le=\"+Inf\",module=\"default\"} 0\n",
            "mailtls_exporter_smtp_sessions_total{outcome=\"tls\"} 0\n",
            "process_cpu_seconds_total 1.25\n",
            "process_start_time_seconds 1795507100.25\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("self_check{"), "not known yet is not 0");
    }

    #[test]
    fn every_family_that_is_filled_is_listed() {
        let telemetry = Telemetry::default();
        telemetry.modules.of("default");
        telemetry.self_checks.of(SelfCheck::Clock).set(Some(false));
        let text = render(&telemetry, &facts(), Format::Text);
        let filled: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let listed: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(filled, listed);
        assert!(text.contains("mailtls_exporter_self_check{check=\"clock\"} 0\n"));
    }
}
