//! A report as JSON: the form that `check --output json` prints.

use serde_json::Value;
use serde_json::json;

use crate::assess::HostVerdict;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::smtp::AddressVerdict;
use crate::closed_set::ClosedSet;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::Security;
use crate::evidence::mail_routing::HostEvidence;
use crate::finding::Code;
use crate::protocol::tlsa;
use crate::protocol::tlsa::Usability;
use crate::report::Report;
use crate::report::changes::delivery_json;

/// The version of the form; grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// The report.
pub fn value(report: &Report) -> Value {
    let evidence = &report.evidence;
    let assessment = &report.assessment;
    let hosts: Vec<Value> = assessment
        .hosts
        .iter()
        .zip(&evidence.routing.hosts)
        .map(|(verdict, seen)| host(verdict, seen))
        .collect();
    let delivery = assessment.delivery.as_ref().map(|delivery| {
        let senders = delivery
            .iter()
            .map(|(sender, verdict)| (sender.text().to_owned(), delivery_json(*verdict)));
        senders.collect::<serde_json::Map<_, _>>()
    });
    let complete: serde_json::Map<_, _> = assessment
        .complete
        .iter()
        .map(|(check, reached)| (check.text().to_owned(), json!(reached)))
        .collect();
    let mut value = json!({
        "schema": SCHEMA,
        "domain": evidence.domain,
        "observed_at": evidence.observed_at,
        "duration_seconds": evidence.cost.seconds,
        "timed_out": evidence.cost.timed_out,
        "dns_queries": evidence.cost.dns_queries,
        "success": assessment.success,
        "complete": complete,
        "findings": assessment.findings,
        "delivery": delivery,
        "mx": {
            "status": assessment.mx,
            "dnssec": security(&evidence.routing.mx),
            "hosts": hosts,
        },
        "mta_sts": assessment.mta_sts.as_ref().map(|verdict| json!({
            "status": verdict.status,
            "record": assessment.mta_sts_record.as_ref().map(|record| record.status),
            "id": assessment.mta_sts_record.as_ref().and_then(|record| record.id.clone()),
            "policy": verdict.policy,
            "policy_host_not_after": verdict.host_leaf.as_ref().map(|leaf| leaf.not_after),
        })),
        "tlsrpt": assessment.tlsrpt.as_ref().map(|verdict| json!({
            "status": verdict.status,
            "rua": verdict.endpoints.iter().map(|endpoint| endpoint.uri.as_str()).collect::<Vec<_>>(),
        })),
        "dane": assessment.dane,
    });
    if let (Some(what_if), Some(changes)) = (&report.what_if, report.changes()) {
        value["assumed"] = json!(what_if.assumed);
        value["changes"] = changes.json();
    }
    value
}

/// Every finding that there can be.
pub fn catalogue() -> Value {
    let findings: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            let entry = code.entry();
            json!({
                "check": entry.check,
                "code": entry.code,
                "severities": entry.severities,
                "rfc": entry.rule,
                "explanation": entry.explanation,
                "advice": entry.advice,
            })
        })
        .collect();
    json!({"schema": SCHEMA, "findings": findings})
}

fn security<T>(lookup: &Lookup<T>) -> Value {
    let insecure_at = match &lookup.security {
        Security::Insecure(at) => Some(at),
        Security::Secure | Security::Bogus(_) | Security::Indeterminate(_) => None,
    };
    json!({
        "status": lookup.status(),
        "cause": lookup.security.cause(),
        "insecure_at": insecure_at,
        "signature_expiry": lookup.signature_expiry,
    })
}

fn host(verdict: &HostVerdict, seen: &HostEvidence) -> Value {
    let records: Vec<Value> = verdict
        .dane
        .records
        .iter()
        .map(|record| {
            json!({
                "record": record.record.to_string(),
                "association": tlsa::association_prefix(&record.record),
                "usable": record.usability == Usability::Usable,
                "matches": record.matches,
            })
        })
        .collect();
    json!({
        "name": verdict.name,
        "preference": verdict.preference,
        "authorized": verdict.authorized,
        "dnssec": {
            "a": security(&seen.a),
            "aaaa": security(&seen.aaaa),
            "tlsa": seen.tlsa.decisive().map(|question| security(&question.lookup)),
        },
        "dane": {
            "status": verdict.dane.status,
            "base": verdict.dane.base,
            "records": records,
        },
        "addresses": verdict.addresses.iter().map(|seen| address(verdict, seen)).collect::<Vec<_>>(),
    })
}

fn address(host: &HostVerdict, seen: &AddressVerdict) -> Value {
    let tls = seen.session().and_then(|session| session.tls.as_ref());
    json!({
        "address": seen.address,
        "outcome": seen.outcome,
        "observed_at": seen.observation.as_ref().map(|observation| observation.observed_at),
        "tls": tls.filter(|tls| !tls.version.is_empty()).map(|tls| json!({
            "version": tls.version,
            "cipher_suite": tls.cipher_suite,
            "key_exchange": tls.key_exchange,
        })),
        "requiretls": seen.requiretls_offered,
        "certificates": seen.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "dane_matches": host.dane.choice_matches(seen.address),
    })
}

fn certificate(seen: &CertificateVerdict) -> Value {
    json!({
        "key_algorithm": seen.key_algorithm,
        "trusted": seen.is_trusted(),
        "name_matches": seen.name_matches(),
        "reasons": seen.reasons(),
        "subject": seen.leaf.as_ref().map(|leaf| leaf.subject.as_str()),
        "issuer": seen.leaf.as_ref().map(|leaf| leaf.issuer.as_str()),
        "dns_names": seen.leaf.as_ref().map(|leaf| leaf.dns_names.as_slice()),
        "not_before": seen.leaf.as_ref().map(|leaf| leaf.not_before),
        "not_after": seen.leaf.as_ref().map(|leaf| leaf.not_after),
        "public_key": seen.leaf.as_ref().map(|leaf| leaf.public_key.as_str()),
        "fingerprint_sha256": seen.fingerprint(),
    })
}
