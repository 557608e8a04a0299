//! The catalogue of findings as `explain` prints it.

use serde_json::Value;
use serde_json::json;

use crate::finding::Check;
use crate::finding::Code;
use crate::finding::Severity;
use crate::report::text::BOLD;
use crate::report::text::DIM;
use crate::report::text::line;
use crate::report::text::styled;

/// The version of the form; grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// One code as `explain CODE --output json` prints it.
pub fn value(code: Code) -> Value {
    let mut object = entry(code);
    object["schema"] = json!(SCHEMA);
    object
}

/// Several as `explain --output json` prints them.
pub fn list_value(codes: &[Code]) -> Value {
    json!({
        "schema": SCHEMA,
        "codes": codes.iter().map(|&code| entry(code)).collect::<Vec<_>>(),
    })
}

fn entry(code: Code) -> Value {
    let entry = code.entry();
    json!({
        "check": entry.check,
        "code": code,
        "severities": entry.severities,
        "concerns": entry.check.concerns(),
        "rfc": entry.rule,
        "explanation": entry.explanation,
        "whom": entry.whom,
        "advice": entry.advice,
        "diagnose": entry.diagnose,
    })
}

/// One code for people.
pub fn render(code: Code) -> String {
    let mut out = String::new();
    let entry = code.entry();
    line(
        &mut out,
        format_args!(
            "{BOLD}{code}{BOLD:#}  {DIM}check {}: {}{DIM:#}\n",
            entry.check,
            entry.check.subject()
        ),
    );
    line(&mut out, format_args!("  {}\n", entry.explanation));
    for &severity in entry.severities.iter().rev() {
        let head = styled(severity, &format!("{severity:<8}"));
        line(&mut out, format_args!("  {head}  {}", severity.meaning()));
    }
    if let Some(whom) = entry.whom {
        line(&mut out, format_args!("            {whom}"));
    }
    line(
        &mut out,
        format_args!("  concerns  {}", entry.check.concerns()),
    );
    line(&mut out, format_args!("  rule      {}\n", entry.rule));
    line(&mut out, format_args!("  What to do: {}", entry.advice));
    if !entry.diagnose.is_empty() {
        line(&mut out, format_args!("\n  To see it:"));
        for command in entry.diagnose {
            line(&mut out, format_args!("    {command}"));
        }
    }
    out
}

/// Several for people, grouped by check.
pub fn render_list(codes: &[Code]) -> String {
    let mut out = String::new();
    for &check in Check::ALL {
        let of_check = || codes.iter().filter(|code| code.entry().check == check);
        if of_check().next().is_none() {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let subject = check.subject();
        line(
            &mut out,
            format_args!("{BOLD}{check}{BOLD:#}  {DIM}{subject}{DIM:#}"),
        );
        for code in of_check() {
            let entry = code.entry();
            let worst = entry.severities.last().copied().unwrap_or(Severity::Info);
            let words: Vec<&str> = entry.severities.iter().map(|one| one.as_str()).collect();
            let words = styled(worst, &format!("{:<21}", words.join("|")));
            line(
                &mut out,
                format_args!("  {code:<32} {words} {}", entry.explanation),
            );
        }
    }
    out
}
