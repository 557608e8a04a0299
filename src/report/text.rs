//! A report for people: first whether mail arrives and how well protected, then what is wrong and what to do, then what
//! was seen. Styled with ANSI sequences, which the command line strips where nobody sees colours.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use anstyle::Style;
use comfy_table::Table;
use comfy_table::presets;

use crate::assess::HostVerdict;
use crate::assess::certificate::CertificateVerdict;
use crate::assess::dane::DaneStatus;
use crate::assess::delivery::AddressFact;
use crate::assess::delivery::Delivery;
use crate::assess::delivery::Expected;
use crate::assess::delivery::Protection;
use crate::assess::delivery::Sender;
use crate::assess::mx::MxStatus;
use crate::assess::smtp::AddressVerdict;
use crate::evidence::dns::Lookup;
use crate::evidence::smtp::SmtpOutcome;
use crate::finding::Code;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::finding::catalogue::NO_RULE;
use crate::report::Report;
use crate::report::SelfReport;
use crate::report::changes::Changes;
use crate::report::metrics::exposition::label_text;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();

/// What is wrong with the monitor itself; empty when nothing is.
pub fn render_self(report: &SelfReport) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        print_finding(' ', finding, &mut out);
    }
    out
}

/// The report.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    let domain = &report.evidence.domain;
    line(&mut out, format_args!("{BOLD}{domain}{BOLD:#}"));
    let changes = report.changes();
    for assumed in report.what_if.iter().flat_map(|what_if| &what_if.assumed) {
        line(
            &mut out,
            format_args!("  {BOLD}Assumed: {}{BOLD:#}", printable(assumed)),
        );
    }
    if changes.as_ref().is_some_and(Changes::is_empty) {
        line(
            &mut out,
            format_args!("  {BOLD}It changes nothing.{BOLD:#}"),
        );
    }
    for sentence in summary(report) {
        line(&mut out, format_args!("  {sentence}"));
    }
    if let Some(delivery) = delivery_table(report) {
        out.push('\n');
        table(&mut out, &delivery);
    }
    findings(report, changes.as_ref(), &mut out);
    seen(report, &mut out);
    out
}

pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes everything");
}

/// Indented, without trailing blanks.
fn table(out: &mut String, table: &Table) {
    for row in table.lines() {
        line(out, format_args!("  {}", row.trim_end()));
    }
}

