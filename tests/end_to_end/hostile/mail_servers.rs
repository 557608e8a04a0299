//! Attacks of mail servers: before TLS, instead of TLS, and inside TLS.

use mailtls_lab::Cert;
use mailtls_lab::Mx;
use mailtls_lab::Script;
use mailtls_lab::Smtp;

use crate::hostile::Attack;
use crate::hostile::FATAL_ALERT;
use crate::hostile::SECOND;
use crate::hostile::WARNING;
use crate::hostile::repeat;

const TLS: &str = "mailtls_smtp_outcome{outcome=\"tls\"} 1";
const TLS_FAILED: &str = "mailtls_smtp_outcome{outcome=\"tls_failed\"} 1";
const PROTOCOL_ERROR: &str = "mailtls_smtp_outcome{outcome=\"protocol_error\"} 1";
const TIMEOUT: &str = "mailtls_smtp_outcome{outcome=\"timeout\"} 1";

const BLOCKED: &str = "critical delivery_blocked";
const NO_SMTP: [&str; 2] = ["warning smtp_protocol_error", BLOCKED];
const NO_TLS: [&str; 1] = ["warning smtp_tls_failed"];
const SLOW: [&str; 1] = ["warning smtp_timeout"];

/// All of them.
pub(super) fn mail_servers() -> Vec<Attack> {
    let scripted = Smtp::scripted;
    let line = "250-FILLER and more of it\r\n";
    let instead = |script: Script| Smtp::instead_of_tls(Script::new().hear().then(script));
    vec![
        smtp("never a word", Smtp::silent(), TIMEOUT, SLOW),
        smtp(
            "one octet of the greeting a second",
            scripted(Script::new().say("220 ").every(SECOND, "x")),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "one line of the greeting a second",
            scripted(Script::new().every(SECOND, "220-wait\r\n")),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "one line of the EHLO reply a second",
            scripted(greeting().hear().every(SECOND, line)),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "a line without end",
            scripted(
                Script::new()
                    .say("220 ")
                    .repeat_for_ever(repeat("x", 65_536)),
            ),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "a greeting without end",
            scripted(Script::new().repeat_for_ever(repeat("220-and another line\r\n", 65_536))),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "100,000 lines of EHLO",
            scripted(
                greeting()
                    .hear()
                    .repeat(100, line.repeat(1000))
                    .say("250 STARTTLS\r\n")
                    .hang(),
            ),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "NUL for ever",
            scripted(Script::new().repeat_for_ever(vec![0; 65_536])),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp("closed at once", Smtp::closes(), PROTOCOL_ERROR, NO_SMTP),
        smtp(
            "closed on EHLO",
            scripted(greeting().hear()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "closed on STARTTLS",
            scripted(ehlo().hear()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "closed before the hello",
            Smtp::instead_of_tls(Script::new()),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "closed on the hello",
            Smtp::tls_closes(),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "closed inside TLS",
            Smtp::in_tls(Script::new()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "closed inside TLS on EHLO",
            Smtp::in_tls(Script::new().hear()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "reset at once",
            scripted(Script::new().reset()),
            "mailtls_smtp_outcome{outcome=\"unreachable\"} 1",
            ["warning smtp_connect_failed", BLOCKED],
        ),
        smtp(
            "reset on EHLO",
            scripted(greeting().hear().reset()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "reset on STARTTLS",
            scripted(ehlo().hear().reset()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "reset on the hello",
            instead(Script::new().reset()),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "reset inside TLS",
            Smtp::in_tls(Script::new().hear().reset()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp("silent on the hello", Smtp::tls_hangs(), TIMEOUT, SLOW),
        smtp(
            "garbage on the hello",
            Smtp::tls_garbage(),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "garbage for ever",
            instead(Script::new().repeat_for_ever(vec![0x55; 65_536])),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "one octet of a handshake a second",
            instead(Script::new().say([22, 3, 3, 0x40, 0, 2]).every(SECOND, [0])),
            TIMEOUT,
            SLOW,
        ),
        smtp(
            "a storm of warnings",
            instead(Script::new().repeat_for_ever(WARNING.repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "a storm of fatal alerts",
            instead(Script::new().repeat_for_ever(FATAL_ALERT.repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "empty records for ever",
            instead(Script::new().repeat_for_ever([22, 3, 3, 0, 0].repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "change of ciphers for ever",
            instead(Script::new().repeat_for_ever([20, 3, 3, 0, 1, 1].repeat(1000))),
            TLS_FAILED,
            NO_TLS,
        ),
        smtp(
            "a line without end inside TLS",
            Smtp::in_tls(
                Script::new()
                    .hear()
                    .say("250-")
                    .repeat_for_ever(repeat("x", 65_536)),
            ),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "100,000 lines of EHLO inside TLS",
            Smtp::in_tls(Script::new().hear().repeat(100, line.repeat(1000)).hang()),
            PROTOCOL_ERROR,
            NO_SMTP,
        ),
        smtp(
            "silent inside TLS",
            Smtp::in_tls(Script::new().hang()),
            TIMEOUT,
            SLOW,
        ),
        mx(
            "a chain of 10 MB",
            Mx::new("mx1").cert(Cert::valid().with_octets(10_000_000)),
            TLS_FAILED,
            NO_TLS,
        ),
        mx(
            "150 intermediates of one name",
            Mx::new("mx1").cert(Cert::valid().with_namesakes(150)),
            TLS,
            [],
        ),
        mx(
            "200 intermediates of one name",
            Mx::new("mx1").cert(Cert::valid().with_namesakes(200)),
            TLS_FAILED,
            NO_TLS,
        ),
    ]
}

fn smtp<const N: usize>(
    why: &'static str,
    server: Smtp,
    outcome: &'static str,
    finds: [&'static str; N],
) -> Attack {
    mx(why, Mx::new("mx1").smtp(server), outcome, finds)
}

fn mx<const N: usize>(
    why: &'static str,
    host: Mx,
    outcome: &'static str,
    finds: [&'static str; N],
) -> Attack {
    let mut finds = finds.to_vec();
    finds.push("info mta_sts_record_absent");
    Attack {
        why,
        domain: Box::new(move |domain| domain.mx(host.clone())),
        finds,
        exports: outcome,
    }
}

/// Says hello and offers STARTTLS.
fn greeting() -> Script {
    Script::new().say("220 mx ESMTP\r\n")
}

fn ehlo() -> Script {
    greeting().hear().say("250-mx\r\n250 STARTTLS\r\n")
}
