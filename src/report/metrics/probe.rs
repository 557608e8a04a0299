//! A report as samples: every family of a probe, in the order of `families`.

use std::fmt::Display;

use crate::assess::HostVerdict;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::dane::DaneStatus;
use crate::assess::mta_sts_policy::MtaStsVerdict;
use crate::assess::smtp::AddressVerdict;
use crate::closed_set::ClosedSet;
use crate::closed_set::closed_set;
use crate::evidence::Detail;
use crate::evidence::dns::Lookup;
use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::mta_sts::FetchPhase;
use crate::evidence::mta_sts::PolicyEvidence;
use crate::evidence::smtp::SmtpPhase;
use crate::finding::Severity;
use crate::protocol::tlsa;
use crate::protocol::tlsrpt::Scheme;
use crate::report::Report;
use crate::report::metrics::Samples;
use crate::report::metrics::StateSet;
use crate::report::metrics::exposition;
use crate::report::metrics::exposition::Format;
use crate::report::metrics::exposition::label_text;
use crate::report::metrics::families as f;

closed_set! {
    /// Label `rrset` of the DNSSEC families.
    enum RrSet {
        Mx = "mx",
        MtaSts = "mta_sts",
        TlsRpt = "tlsrpt",
        A = "a",
        Aaaa = "aaaa",
        Tlsa = "tlsa",
    }
}

closed_set! {
    /// Label `usability` of `mailtls_dane_tlsa_records`.
    enum UsabilityLabel {
        Usable = "usable",
        Unusable = "unusable",
    }
}

/// The body of `/probe`.
pub fn render(report: &Report, format: Format) -> String {
    exposition::render(samples(report), format)
}

fn samples(report: &Report) -> Samples {
    let mut samples = Samples::default();
    probe(report, &mut samples);
    routing(report, &mut samples);
    dnssec(report, &mut samples);
    mta_sts(report, &mut samples);
    tlsrpt(report, &mut samples);
    smtp(report, &mut samples);
    dane(report, &mut samples);
    delivery(report, &mut samples);
    match report.detail {
        Detail::Full => {}
        Detail::Summary => samples.keep(&f::SUMMARY),
    }
    samples
}

fn probe(report: &Report, samples: &mut Samples) {
    let cost = &report.evidence.cost;
    let assessment = &report.assessment;
    samples.set(&f::PROBE_SUCCESS, [], assessment.success);
    samples.set(&f::PROBE_DURATION, [], cost.seconds);
    samples.set(&f::PROBE_TIMEOUT, [], cost.timeout_seconds);
    samples.set(&f::PROBE_TIMED_OUT, [], cost.timed_out);
    for (phase, seconds) in &cost.phases {
        samples.set(&f::PROBE_PHASE_DURATION, [phase], *seconds);
    }
    samples.set(&f::PROBE_DNS_QUERIES, [], cost.dns_queries);
    for (check, reached) in &assessment.complete {
        samples.set(&f::CHECK_COMPLETE, [check], *reached);
    }
    for severity in Severity::ALL {
        let count = assessment
            .findings
            .iter()
            .filter(|finding| finding.severity == *severity)
            .count();
        samples.set(&f::FINDINGS, [severity], count);
    }
    let least = match report.detail {
        Detail::Full => Severity::Info,
        Detail::Summary => Severity::Warning,
    };
    let told = assessment
        .findings
        .iter()
        .filter(|finding| finding.severity >= least);
    for finding in told {
        let about = label_text(&finding.about);
        samples.set(
            &f::FINDING,
            [&finding.check(), &finding.code, &finding.severity, &about],
            true,
        );
    }
}

fn routing(report: &Report, samples: &mut Samples) {
    let assessment = &report.assessment;
    samples.state(&f::MX_STATUS, [], assessment.mx);
    samples.set(&f::MX_HOSTS, [], assessment.mx_hosts);
    for (mx, preference) in &assessment.mx_preferences {
        samples.set(&f::MX_PREFERENCE, [mx], *preference);
    }
}

fn dnssec(report: &Report, samples: &mut Samples) {
    let evidence = &report.evidence;
    let assessment = &report.assessment;
    domain_rrset(samples, RrSet::Mx, &evidence.routing.mx);
    // What has no verdict has no RRset worth speaking of: a null MX, NXDOMAIN.
    if let (Some(mta_sts), Some(_)) = (&evidence.mta_sts, &assessment.mta_sts) {
        domain_rrset(samples, RrSet::MtaSts, &mta_sts.record);
    }
    if let (Some(tlsrpt), Some(_)) = (&evidence.tlsrpt, &assessment.tlsrpt) {
        domain_rrset(samples, RrSet::TlsRpt, &tlsrpt.record);
    }
    for host in &evidence.routing.hosts {
        host_rrset(samples, host, RrSet::A, &host.a);
        host_rrset(samples, host, RrSet::Aaaa, &host.aaaa);
        if let Some(question) = host.tlsa.decisive() {
            host_rrset(samples, host, RrSet::Tlsa, &question.lookup);
        } else if host.tlsa.not_asked == Some(TlsaNotAsked::AddressFailed) {
            // Not asked, and not rightly so: nothing is known of it.
            let status = crate::evidence::dns::DnssecStatus::Indeterminate;
            samples.state(&f::MX_DNSSEC_STATUS, [&host.name, &RrSet::Tlsa], status);
        }
    }
}