/// Whether mail arrives, and how well protected: the two things to know at three in the morning.
fn summary(report: &Report) -> Vec<String> {
    let assessment = &report.assessment;
    match assessment.mx {
        MxStatus::Null => {
            return vec!["This domain takes no mail, and says so (null MX).".to_owned()];
        }
        MxStatus::NxDomain => {
            return vec!["There is no such domain: nobody can send mail to it.".to_owned()];
        }
        MxStatus::None => {
            return vec![
                "This domain has neither MX nor address: nobody can send mail to it.".to_owned(),
            ];
        }
        MxStatus::Ok | MxStatus::Implicit | MxStatus::Invalid | MxStatus::Unknown => {}
    }
    let Some(delivery) = &assessment.delivery else {
        return Vec::new();
    };
    let named = |wanted: &dyn Fn(&Delivery) -> bool| -> Vec<&str> {
        delivery
            .iter()
            .filter(|(_, verdict)| wanted(verdict))
            .map(|(sender, _)| people(*sender))
            .collect()
    };
    let refused = named(&|verdict| verdict.possible == Some(false));
    let unknown = named(&|verdict| verdict.possible.is_none());
    let arrives = if refused.len() == Sender::ALL.len() {
        styled(
            Severity::Critical,
            "Mail does not arrive: every kind of sender is refused.",
        )
    } else if !refused.is_empty() {
        let text = format!("Mail does not arrive from {}.", refused.join(", "));
        styled(Severity::Critical, &text)
    } else if !unknown.is_empty() {
        let text = format!(
            "Whether mail arrives could not be found out for {}.",
            unknown.join(", ")
        );
        styled(Severity::Warning, &text)
    } else if report
        .findings()
        .iter()
        .any(|finding| finding.code == Code::MxNullWithOthers)
    {
        // RFC 7505 §3 lays down nothing for senders.
        let text =
            "Mail arrives from senders that pass over the null MX: others bounce everything.";
        styled(Severity::Critical, text)
    } else {
        format!("{GOOD}Mail arrives from every kind of sender.{GOOD:#}")
    };
    let protected = named(&|verdict| verdict.protection == Protection::Authenticated);
    let unclear = delivery
        .values()
        .any(|verdict| verdict.protection == Protection::Unknown);
    // RFC 8461 §10.2: at first contact an attacker who blocks the policy brings an MTA-STS sender down.
    let first_contact = match [Sender::MtaSts, Sender::Dane]
        .map(|sender| delivery.get(&sender).map(|verdict| verdict.protection))
    {
        [
            Some(Protection::Authenticated),
            Some(Protection::Authenticated),
        ] => " (MTA-STS senders once they hold the policy: not at first contact.)",
        [Some(Protection::Authenticated), _] => {
            " (Once they hold the policy: not at first contact.)"
        }
        _ => "",
    };
    let protection = if !protected.is_empty() {
        format!(
            "{GOOD}Protected against an active attacker: {}.{GOOD:#}{first_contact}",
            protected.join(", ")
        )
    } else if unclear {
        styled(
            Severity::Warning,
            "Whether anybody is protected against an active attacker could not be found out.",
        )
    } else if refused.len() == Sender::ALL.len() {
        // Whoever finds no server alive takes the attacker's.
        let exposed = named(&|verdict| {
            matches!(verdict.protection, Protection::None | Protection::Encrypted)
        });
        let text = format!(
            "Nobody is protected: an active attacker who plays a mail server can read and change the mail of {}.",
            exposed.join(", ")
        );
        styled(Severity::Warning, &text)
    } else {
        let text = "Nobody is protected: an active attacker can read and change the mail of every kind of sender that delivers.";
        styled(Severity::Warning, text)
    };
    vec![arrives, protection]
}

const fn people(sender: Sender) -> &'static str {
    match sender {
        Sender::Opportunistic => "senders that check nothing",
        Sender::MtaSts => "MTA-STS senders",
        Sender::Dane => "DANE senders",
        Sender::DaneAndMtaSts => "senders that do both",
    }
}

/// Each kind of sender; where something is assumed and that makes a difference, before and after. None where the domain
/// takes no mail.
fn delivery_table(report: &Report) -> Option<Table> {
    let after = report.assessment.delivery.as_ref();
    let what_if = report.what_if.as_ref();
    let before = what_if.map_or(after, |what_if| what_if.before.delivery.as_ref());
    before.or(after)?;
    let mut table = plain_table();
    table.set_header([
        "sender",
        "delivers",
        "how",
        "an attacker can bring it down to",
    ]);
    for sender in Sender::ALL {
        let [before, after] =
            [before, after].map(|known| delivery_words(known.and_then(|known| known.get(sender))));
        let cells = before.iter().zip(after).map(|(before, after)| {
            if *before == after {
                after.to_owned()
            } else {
                format!("{before} → {after}")
            }
        });
        let row = [people(*sender).to_owned()].into_iter().chain(cells);
        table.add_row(row);
    }
    Some(table)
}

