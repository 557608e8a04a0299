//! Attacks of policy hosts: instead of TLS, and instead of a policy.

use std::io::Write as _;

use mailtls_lab::Cert;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Script;

use crate::hostile::Attack;
use crate::hostile::FATAL_ALERT;
use crate::hostile::SECOND;
use crate::hostile::WARNING;
use crate::hostile::repeat;

const UNKNOWN: &str = "mailtls_mta_sts_status{status=\"unknown\"} 1";
const BROKEN: &str = "mailtls_mta_sts_status{status=\"broken\"} 1";
const STS_TLS: [&str; 1] = ["critical mta_sts_tls_failed"];
const STS_HTTP: [&str; 1] = ["critical mta_sts_http_status"];
const STS_SLOW: [&str; 1] = ["warning mta_sts_timeout"];

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";

/// All of them.
pub(super) fn policy_hosts() -> Vec<Attack> {
    let tls = |script| Policy::enforce().instead_of_tls(script);
    let http = |script| Policy::enforce().in_tls(script);
    let answer = |rest: &str| Script::new().say(format!("{OK}{rest}"));
    vec![
        policy(
            "silent on the hello",
            Policy::enforce().hangs(),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "silent on the request",
            Policy::enforce().hangs_after_tls(),
            UNKNOWN,
            STS_SLOW,
        ),
        policy("closed on the hello", tls(Script::new()), BROKEN, STS_TLS),
        policy(
            "reset on the hello",
            tls(Script::new().reset()),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "garbage for ever",
            tls(Script::new().repeat_for_ever(vec![0x55; 65_536])),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "a storm of warnings",
            tls(Script::new().repeat_for_ever(WARNING.repeat(1000))),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "a storm of fatal alerts",
            tls(Script::new().repeat_for_ever(FATAL_ALERT.repeat(1000))),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "a chain of 10 MB",
            Policy::enforce().cert(Cert::valid().with_octets(10_000_000)),
            BROKEN,
            STS_TLS,
        ),
        policy(
            "150 intermediates of one name",
            Policy::enforce().cert(Cert::valid().with_namesakes(150)),
            "mailtls_mta_sts_status{status=\"enforce\"} 1",
            [],
        ),
        policy(
            "closed on the request",
            http(Script::new()),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "reset on the request",
            http(Script::new().reset()),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "closed in the head",
            http(Script::new().say("HTTP/1.1 200 OK\r\nContent-")),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "no HTTP",
            http(Script::new().say("220 mx ESMTP\r\n").hang()),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "a status line without end",
            http(
                Script::new()
                    .say("HTTP/1.1 200 ")
                    .repeat_for_ever(repeat("x", 16_384)),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "a header line without end",
            http(answer("X: ").repeat_for_ever(repeat("x", 16_384))),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "100,000 header lines",
            http(
                answer("")
                    .repeat(100, "X-Flood: water\r\n".repeat(1000))
                    .hang(),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "one octet of the head a second",
            http(Script::new().say("HTTP/1.1 200 ").every(SECOND, "x")),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "early hints for ever",
            http(Script::new().repeat_for_ever("HTTP/1.1 103 Early Hints\r\n\r\n")),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "one octet of the body a second",
            http(answer("Content-Length: 1000\r\n\r\n").every(SECOND, "x")),
            UNKNOWN,
            STS_SLOW,
        ),
        policy(
            "a body without end",
            http(answer("\r\n").repeat_for_ever(repeat("x: y\r\n", 16_384))),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "chunks without end",
            http(
                answer("Transfer-Encoding: chunked\r\n\r\n")
                    .repeat_for_ever("1\r\nx\r\n".repeat(1000)),
            ),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "a chunk extension without end",
            http(
                answer("Transfer-Encoding: chunked\r\n\r\n1;").repeat_for_ever(repeat("x", 16_384)),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "trailers without end",
            http(
                answer("Transfer-Encoding: chunked\r\n\r\n0\r\n")
                    .repeat_for_ever("X-Flood: water\r\n".repeat(1000)),
            ),
            BROKEN,
            STS_HTTP,
        ),
        policy(
            "a redirect to itself",
            Policy::enforce().redirect("/.well-known/mta-sts.txt"),
            BROKEN,
            ["critical mta_sts_http_redirect"],
        ),
        policy(
            "64 KiB and one octet",
            Policy::enforce().huge(64 * 1024 + 1),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "64 KiB",
            Policy::enforce().huge(64 * 1024),
            "mailtls_mta_sts_status{status=\"enforce\"} 1",
            ["warning mta_sts_duplicate_field"],
        ),
        policy(
            "a length of 2⁶³",
            http(answer("Content-Length: 9223372036854775807\r\n\r\n").hang()),
            BROKEN,
            ["critical mta_sts_too_large"],
        ),
        policy(
            "64 MiB packed, although nobody asked for that",
            http(
                answer(&format!(
                    "Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                    bomb().len()
                ))
                .say(bomb()),
            ),
            BROKEN,
            ["critical mta_sts_line_malformed"],
        ),
        policy(
            "reset in the body",
            http(answer("Content-Length: 1000\r\n\r\nversion").reset()),
            BROKEN,
            STS_HTTP,
        ),
    ]
}

fn policy<const N: usize>(
    why: &'static str,
    policy: Policy,
    status: &'static str,
    finds: [&'static str; N],
) -> Attack {
    Attack {
        why,
        domain: Box::new(move |domain| domain.mx(Mx::new("mx1")).policy(policy.clone())),
        finds: finds.to_vec(),
        exports: status,
    }
}

/// A little gzip that becomes 64 MiB.
fn bomb() -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packer.write_all(&vec![0; 1024 * 1024]).unwrap();
    }
    packer.finish().unwrap()
}
