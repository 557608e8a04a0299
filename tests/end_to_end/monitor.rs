//! A lab world and a prober over it, in this process: the real code from the DNS query to the exported text.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use mailtls_exporter::config::Config;
use mailtls_exporter::config::Overrides;
use mailtls_exporter::domain_name::DomainName;
use mailtls_exporter::probe::Prober;
use mailtls_exporter::report::metrics::exposition::Format;
use mailtls_exporter::report::metrics::probe::render;
use mailtls_exporter::telemetry::SelfCheck;
use mailtls_exporter::telemetry::Telemetry;
use mailtls_lab::Domain;
use mailtls_lab::World;
use mailtls_lab::WorldBuilder;
use tokio::task::JoinSet;

use crate::exposition::Samples;

/// Long enough for everything but what hangs on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A world, and somebody who watches it.
pub(crate) struct Monitor {
    pub(crate) world: World,
    pub(crate) telemetry: Arc<Telemetry>,
    prober: Prober,
    config: Config,
}

impl Monitor {
    /// With the world's own configuration.
    pub(crate) async fn of(domains: impl IntoIterator<Item = Domain>) -> Self {
        Self::configured(World::builder().domains(domains), |_| {}).await
    }

    /// With a configuration that differs from the world's.
    pub(crate) async fn configured(world: WorldBuilder, change: impl FnOnce(&mut Config)) -> Self {
        let world = world.start().await;
        let mut config = load(&world.config_yaml());
        change(&mut config);
        let telemetry = Arc::<Telemetry>::default();
        let prober = Prober::new(&config, Arc::clone(&telemetry)).unwrap();
        Self {
            world,
            telemetry,
            prober,
            config,
        }
    }

    /// The same world, watched by a process that has just started.
    pub(crate) fn restarted(self) -> Self {
        let telemetry = Arc::<Telemetry>::default();
        let prober = Prober::new(&self.config, Arc::clone(&telemetry)).unwrap();
        Self {
            telemetry,
            prober,
            ..self
        }
    }

    /// What one of its self-checks says.
    pub(crate) fn self_check(&self, check: SelfCheck) -> Option<bool> {
        self.telemetry.self_checks.of(check).value()
    }

    /// The codes of what it says about itself; that the machine of the test may have no IPv6 is left out.
    pub(crate) fn about_itself(&self) -> Vec<&'static str> {
        let report = self.prober.about_itself();
        let codes = report.findings.iter().map(|finding| finding.code.as_str());
        codes.filter(|code| *code != "smtp_no_ipv6_route").collect()
    }

    /// Probes a domain.
    pub(crate) async fn probe(&self, domain: &str) -> Samples {
        self.probe_within(domain, PATIENCE).await
    }

    /// Probes a domain for at most this long.
    pub(crate) async fn probe_within(&self, domain: &str, deadline: Duration) -> Samples {
        let domain = DomainName::parse(domain).unwrap();
        let module = self.config.module("default").unwrap();
        let report = self.prober.run(&domain, module, deadline).await;
        let text = render(&report, Format::Text);
        let samples = Samples::parse(&text);
        check(&samples);
        samples
    }

    /// Probes all of these at once; in the order asked, each with how long it took.
    pub(crate) async fn probe_all(
        self: &Arc<Self>,
        domains: &[&str],
        deadline: Duration,
    ) -> Vec<(Samples, Duration)> {
        let mut probes = JoinSet::new();
        for (at, domain) in domains.iter().enumerate() {
            let monitor = Arc::clone(self);
            let domain = (*domain).to_owned();
            probes.spawn(async move {
                let began = Instant::now();
                let samples = monitor.probe_within(&domain, deadline).await;
                (at, samples, began.elapsed())
            });
        }
        let mut results = probes.join_all().await;
        results.sort_by_key(|(at, ..)| *at);
        results
            .into_iter()
            .map(|(_, samples, took)| (samples, took))
            .collect()
    }
}