const fn delivery_words(verdict: Option<&Delivery>) -> [&'static str; 3] {
    let Some(verdict) = verdict else {
        return ["no mail", "not at all", "nothing: there is no mail"];
    };
    let possible = match verdict.possible {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let expected = match verdict.expected {
        Expected::Cleartext => "in the clear",
        Expected::Encrypted => "encrypted",
        Expected::Authenticated => "encrypted, to the right server",
        Expected::Refused => "refused",
        Expected::Unknown => "unknown",
    };
    let protection = match verdict.protection {
        Protection::None => "reading and changing mail",
        Protection::Encrypted => "encryption to anybody",
        Protection::Authenticated => "nothing: it is protected",
        Protection::Refused => "no delivery",
        Protection::Unknown => "unknown",
    };
    [possible, expected, protection]
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

/// What was found; of what assumptions change, what appears has a plus before it, and what disappears a minus.
fn findings(report: &Report, changes: Option<&Changes<'_>>, out: &mut String) {
    out.push('\n');
    let findings = report.findings();
    let blind = blind_checks(report);
    if !blind.is_empty() {
        let text = format!("Not found out: {}.", blind.join(", "));
        line(out, format_args!("  {}", styled(Severity::Warning, &text)));
    }
    if findings.is_empty() && blind.is_empty() {
        line(
            out,
            format_args!("  {GOOD}Nothing to complain about.{GOOD:#}"),
        );
    }
    for finding in findings {
        let is_new = changes.is_some_and(|changes| changes.is_new(finding));
        print_finding(if is_new { '+' } else { ' ' }, finding, out);
    }
    for finding in changes.iter().flat_map(|changes| &changes.disappeared) {
        print_head('−', finding, out);
    }
}

fn print_head(mark: char, finding: &Finding, out: &mut String) {
    let Finding {
        severity,
        code,
        about,
        ..
    } = finding;
    let about = if about.is_empty() {
        String::new()
    } else {
        format!("  {}", label_text(about))
    };
    let head = styled(*severity, &format!("{:<8}", severity.as_str()));
    line(
        out,
        format_args!("{mark} {head} {BOLD}{code}{BOLD:#}{about}"),
    );
}

pub(super) fn print_finding(mark: char, finding: &Finding, out: &mut String) {
    print_head(mark, finding, out);
    let Finding { code, .. } = finding;
    line(
        out,
        format_args!("           {}", printable(&finding.detail)),
    );
    let rule = match code.entry().rule {
        NO_RULE => String::new(),
        rule => format!(" ({rule})"),
    };
    let advice = printable(finding.advice());
    line(out, format_args!("           {DIM}→ {advice}{rule}{DIM:#}"));
}

/// The checks that reached no verdict: the monitor was blind, whatever else stands here.
fn blind_checks(report: &Report) -> Vec<&'static str> {
    let complete = report.assessment.complete.iter();
    complete
        .filter(|(_, reached)| !reached)
        .map(|(check, _)| check.as_str())
        .collect()
}

/// What a stranger's server said, without anything that a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            // Marks of direction and width, which make a text read as another.
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

pub(super) fn styled(severity: Severity, text: &str) -> String {
    let style = match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Info => AnsiColor::Cyan.on_default(),
    };
    format!("{style}{text}{style:#}")
}

fn seen(report: &Report, out: &mut String) {
    let evidence = &report.evidence;
    let assessment = &report.assessment;
    out.push('\n');
    let mut facts = plain_table();
    facts.add_row([
        "MX".to_owned(),
        format!("{}, {}", assessment.mx, dnssec(&evidence.routing.mx)),
    ]);
    if let Some(verdict) = &assessment.mta_sts {
        let policy = verdict.policy.as_ref().map_or_else(String::new, |policy| {
            let patterns: Vec<&str> = policy
                .mx
                .iter()
                .map(super::super::protocol::mta_sts::pattern::Pattern::as_str)
                .collect();
            let mx = match patterns.as_slice() {
                [] => String::new(),
                patterns => format!(", mx {}", patterns.join(" ")),
            };
            format!(", max_age {} s{mx}", policy.max_age)
        });
        facts.add_row(["MTA-STS".to_owned(), format!("{}{policy}", verdict.status)]);
    }
    if let Some(status) = assessment.dane {
        facts.add_row(["DANE".to_owned(), status.to_string()]);
    }
    if let Some(verdict) = &assessment.tlsrpt {
        let to: Vec<String> = verdict
            .endpoints
            .iter()
            .map(|endpoint| printable(&endpoint.uri))
            .collect();
        let to = if to.is_empty() {
            String::new()
        } else {
            format!(", {}", to.join(" "))
        };
        facts.add_row(["TLS-RPT".to_owned(), format!("{}{to}", verdict.status)]);
    }
    table(out, &facts);
    if !assessment.hosts.is_empty() {
        out.push('\n');
        let mut hosts = plain_table();
        hosts.set_header([
            "MX host",
            "address",
            "SMTP",
            "certificate",
            "DANE",
            "policy",
        ]);
        for host in &assessment.hosts {
            host_rows(host, &mut hosts);
        }
        table(out, &hosts);
    }
    let cost = &evidence.cost;
    let queries = match cost.dns_queries {
        1 => "query",
        _ => "queries",
    };
    let cut = if cost.timed_out {
        ", cut by the deadline"
    } else {
        ""
    };
    line(
        out,
        format_args!(
            "\n  {DIM}{:.1} s, {} DNS {queries}{cut}{DIM:#}",
            cost.seconds, cost.dns_queries
        ),
    );
}

