//! TLSA records to publish, as `tlsa` prints them: RDATA or whole lines of a zone file, or an object for programs.

use serde_json::Value;
use serde_json::json;

use crate::domain_name::DomainName;
use crate::protocol::tlsa::Made;
use crate::protocol::tlsa::TlsaRecord;

/// The version of the form; grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// As a zone file has it: with its owner where the host is known, else what stands behind the type.
pub fn text(record: &TlsaRecord, host: Option<&DomainName>) -> String {
    match host {
        Some(host) => format!("{} IN TLSA {record}", owner(host)),
        None => record.to_string(),
    }
}

/// RFC 7672 §2.2.3.
fn owner(host: &DomainName) -> String {
    format!("_25._tcp.{host}.")
}

/// What a record is about, in words; none for a bare key.
pub fn about(made: &Made) -> Option<String> {
    let of = made.certificate.as_ref()?;
    let (subject, key, until) = (&of.subject, &of.public_key, of.not_after);
    Some(format!("{subject}, {key}, until {until}"))
}

/// As `tlsa --output json` prints them.
pub fn value(made: &[Made], host: Option<&DomainName>) -> Value {
    let records: Vec<Value> = made.iter().map(|made| record(made, host)).collect();
    json!({
        "schema": SCHEMA,
        "name": host,
        "owner": host.map(owner),
        "records": records,
    })
}

fn record(made: &Made, host: Option<&DomainName>) -> Value {
    let record = &made.record;
    let certificate = made.certificate.as_ref().map(|of| {
        json!({
            "subject": of.subject,
            "issuer": of.issuer,
            "dns_names": of.dns_names,
            "not_before": of.not_before,
            "not_after": of.not_after,
            "public_key": of.public_key,
            "fingerprint_sha256": of.fingerprint_sha256,
        })
    });
    json!({
        "usage": record.usage,
        "selector": record.selector,
        "matching_type": record.matching_type,
        "data": data_encoding::HEXLOWER.encode(&record.data),
        "record": record.to_string(),
        "line": host.map(|host| text(record, Some(host))),
        "certificate": certificate,
        "notes": made.notes,
    })
}
