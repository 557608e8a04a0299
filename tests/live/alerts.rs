//! The domains of the demo raise the alerts that they should and no others; what breaks while they are watched raises
//! its own, and resolves when it is mended; a monitor that is blind says that alone.

use std::collections::BTreeSet;
use std::time::Duration;

use mailtls_lab::Cert;
use mailtls_lab::Policy;
use mailtls_lab::SignatureFault;
use mailtls_lab::Smtp;

use crate::alone;
use crate::panels;
use crate::stack::Stack;

const BLOCKED: &str = "MailTLSDeliveryBlocked";

/// What arrives of the demo; of a domain that is not listed, nothing does.
const EXPECTED: &[(&str, &[&str])] = &[
    ("gone.example", &[BLOCKED]),
    ("wrong-name.example", &[BLOCKED]),
    ("expired.example", &[BLOCKED, "MailTLSCertificateExpiring"]),
    ("expiring.example", &["MailTLSCertificateExpiring"]),
    ("backup.example", &["MailTLSCertificateExpiring"]),
    ("farm.example", &["MailTLSMXRefused"]),
    (
        "policy-expired.example",
        &[
            "MailTLSPolicyBroken",
            "MailTLSPolicyHostCertificateExpiring",
        ],
    ),
    ("policy-404.example", &["MailTLSPolicyBroken"]),
    ("policy-redirect.example", &["MailTLSPolicyBroken"]),
    ("bad-record.example", &["MailTLSPolicyBroken"]),
    ("double-records.example", &["MailTLSPolicyBroken"]),
    ("mismatch.example", &[BLOCKED, "MailTLSDANEMismatch"]),
    ("unusable.example", &["MailTLSProtectionDowngradable"]),
    ("tlsa-unsigned.example", &["MailTLSProtectionDowngradable"]),
    ("mx-unsigned.example", &["MailTLSProtectionDowngradable"]),
    ("tlsa-servfail.example", &[BLOCKED]),
    ("ecdsa-wrong.example", &[BLOCKED, "MailTLSDANEMismatch"]),
    ("starttls-lost.example", &[BLOCKED, "MailTLSDANEMismatch"]),
    ("mx-bogus.example", &[BLOCKED, "MailTLSDNSSECBogus"]),
    ("wrong-ds.example", &[BLOCKED, "MailTLSDNSSECBogus"]),
    ("signatures-ending.example", &["MailTLSSignatureExpiring"]),
    ("throttled.example", &["MailTLSChecksIncomplete"]),
    ("refused.example", &[BLOCKED]),
    ("conflict.example", &[BLOCKED]),
];

/// What breaks, and how it is mended.
struct Breakage {
    domain: &'static str,
    why: &'static str,
    alerts: &'static [&'static str],
    break_it: fn(&Stack),
    mend: fn(&Stack),
}

const BREAKAGES: &[Breakage] = &[
    Breakage {
        domain: "dane-only.example",
        why: "the certificate is renewed with a fresh key, the TLSA record is not",
        alerts: &[BLOCKED, "MailTLSDANEMismatch"],
        break_it: |stack| {
            let fresh = Cert::self_signed().key("a fresh key");
            stack.world.set_cert("mx1.dane-only.example", &fresh);
        },
        mend: |stack| {
            let record = stack.world.tlsa("mx1.dane-only.example", "3 1 1");
            stack
                .world
                .set_records("_25._tcp.mx1.dane-only.example", "TLSA", [record.as_str()]);
        },
    },
    Breakage {
        domain: "two-keys.example",
        why: "the MX host loses STARTTLS",
        alerts: &[BLOCKED, "MailTLSDANEMismatch"],
        break_it: |stack| {
            stack
                .world
                .set_smtp("mx1.two-keys.example", &Smtp::no_starttls());
        },
        mend: |stack| stack.world.set_smtp("mx1.two-keys.example", &Smtp::new()),
    },
    Breakage {
        domain: "sts-only.example",
        why: "policy and record are removed",
        alerts: &[
            "MailTLSRecordVanished",
            "MailTLSProtectionLost",
            "MailTLSPolicyChanged",
        ],
        break_it: |stack| stack.world.remove_policy("sts-only.example"),
        mend: |stack| {
            stack
                .world
                .set_policy("sts-only.example", &Policy::enforce());
        },
    },
    Breakage {
        domain: "implicit.example",
        why: "the policy names another MX host",
        alerts: &[BLOCKED, "MailTLSMXNotAuthorized"],
        break_it: |stack| {
            let other = Policy::enforce()
                .mx("mx.elsewhere.example")
                .id("20260101T000000");
            stack.world.set_policy("implicit.example", &other);
        },
        mend: |stack| {
            let own = Policy::enforce()
                .mx("implicit.example")
                .id("20260102T000000");
            stack.world.set_policy("implicit.example", &own);
        },
    },
    Breakage {
        domain: "authority.example",
        why: "the signature of the MX records is cut off, in a zone that stays signed",
        alerts: &[BLOCKED, "MailTLSDNSSECBogus"],
        break_it: |stack| {
            let cut = SignatureFault::Missing;
            stack
                .world
                .set_signature_fault("authority.example", "MX", cut);
        },
        mend: |stack| stack.world.heal_signature("authority.example", "MX"),
    },
    Breakage {
        domain: "rollover.example",
        why: "the signatures of the zone run out",
        alerts: &[BLOCKED, "MailTLSDNSSECBogus"],
        break_it: |stack| {
            let (since, left) = (Duration::from_secs(86_400 * 30), Duration::ZERO);
            stack.world.resign("rollover.example", since, left);
        },
        mend: |stack| {
            let day = Duration::from_secs(86_400);
            stack.world.resign("rollover.example", day, day * 14);
        },
    },
];