fn domain_rrset<T>(samples: &mut Samples, rrset: RrSet, lookup: &Lookup<T>) {
    samples.state(&f::DNSSEC_STATUS, [&rrset], lookup.status());
    samples.set(
        &f::DNSSEC_SIGNATURE_EXPIRY,
        [&rrset],
        lookup.signature_expiry,
    );
}

fn host_rrset<T>(samples: &mut Samples, host: &HostEvidence, rrset: RrSet, lookup: &Lookup<T>) {
    samples.state(&f::MX_DNSSEC_STATUS, [&host.name, &rrset], lookup.status());
    samples.set(
        &f::MX_DNSSEC_SIGNATURE_EXPIRY,
        [&host.name, &rrset],
        lookup.signature_expiry,
    );
}

fn mta_sts(report: &Report, samples: &mut Samples) {
    let assessment = &report.assessment;
    if let Some(verdict) = &assessment.mta_sts {
        samples.state(&f::MTA_STS_STATUS, [], verdict.status);
    }
    if let Some(record) = &assessment.mta_sts_record {
        samples.state(&f::MTA_STS_RECORD_STATUS, [], record.status);
        samples.set(&f::MTA_STS_RECORD_ID_HASH, [], record.id_hash);
    }
    let Some(verdict) = &assessment.mta_sts else {
        return;
    };
    policy(report, verdict, samples);
    for host in &assessment.hosts {
        samples.set(&f::MTA_STS_MX_AUTHORIZED, [&host.name], host.authorized);
    }
}

fn policy(report: &Report, verdict: &MtaStsVerdict, samples: &mut Samples) {
    samples.set(&f::MTA_STS_POLICY_VALID, [], verdict.policy_valid);
    if let Some(policy) = verdict
        .served
        .as_ref()
        .filter(|_| verdict.policy_valid == Some(true))
    {
        samples.state(&f::MTA_STS_POLICY_MODE, [], policy.mode);
        samples.set(&f::MTA_STS_POLICY_MAX_AGE, [], policy.max_age);
        samples.set(&f::MTA_STS_POLICY_HASH, [], policy.canonical_hash());
        samples.set(&f::MTA_STS_POLICY_MX_PATTERNS, [], policy.mx.len());
    }
    let not_after = verdict.host_leaf.as_ref().map(|leaf| leaf.not_after);
    samples.set(&f::MTA_STS_POLICY_HOST_CERT_NOT_AFTER, [], not_after);
    let policy = report
        .evidence
        .mta_sts
        .as_ref()
        .map(|mta_sts| &mta_sts.policy);
    if let Some(PolicyEvidence::Asked(fetch)) = policy {
        for (phase, seconds) in [
            (FetchPhase::Resolve, fetch.phases.resolve),
            (FetchPhase::Connect, fetch.phases.connect),
            (FetchPhase::Transfer, fetch.phases.transfer),
        ] {
            samples.set(&f::MTA_STS_FETCH_PHASE_DURATION, [&phase], seconds);
        }
    }
}

fn tlsrpt(report: &Report, samples: &mut Samples) {
    use crate::assess::mta_sts_record::RecordStatus;
    let Some(verdict) = &report.assessment.tlsrpt else {
        return;
    };
    samples.state(&f::TLSRPT_RECORD_STATUS, [], verdict.status);
    if verdict.status == RecordStatus::Valid {
        for scheme in Scheme::ALL {
            let count = verdict
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.scheme == *scheme)
                .count();
            samples.set(&f::TLSRPT_RUA_ENDPOINTS, [scheme], count);
        }
    }
}

fn smtp(report: &Report, samples: &mut Samples) {
    let hosts = &report.assessment.hosts;
    let every = || {
        hosts
            .iter()
            .flat_map(|host| host.addresses.iter().map(move |address| (host, address)))
    };
    for (host, address) in every() {
        let labels: [&dyn Display; 2] = [&host.name, &address.address];
        samples.set(
            &f::SMTP_OUTCOME,
            [&host.name, &address.address, &address.outcome],
            true,
        );
        samples.set(&f::SMTP_REACHABLE, labels, address.reachable);
        samples.set(&f::SMTP_STARTTLS_OFFERED, labels, address.starttls_offered);
        samples.set(&f::SMTP_TLS_ESTABLISHED, labels, address.tls_established);
        session(host, address, samples);
        samples.set(
            &f::SMTP_REQUIRETLS_OFFERED,
            labels,
            address.requiretls_offered,
        );
        let observed_at = address
            .observation
            .as_ref()
            .map(|observation| observation.observed_at);
        samples.set(&f::SMTP_OBSERVATION_TIMESTAMP, labels, observed_at);
        for certificate in &address.certificates {
            self::certificate(host, address, certificate, samples);
        }
    }
    let leaves = every()
        .flat_map(|(_, address)| &address.certificates)
        .filter_map(|seen| seen.leaf.as_ref());
    samples.set(
        &f::SMTP_CERT_EARLIEST_NOT_AFTER,
        [],
        leaves.map(|leaf| leaf.not_after).min(),
    );
}

