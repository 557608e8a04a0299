//! One look-up for people and for programs: what was answered, and the chain of trust link by link to where it holds or
//! ends.

use serde_json::Value;
use serde_json::json;

use crate::assess::dnssec::words;
use crate::clock::UnixTime;
use crate::evidence::dns::Answer;
use crate::evidence::dns::ChainLink;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::DsSeen;
use crate::evidence::dns::KeySeen;
use crate::evidence::dns::Lookup;
use crate::evidence::dns::Security;
use crate::finding::Severity;
use crate::protocol::dnssec::Question;
use crate::protocol::dnssec::algorithm_text;
use crate::report::text::BOLD;
use crate::report::text::DIM;
use crate::report::text::GOOD;
use crate::report::text::line;
use crate::report::text::printable;
use crate::report::text::styled;

/// The version of the form; grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// A look-up as it was asked and answered.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// What was asked.
    pub question: Question,
    /// What came of it, records as zone files write them.
    pub lookup: Lookup<String>,
    /// Queries sent upstream for it.
    pub queries: u64,
    /// When.
    pub asked_at: UnixTime,
}

impl Resolution {
    /// There should be a valid signature or proof, and there is none.
    pub const fn is_bogus(&self) -> bool {
        matches!(self.lookup.status(), DnssecStatus::Bogus)
    }

    /// Nothing on the way was left open.
    pub const fn is_known(&self) -> bool {
        !matches!(self.lookup.status(), DnssecStatus::Indeterminate)
    }
}

/// As `resolve --output json` prints it.
pub fn value(resolution: &Resolution) -> Value {
    let lookup = &resolution.lookup;
    let kind = match &lookup.answer {
        Answer::Data(_) => "data",
        Answer::NoData => "nodata",
        Answer::NxDomain => "nxdomain",
        Answer::Unknown => "unknown",
    };
    let insecure_at = match &lookup.security {
        Security::Insecure(at) => Some(at),
        Security::Secure | Security::Bogus(_) | Security::Indeterminate(_) => None,
    };
    json!({
        "schema": SCHEMA,
        "name": resolution.question.name(),
        "type": resolution.question.rtype(),
        "status": lookup.status(),
        "cause": lookup.security.cause(),
        "kind": kind,
        "rrset": lookup.records(),
        "aliases": lookup.aliases,
        "signature_expiry": lookup.signature_expiry,
        "algorithms": lookup.algorithms().into_iter().map(algorithm_text).collect::<Vec<_>>(),
        "insecure_at": insecure_at,
        "chain": lookup.chain.iter().map(|link| link_value(link)).collect::<Vec<_>>(),
        "queries": resolution.queries,
    })
}

fn link_value(link: &ChainLink) -> Value {
    let ds = |ds: &DsSeen| {
        json!({
            "tag": ds.tag,
            "algorithm": algorithm_text(ds.algorithm),
            "digest": digest_text(ds.digest),
        })
    };
    let key = |key: &KeySeen| {
        json!({
            "tag": key.tag,
            "flags": key.flags,
            "algorithm": algorithm_text(key.algorithm),
            "rsa_bits": key.rsa_bits,
        })
    };
    json!({
        "zone": link.zone,
        "status": link.status,
        "detail": link.detail,
        "ds": link.ds.iter().map(ds).collect::<Vec<_>>(),
        "keys": link.keys.iter().map(key).collect::<Vec<_>>(),
        "signature": link.signature,
    })
}

/// For people; styled as a report is.
pub fn render(resolution: &Resolution) -> String {
    let mut out = String::new();
    let lookup = &resolution.lookup;
    let name = printable(resolution.question.name());
    let rtype = resolution.question.rtype();
    line(&mut out, format_args!("{BOLD}{name} {rtype}{BOLD:#}"));
    line(&mut out, format_args!("  {}\n", verdict(lookup)));
    let width = lookup
        .chain
        .iter()
        .map(|link| printable(&link.zone).chars().count())
        .max()
        .unwrap_or(0);
    for link in &lookup.chain {
        print_link(link, width, resolution.asked_at, &mut out);
    }
    if !lookup.chain.is_empty() {
        out.push('\n');
    }
    answer(lookup, &mut out);
    let expiry = lookup.signature_expiry.map_or_else(String::new, |expiry| {
        format!(
            "the first signature {}; ",
            ending(expiry, resolution.asked_at)
        )
    });
    let queries = match resolution.queries {
        1 => "1 query".to_owned(),
        many => format!("{many} queries"),
    };
    line(&mut out, format_args!("\n  {DIM}{expiry}{queries}{DIM:#}"));
    out
}