fn dnssec<T>(lookup: &Lookup<T>) -> String {
    let status = lookup.status();
    match lookup.security.cause() {
        Some(cause) => format!("{status}: {}", printable(&cause)),
        None => status.to_string(),
    }
}

fn host_rows(host: &HostVerdict, table: &mut Table) {
    let name = match host.preference {
        Some(preference) => format!("{preference} {}", host.name),
        None => host.name.to_string(),
    };
    let policy = match host.authorized {
        Some(true) => "named",
        Some(false) => "not named",
        None => "",
    };
    if host.addresses.is_empty() {
        let address = match host.address {
            AddressFact::LookupFailed => "look-up failed",
            AddressFact::Unknown => "unknown",
            AddressFact::Bogus => "bogus",
            AddressFact::Ok
            | AddressFact::OneFamily
            | AddressFact::None
            | AddressFact::NoneInsecure => "none",
        };
        table.add_row([&name, address, "", "", host.dane.status.as_str(), policy]);
    }
    for (at, address) in host.addresses.iter().enumerate() {
        let tls = address.session().and_then(|session| session.tls.as_ref());
        let smtp = match tls.filter(|tls| !tls.version.is_empty()) {
            Some(tls) if address.outcome == SmtpOutcome::Tls => {
                printable(&format!("{}, {}", tls.version, tls.key_exchange))
            }
            Some(tls) => printable(&format!("{} ({})", address.outcome, tls.version)),
            None => address.outcome.to_string(),
        };
        let first = at == 0;
        let dane = if first {
            dane_words(host)
        } else {
            String::new()
        };
        table.add_row([
            if first { name.clone() } else { String::new() },
            address.address.to_string(),
            smtp,
            certificate_words(address),
            dane,
            if first {
                policy.to_owned()
            } else {
                String::new()
            },
        ]);
    }
}

fn certificate_words(address: &AddressVerdict) -> String {
    let words = |certificate: &CertificateVerdict| {
        let until = certificate.leaf.as_ref().map_or_else(
            || "unreadable".to_owned(),
            |leaf| leaf.not_after.to_string().chars().take(10).collect(),
        );
        let verdict = if certificate.is_valid() {
            "valid"
        } else {
            "not valid"
        };
        format!("{} {verdict}, until {until}", certificate.key_algorithm)
    };
    let all: Vec<String> = address.certificates.iter().map(words).collect();
    all.join("; ")
}

fn dane_words(host: &HostVerdict) -> String {
    let dane = &host.dane;
    match dane.status {
        DaneStatus::Match | DaneStatus::Mismatch | DaneStatus::Unusable => {
            format!("{} ({} TLSA)", dane.status, dane.records.len())
        }
        DaneStatus::Absent | DaneStatus::Insecure | DaneStatus::Bogus | DaneStatus::Unknown => {
            dane.status.to_string()
        }
    }
}