/// The configuration that this text is.
pub(crate) fn load(yaml: &str) -> Config {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    Config::load(Some(file.path()), &Overrides::default()).unwrap()
}

/// What holds for every probe.
fn check(samples: &Samples) {
    for severity in ["critical", "warning", "info"] {
        let listed = samples
            .all(&format!("mailtls_finding{{severity=\"{severity}\"}}"))
            .len();
        let counted = samples.value(&format!("mailtls_findings{{severity=\"{severity}\"}}"));
        assert_eq!(
            counted,
            Some(f64::from(u32::try_from(listed).unwrap())),
            "{severity}"
        );
    }
    let complete = samples
        .all("mailtls_check_complete")
        .iter()
        .all(|(_, value)| *value > 0.0);
    let critical = samples.value("mailtls_findings{severity=\"critical\"}") != Some(0.0);
    let success = f64::from(u8::from(complete && !critical));
    assert_eq!(samples.value("probe_success"), Some(success));
}

/// One domain, and what must be said of it.
pub(crate) struct Case {
    why: &'static str,
    name: &'static str,
    domains: Vec<Domain>,
    finds: Vec<&'static str>,
    exports: Vec<&'static str>,
    lacks: Vec<&'static str>,
}

/// A case: why it is there, the domain, and what is in it beside a signed zone.
pub(crate) fn case(
    why: &'static str,
    name: &'static str,
    furnish: impl FnOnce(Domain) -> Domain,
) -> Case {
    Case {
        why,
        name,
        domains: vec![furnish(Domain::new(name))],
        finds: Vec::new(),
        exports: Vec::new(),
        lacks: Vec::new(),
    }
}

impl Case {
    /// Another domain that the case needs.
    pub(crate) fn beside(mut self, domain: Domain) -> Self {
        self.domains.push(domain);
        self
    }

    /// The probe finds these and nothing else: `critical dane_tlsa_mismatch`.
    pub(crate) fn finds<const N: usize>(mut self, findings: [&'static str; N]) -> Self {
        self.finds.extend(findings);
        self
    }

    /// The probe exports these: `mailtls_mx_hosts 2`. Labels may be left out.
    pub(crate) fn exports<const N: usize>(mut self, lines: [&'static str; N]) -> Self {
        self.exports.extend(lines);
        self
    }

    /// The probe exports nothing of this: `mailtls_mta_sts_policy_valid`.
    pub(crate) fn lacks<const N: usize>(mut self, questions: [&'static str; N]) -> Self {
        self.lacks.extend(questions);
        self
    }

    fn judge(&self, samples: &Samples) -> Vec<String> {
        let expected: BTreeSet<String> = self
            .finds
            .iter()
            .map(|&finding| finding.to_owned())
            .collect();
        let found = samples.findings();
        let mut wrong = Vec::new();
        wrong.extend(
            expected
                .difference(&found)
                .map(|finding| format!("did not find {finding}")),
        );
        wrong.extend(
            found
                .difference(&expected)
                .map(|finding| format!("found {finding}")),
        );
        wrong.extend(self.exports.iter().filter_map(|line| samples.misses(line)));
        for question in &self.lacks {
            let there = samples.all(question).into_iter();
            wrong.extend(there.map(|(series, value)| format!("exported {series} {value}")));
        }
        wrong
            .iter()
            .map(|wrong| format!("{} ({}): {wrong}", self.name, self.why))
            .collect()
    }
}

/// Probes all cases at once, in one world.
pub(crate) async fn judge(cases: Vec<Case>) {
    let domains = cases.iter().flat_map(|case| case.domains.clone());
    let monitor = Arc::new(Monitor::of(domains).await);
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    let results = monitor.probe_all(&names, PATIENCE).await;
    let wrong: Vec<String> = cases
        .iter()
        .zip(&results)
        .flat_map(|(case, (samples, _))| case.judge(samples))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert_eq!(
        monitor.world.smtp_violations(),
        Vec::<String>::new(),
        "no mail is ever sent"
    );
}