/// The one sentence to act on.
fn verdict<T>(lookup: &Lookup<T>) -> String {
    match &lookup.security {
        Security::Secure => {
            let what = if lookup.is_denied() {
                "denial"
            } else {
                "answer"
            };
            format!("{GOOD}secure: signatures lead from the trust anchor to this {what}{GOOD:#}")
        }
        Security::Insecure(at) => {
            let (from, reason) = (printable(&at.name), printable(&at.reason));
            let text = format!("insecure: not signed from {from} on: {reason}");
            styled(Severity::Warning, &text)
        }
        Security::Bogus(cause) => {
            styled(Severity::Critical, &format!("bogus: {}", printable(cause)))
        }
        Security::Indeterminate(failure) => {
            let failure = printable(&failure.to_string());
            styled(Severity::Warning, &format!("indeterminate: {failure}"))
        }
    }
}

fn print_link(link: &ChainLink, width: usize, now: UnixTime, out: &mut String) {
    let status = format!("{:<13}", link.status.as_str());
    let status = match link.status {
        DnssecStatus::Secure => format!("{GOOD}{status}{GOOD:#}"),
        DnssecStatus::Insecure | DnssecStatus::Indeterminate => styled(Severity::Warning, &status),
        DnssecStatus::Bogus => styled(Severity::Critical, &status),
    };
    let zone = printable(&link.zone);
    let detail = printable(&link.detail);
    line(out, format_args!("  {zone:<width$}  {status}  {detail}"));
    let indent = width + 19;
    let mut more = |what: &str, text: &str| {
        if !text.is_empty() {
            line(
                out,
                format_args!("{:indent$}{DIM}{what:<9} {text}{DIM:#}", ""),
            );
        }
    };
    let ds: Vec<String> = link
        .ds
        .iter()
        .map(|ds| {
            let algorithm = algorithm_text(ds.algorithm);
            format!("{} {algorithm} {}", ds.tag, digest_text(ds.digest))
        })
        .collect();
    more("DS", &ds.join(", "));
    let keys: Vec<String> = link.keys.iter().map(key_words).collect();
    more("DNSKEY", &keys.join(", "));
    if let Some(signature) = link.signature {
        more("signature", &ending(signature.expiration, now));
    }
}

fn key_words(key: &KeySeen) -> String {
    let bits = key
        .rsa_bits
        .map_or_else(String::new, |bits| format!(" {bits} bits"));
    let algorithm = algorithm_text(key.algorithm);
    format!("{} {algorithm}{bits} (flags {})", key.tag, key.flags)
}

fn answer(lookup: &Lookup<String>, out: &mut String) {
    for alias in &lookup.aliases {
        let (owner, target) = (printable(&alias.owner), printable(&alias.target));
        line(
            out,
            format_args!("  {owner} is an alias of {target} ({})", alias.status),
        );
    }
    match &lookup.answer {
        Answer::Data(records) => {
            for record in records {
                line(out, format_args!("  {}", printable(record)));
            }
        }
        Answer::NoData => line(
            out,
            format_args!("  The name exists, and has no record of this type."),
        ),
        Answer::NxDomain => line(out, format_args!("  There is no such name.")),
        Answer::Unknown => line(out, format_args!("  Nothing was learned of the records.")),
    }
}

fn ending(at: UnixTime, now: UnixTime) -> String {
    let left = now.until(at);
    if left < 0 {
        format!("ended {} ago, at {at}", words(left))
    } else {
        format!("ends in {}, at {at}", words(left))
    }
}

fn digest_text(number: u8) -> String {
    match number {
        1 => "SHA-1".to_owned(),
        2 => "SHA-256".to_owned(),
        4 => "SHA-384".to_owned(),
        _ => format!("digest {number}"),
    }
}
