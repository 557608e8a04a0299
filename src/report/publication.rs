//! What `lint` says of a draft: for programs in the form that `check` has too, for people in a few lines.

use serde_json::Value;
use serde_json::json;

use crate::assess::dnssec::words;
use crate::assess::publication::Kind;
use crate::assess::publication::Parsed;
use crate::assess::publication::Publication;
use crate::finding::Severity;
use crate::protocol::mta_sts::Pattern;
use crate::protocol::tlsa::TlsaRecord;
use crate::report::text::BOLD;
use crate::report::text::DIM;
use crate::report::text::GOOD;
use crate::report::text::line;
use crate::report::text::print_finding;
use crate::report::text::printable;
use crate::report::text::styled;

/// The version of the form; grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// As `lint --output json` prints it.
pub fn value(publication: &Publication) -> Value {
    json!({
        "schema": SCHEMA,
        "kind": publication.kind,
        "domain": publication.name,
        "valid": publication.is_valid,
        "parsed": parsed(&publication.parsed),
        "findings": publication.findings,
        "notes": publication.notes,
    })
}

fn parsed(parsed: &Parsed) -> Value {
    let fields = |fields: &[(String, String)]| {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)));
        fields.collect::<serde_json::Map<_, _>>()
    };
    match parsed {
        Parsed::Nothing => Value::Null,
        Parsed::Policy(policy) => json!(policy),
        Parsed::MtaStsRecord(record) => json!({
            "v": "STSv1",
            "id": record.id,
            "extensions": fields(&record.extensions),
        }),
        Parsed::TlsRptRecord(record) => json!({
            "v": "TLSRPTv1",
            "rua": record.rua.iter().map(|endpoint| endpoint.uri.as_str()).collect::<Vec<_>>(),
            "extensions": fields(&record.extensions),
        }),
        Parsed::Tlsa(records) => match records.as_slice() {
            [one] => json!(one),
            several => json!(several),
        },
    }
}

/// For people; styled as a report is.
pub fn render(publication: &Publication) -> String {
    let mut out = String::new();
    let what = match publication.kind {
        Kind::MtaStsPolicy => "MTA-STS policy",
        Kind::MtaStsRecord => "MTA-STS record",
        Kind::TlsRptRecord => "TLS-RPT record",
        Kind::Tlsa => "TLSA",
    };
    let of = publication
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" of {}", printable(name)));
    line(&mut out, format_args!("{BOLD}{what}{of}{BOLD:#}"));
    let worst = publication.findings.first().map(|finding| finding.severity);
    let verdict = if publication.is_valid {
        let but = if worst >= Some(Severity::Warning) {
            styled(Severity::Warning, ", but see below")
        } else {
            String::new()
        };
        format!("{GOOD}valid{GOOD:#}{but}")
    } else {
        styled(Severity::Critical, not_valid(publication.kind))
    };
    line(&mut out, format_args!("  {verdict}"));
    for text in read(&publication.parsed) {
        line(&mut out, format_args!("  {}", printable(&text)));
    }
    for note in &publication.notes {
        line(
            &mut out,
            format_args!("  {DIM}({}){DIM:#}", printable(note)),
        );
    }
    if !publication.findings.is_empty() {
        out.push('\n');
    }
    for finding in &publication.findings {
        print_finding(' ', finding, &mut out);
    }
    out
}

const fn not_valid(kind: Kind) -> &'static str {
    match kind {
        Kind::MtaStsPolicy => "not valid: senders cannot use it",
        Kind::MtaStsRecord => "not valid: senders do not ask for the policy",
        Kind::TlsRptRecord => "not valid: senders send no reports",
        Kind::Tlsa => "not valid: senders pass over what they cannot use",
    }
}

/// What senders read, a line each.
fn read(parsed: &Parsed) -> Vec<String> {
    match parsed {
        Parsed::Nothing => Vec::new(),
        Parsed::Policy(policy) => {
            let age = words(i64::from(policy.max_age));
            let mx: Vec<&str> = policy.mx.iter().map(Pattern::as_str).collect();
            let mx = if mx.is_empty() {
                String::new()
            } else {
                format!(", mx {}", mx.join(" "))
            };
            let seconds = policy.max_age;
            vec![format!(
                "mode {}, max_age {seconds} s ({age}){mx}",
                policy.mode
            )]
        }
        Parsed::MtaStsRecord(record) => vec![format!("id {}", record.id)],
        Parsed::TlsRptRecord(record) => record
            .rua
            .iter()
            .map(|endpoint| format!("reports go to {}", endpoint.uri))
            .collect(),
        Parsed::Tlsa(records) => records.iter().map(TlsaRecord::to_string).collect(),
    }
}