fn session(host: &HostVerdict, address: &AddressVerdict, samples: &mut Samples) {
    let Some(session) = address.session() else {
        return;
    };
    if let Some(tls) = session.tls.as_ref().filter(|tls| !tls.version.is_empty()) {
        let labels: [&dyn Display; 5] = [
            &host.name,
            &address.address,
            &tls.version,
            &tls.cipher_suite,
            &tls.key_exchange,
        ];
        samples.set(&f::SMTP_TLS_INFO, labels, true);
    }
    for (phase, seconds) in [
        (SmtpPhase::Connect, session.phases.connect),
        (SmtpPhase::Greeting, session.phases.greeting),
        (SmtpPhase::StartTls, session.phases.starttls),
        (SmtpPhase::Tls, session.phases.tls),
    ] {
        samples.set(
            &f::SMTP_PHASE_DURATION,
            [&host.name, &address.address, &phase],
            seconds,
        );
    }
}

fn certificate(
    host: &HostVerdict,
    address: &AddressVerdict,
    seen: &CertificateVerdict,
    samples: &mut Samples,
) {
    let labels: [&dyn Display; 3] = [&host.name, &address.address, &seen.key_algorithm];
    let Some(leaf) = &seen.leaf else { return };
    samples.set(&f::SMTP_CERT_NOT_BEFORE, labels, leaf.not_before);
    samples.set(&f::SMTP_CERT_NOT_AFTER, labels, leaf.not_after);
    samples.set(&f::SMTP_CERT_CHAIN_NOT_AFTER, labels, seen.chain_not_after);
    samples.set(&f::SMTP_CERT_TRUSTED, labels, seen.is_trusted());
    samples.set(&f::SMTP_CERT_NAME_MATCHES, labels, seen.name_matches());
    let texts = [
        &leaf.subject,
        &leaf.issuer,
        &leaf.serial,
        &leaf.public_key,
        &leaf.signature,
    ];
    let [subject, issuer, serial, public_key, signature] = texts.map(|text| label_text(text));
    let info: [&dyn Display; 9] = [
        &host.name,
        &address.address,
        &seen.key_algorithm,
        &subject,
        &issuer,
        &serial,
        &leaf.fingerprint_sha256,
        &public_key,
        &signature,
    ];
    samples.set(&f::SMTP_CERT_INFO, info, true);
}

fn dane(report: &Report, samples: &mut Samples) {
    let Some(domain) = report.assessment.dane else {
        return;
    };
    samples.state(&f::DANE_DOMAIN_STATUS, [], domain);
    for host in &report.assessment.hosts {
        let dane = &host.dane;
        samples.state(&f::DANE_STATUS, [&host.name], dane.status);
        if !dane.records.is_empty() || dane.status == DaneStatus::Absent {
            let unusable = dane.records.len() - dane.usable;
            samples.set(
                &f::DANE_TLSA_RECORDS,
                [&host.name, &UsabilityLabel::Usable],
                dane.usable,
            );
            samples.set(
                &f::DANE_TLSA_RECORDS,
                [&host.name, &UsabilityLabel::Unusable],
                unusable,
            );
        }
        for verdict in &dane.records {
            let record = &verdict.record;
            let association = tlsa::association_prefix(record);
            let labels: [&dyn Display; 5] = [
                &host.name,
                &record.usage,
                &record.selector,
                &record.matching_type,
                &association,
            ];
            samples.set(&f::DANE_TLSA_RECORD_MATCHES, labels, verdict.matches);
        }
        // A set with nothing usable is neither satisfied nor failed (RFC 7672 §2.2).
        for chain in dane.chains.iter().filter(|_| dane.usable > 0) {
            samples.set(
                &f::DANE_ADDRESS_MATCHES,
                [&host.name, &chain.address, &chain.key_algorithm],
                chain.matches,
            );
        }
    }
}

fn delivery(report: &Report, samples: &mut Samples) {
    let Some(delivery) = &report.assessment.delivery else {
        return;
    };
    for (sender, verdict) in delivery {
        samples.set(&f::DELIVERY_POSSIBLE, [sender], verdict.possible);
        state(samples, &f::DELIVERY_EXPECTED, sender, verdict.expected);
        state(samples, &f::DELIVERY_PROTECTION, sender, verdict.protection);
    }
}

fn state<L: ClosedSet>(
    samples: &mut Samples,
    set: &'static StateSet<L, 1>,
    label: &dyn Display,
    value: L,
) {
    samples.state(set, [label], value);
}