fn named(alerts: &[(&str, &[&str])]) -> BTreeSet<(String, String)> {
    alerts
        .iter()
        .flat_map(|(domain, names)| {
            names
                .iter()
                .map(|name| ((*domain).to_owned(), (*name).to_owned()))
        })
        .collect()
}

/// Waits until exactly these fire.
fn wait_for(stack: &Stack, what: &str, expected: &BTreeSet<(String, String)>) {
    stack.wait(what, |stack| {
        let firing = stack.receiver.firing();
        let missing: Vec<_> = expected.difference(&firing).collect();
        let too_many: Vec<_> = firing.difference(expected).collect();
        (!missing.is_empty() || !too_many.is_empty())
            .then(|| format!("missing {missing:?}, too many {too_many:?}"))
    });
}

#[test]
fn what_breaks_is_told_and_what_is_mended_resolves() {
    let _alone = alone();
    let stack = Stack::start();
    let demo = named(EXPECTED);
    wait_for(&stack, "the demo", &demo);
    stack.wait("the panels", panels::complaints);

    let mut expected = demo.clone();
    for breakage in BREAKAGES {
        eprintln!("{}: {}", breakage.domain, breakage.why);
        (breakage.break_it)(&stack);
        expected.extend(named(&[(breakage.domain, breakage.alerts)]));
    }
    wait_for(&stack, "what broke", &expected);
    for breakage in BREAKAGES {
        (breakage.mend)(&stack);
    }
    wait_for(&stack, "what was mended", &demo);

    // Blind: one alert, and nothing of any domain.
    let said = stack.receiver.count();
    stack.world.stop_dns();
    stack.wait("blind", |stack| {
        let blind = stack
            .receiver
            .firing()
            .into_iter()
            .any(|(_, alert)| alert == "MailTLSMonitorBlind");
        (!blind).then(|| format!("{:?}", stack.receiver.since(said)))
    });
    stack.world.start_dns();
    wait_for(&stack, "it sees again", &demo);
    let told: BTreeSet<_> = stack
        .receiver
        .since(said)
        .into_iter()
        .filter(|notice| notice.firing && !demo.contains(&notice.subject()))
        .map(|notice| notice.subject())
        .collect();
    let blind = (String::new(), "MailTLSMonitorBlind".to_owned());
    assert_eq!(told, BTreeSet::from([blind]), "while it was blind");

    every_word_is_filled_in(&stack);
}

/// Templates were rendered, and everybody got what is theirs.
fn every_word_is_filled_in(stack: &Stack) {
    for notice in stack.receiver.since(0) {
        for (name, text) in notice
            .annotations
            .as_object()
            .expect("annotations are a map")
        {
            let text = text.as_str().expect("an annotation is text");
            for bad in [
                "<no value>",
                "<error",
                "error expanding",
                "{{",
                "}}",
                "%!",
                "NaN",
                "  ",
            ] {
                assert!(!text.contains(bad), "{name} of {notice:?} has {bad:?}");
            }
        }
        let meant = match notice.label("severity") {
            "critical" => "on-call",
            _ => "mail-team",
        };
        assert_eq!(notice.receiver, meant, "{notice:?}");
    }
}
