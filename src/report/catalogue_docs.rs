//! The reference pages: `docs/findings.md`, the runbook with an anchor for each code, and `docs/metrics.md`.

use std::fmt::Write as _;

use crate::finding::Check;
use crate::finding::Code;
use crate::report::metrics::Family;
use crate::report::metrics::Kind;
use crate::report::metrics::exporter;
use crate::report::metrics::families;

/// `docs/findings.md`.
pub fn findings() -> String {
    let mut page = String::from(
        "<!-- Generated from src/finding/catalogue.rs and src/report/monitor_runbook.md: edit these, then run UPDATE_DOCS=1 cargo test --test contract. -->\n\
         # Findings\n\n\
         What `mailtls_finding` and `check` say, what it means and what to do. Severities: **critical**: some\n\
         standards-following senders refuse, defer or can be downgraded now; **warning**: will become critical, or protection is\n\
         weaker than published; **info**: advice. Where several are listed, it depends on who is harmed. `modules.*.severity` in the\n\
         configuration says otherwise.\n\n\
         Each code is an anchor of this page, for the `runbook_url` of an alert: `findings.md#dane_tlsa_mismatch`. In the commands\n\
         `DOMAIN` is the mail domain, `HOST` an MX host and `ADDRESS` one of its addresses, as the label `about` has them\n\
         (`HOST/ADDRESS/key_algorithm`); `NAME` and `TYPE` are those of an RRset (`NAME/TYPE`), `ZONE` is the zone that holds it. The\n\
         detail of a finding says what was seen; `mailtls-exporter check DOMAIN` says all of it again, with the very records to publish.\n",
    );
    for &check in Check::ALL {
        write(&mut page, format_args!("\n## {check}\n"));
        for code in Code::ALL.iter().filter(|code| code.entry().check == check) {
            let entry = code.entry();
            let severities: Vec<&str> = entry
                .severities
                .iter()
                .map(|severity| severity.as_str())
                .collect();
            write(
                &mut page,
                format_args!(
                    "\n### {code}\n\n**{}** · {}\n\n{}\n",
                    severities.join(" or "),
                    rule_link(entry.rule),
                    entry.explanation
                ),
            );
            if let Some(whom) = entry.whom {
                write(&mut page, format_args!("\n**For whom:** {whom}\n"));
            }
            write(
                &mut page,
                format_args!(
                    "\n**How to diagnose:**\n\n```sh\n{}\n```\n\n**What to do:** {}\n",
                    entry.diagnose.join("\n"),
                    entry.advice
                ),
            );
        }
    }
    page.push_str(include_str!("monitor_runbook.md"));
    page
}

/// `RFC 7672 §2.2` as a link to that section.
fn rule_link(rule: &str) -> String {
    match rule
        .strip_prefix("RFC ")
        .and_then(|rest| rest.split_once(" §"))
    {
        Some((number, section)) => {
            format!("[{rule}](https://www.rfc-editor.org/rfc/rfc{number}#section-{section})")
        }
        None => "no RFC: this monitor's own".to_owned(),
    }
}

/// `docs/metrics.md`.
pub fn metrics() -> String {
    let mut page = String::from(
        "<!-- Generated from src/report/metrics: edit families.rs or exporter.rs, then run UPDATE_DOCS=1 cargo test --test contract. -->\n\
         # Metrics\n\n\
         A *state set* exports every state on every probe, the current one 1 and the others 0. What could not be learned is\n\
         left out, never 0. Times are Unix seconds, durations seconds, sizes bytes.\n",
    );
    let summary = families::SUMMARY.map(|name| format!("`{name}`"));
    write(
        &mut page,
        format_args!(
            "\nA module with `detail: summary` exports these alone, of the findings those of severity warning and up: {}.\n",
            summary.join(", ")
        ),
    );
    table(&mut page, "On /probe", &families::probe_families());
    table(&mut page, "On /metrics", exporter::FAMILIES);
    page
}

fn table(page: &mut String, title: &str, families: &[Family]) {
    write(
        page,
        format_args!("\n## {title}\n\n| metric | type | meaning |\n|---|---|---|\n"),
    );
    for family in families {
        let mut labels: Vec<&str> = family.labels.to_vec();
        labels.extend(family.state.iter().map(|state| state.label));
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let kind = match (family.kind, &family.state) {
            (_, Some(_)) => "state set",
            (Kind::Gauge, None) => "gauge",
            (Kind::Counter, None) => "counter",
            (Kind::Histogram, None) => "histogram",
        };
        let states = family.state.as_ref().map_or_else(String::new, |state| {
            let values: Vec<String> = (state.values)()
                .iter()
                .map(|value| format!("`{value}`"))
                .collect();
            format!(" States: {}.", values.join(", "))
        });
        write(
            page,
            format_args!(
                "| `{}{labels}` | {kind} | {}{states} |\n",
                family.name, family.help
            ),
        );
    }
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes everything");
}
