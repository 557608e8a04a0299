//! The exporter over HTTP: what it answers at which path, in which format, and to whom it says no.

use std::time::Duration;
use std::time::Instant;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::commands::fits;
use crate::commands::form;
use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn good(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()
}

pub(crate) fn tarpit(name: &str, delay: Duration) -> Domain {
    Domain::new(name).mx(Mx::new("mx1").smtp(Smtp::new().greeting_after(delay)))
}

#[test]
fn pages_and_probes() {
    let world = World::start_blocking([good("good.example"), good("xn--bcher-kva.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    for (request, status, part) in [
        ("GET /", 200, "<title>"),
        ("GET /probe?target=good.example", 200, "\nprobe_success 1\n"),
        (
            "GET /probe?target=GOOD.example.",
            200,
            "\nprobe_success 1\n",
        ),
        (
            "GET /probe?target=good.example&module=default",
            200,
            "\nprobe_success 1\n",
        ),
        (
            "GET /probe?target=b%C3%BCcher.example",
            200,
            "mailtls_mx_preference{mx=\"mx1.xn--bcher-kva.example\"} 10\n",
        ),
        (
            "GET /probe?target=good.example&debug=true",
            200,
            "Nothing to complain about",
        ),
        (
            "GET /probe?target=gone.example",
            200,
            "mailtls_mx_status{status=\"nxdomain\"} 1\n",
        ),
        (
            "GET /metrics",
            200,
            "mailtls_exporter_probes_total{module=\"default\"} 6\n",
        ),
        ("GET /-/healthy", 200, "healthy"),
        ("GET /-/ready", 200, "ready"),
        ("GET /nothing", 404, "no such page"),
        ("GET /probe/", 404, "no such page"),
        ("GET /..%2f..%2fetc/passwd", 404, "no such page"),
        ("POST /probe?target=good.example", 405, ""),
        ("DELETE /metrics", 405, ""),
    ] {
        let answer = exporter.ask(request, "");
        assert_eq!(answer.status, status, "{request}: {answer:?}");
        assert!(answer.text().contains(part), "{request}: {}", answer.text());
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{request}"
        );
    }
}

#[test]
fn listed_domains_are_discovered() {
    let world = World::start_blocking([good("good.example")]);
    let more = "modules:\n  default: {}\n  dns:\n    checks: [mx, dnssec]\n\n\
                domains:\n  - domain: good.example\n    labels: {team: mail, note: 'say \"x\"\\é'}\n  \
                - domain: good.example\n    module: dns\n  - domain: other.example\n    module: dns\n";
    let exporter = Exporter::start(&configuration(&world, more));
    let discovered = |path: &str| {
        let answer = exporter.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        // Prometheus takes nothing else.
        assert_eq!(answer.header("content-type"), Some("application/json"));
        serde_json::from_str::<serde_json::Value>(&answer.text()).unwrap()
    };
    let good = serde_json::json!({
        "targets": ["good.example"],
        "labels": {"__param_module": "default", "team": "mail", "note": "say \"x\"\\é"},
    });
    let dns =
        |name: &str| serde_json::json!({"targets": [name], "labels": {"__param_module": "dns"}});
    let all = serde_json::json!([good, dns("good.example"), dns("other.example")]);
    assert_eq!(discovered("/sd"), all);
    assert_eq!(discovered("/sd?module="), all);
    assert_eq!(discovered("/sd?module=default"), serde_json::json!([good]));
    assert_eq!(
        discovered("/sd?module=dns"),
        serde_json::json!([dns("good.example"), dns("other.example")])
    );
    for (path, part) in [
        (
            "/sd?module=fast",
            "there is no module \"fast\": there is default, dns",
        ),
        ("/sd?module=dns&module=default", "stands there twice"),
    ] {
        let answer = exporter.get(path);
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
}

#[test]
fn the_catalogue_as_json() {
    let world = World::start_blocking([good("good.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let catalogue: serde_json::Value =
        serde_json::from_str(&exporter.get("/api/v1/findings").text()).unwrap();
    assert_eq!(catalogue["schema"], 1);
    let findings = catalogue["findings"].as_array().unwrap();
    let codes = mailtls_exporter::finding::Code::ALL;
    assert_eq!(findings.len(), codes.len());
    for finding in findings {
        for field in ["check", "code", "rfc", "explanation", "advice"] {
            assert!(
                finding[field].as_str().is_some_and(|text| !text.is_empty()),
                "{finding}"
            );
        }
        assert!(!finding["severities"].as_array().unwrap().is_empty());
    }
}

#[test]
fn the_last_report_as_json() {
    let world = World::start_blocking([good("good.example"), good("other.example")]);
    let config = configuration(
        &world,
        "probe_unlisted_domains: true\ndomains:\n  - domain: good.example\n",
    );
    let exporter = Exporter::start(&config);
    let ask = |domain: &str| {
        let answer = exporter.get(&format!("/api/v1/report/{domain}"));
        (answer.status, answer.text())
    };
    for (domain, status, part) in [
        ("good.example", 404, "good.example has no report yet"),
        ("other.example", 404, "other.example is not listed"),
        ("good..example", 400, "is not a domain name"),
        ("%3Cb%3E", 400, "is not a domain name"),
        ("%ff", 400, "write /api/v1/report/example.com"),
        ("", 404, "no such page"),
    ] {
        let (answered, text) = ask(domain);
        assert_eq!(answered, status, "{domain}: {text}");
        assert!(text.contains(part), "{domain}: {text}");
    }
    for domain in ["good.example", "other.example"] {
        let probed = exporter.get(&format!("/probe?target={domain}"));
        assert_eq!(probed.status, 200, "{}", probed.text());
    }
    assert_eq!(ask("other.example").0, 404, "nothing is kept of it");
    let answer = exporter.get("/api/v1/report/GOOD.example.");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let report: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    fits(&form("check_report"), &report);
    assert_eq!(report["domain"], "good.example");
}

#[test]
fn below_a_prefix() {
    let world = World::start_blocking([good("good.example")]);
    let config = configuration(&world, "");
    let external = ["--web.external-url", "https://monitor.example/mail/"];
    for (why, arguments, top) in [
        ("of the external URL", &external[..], "/mail"),
        (
            "of its own",
            &["--web.route-prefix", "mail/tls"],
            "/mail/tls",
        ),
        (
            "a proxy takes it away",
            &[external[0], external[1], "--web.route-prefix=/"],
            "",
        ),
    ] {
        let exporter = Exporter::start_with(&config, arguments);
        for path in [
            "/",
            "/metrics",
            "/-/healthy",
            "/sd",
            "/probe?target=good.example",
        ] {
            let answer = exporter.get(&format!("{top}{path}"));
            assert_eq!(answer.status, 200, "{why}: {path}: {answer:?}");
        }
        if top.is_empty() {
            continue;
        }
        for path in [
            "/metrics",
            "/mail.",
            "//",
            "/mai",
            &format!("{top}x/metrics"),
            &format!("{top}//metrics"),
        ] {
            assert_eq!(exporter.get(path).status, 404, "{why}: {path}");
        }
        let first_page = if arguments.len() == 2 && arguments[0] == external[0] {
            "https://monitor.example/mail/".to_owned()
        } else {
            format!("{top}/")
        };
        for path in ["/", top] {
            let answer = exporter.get(path);
            assert_eq!(answer.status, 302, "{why}: {path}");
            assert_eq!(
                answer.header("location"),
                Some(first_page.as_str()),
                "{why}: {path}"
            );
        }
    }
}

#[test]
fn every_answer_is_kept_to_itself() {
    let world = World::start_blocking([good("good.example")]);
    let config = configuration(&world, "");
    let exporter = Exporter::start_with(&config, &["--web.enable-lifecycle"]);
    for path in ["/", "/metrics", "/nothing", "/probe", "/style.css", "/sd"] {
        let answer = exporter.get(path);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "deny"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    for path in [
        "/probe?target=good.example",
        "/-/healthy",
        "/-/reload",
        "/nothing",
    ] {
        let post = |headers: &str| exporter.ask(&format!("POST {path}"), headers).status;
        assert_eq!(post("Sec-Fetch-Site: cross-site\r\n"), 403, "{path}");
        assert_eq!(post("Origin: https://evil.example\r\n"), 403, "{path}");
        assert_ne!(post("Sec-Fetch-Site: same-origin\r\n"), 403, "{path}");
        assert_ne!(post("Origin: http://exporter\r\n"), 403, "{path}");
        assert_ne!(post(""), 403, "{path}");
    }
}

/// The probe's own log stands below the report, whatever the level of the exporter's.
#[test]
fn a_probe_tells_what_it_did() {
    let world = World::start_blocking([
        good("good.example"),
        Domain::new("rude.example")
            .mx(Mx::new("mx1")
                .smtp(Smtp::new().greeting("220 \u{1b}[31mred\u{7f} <b>level=error</b>"))),
    ]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let report = exporter.get("/probe?target=good.example&debug=true").text();
    let (_, log) = report.split_once("\nLog of this probe:\n").unwrap();
    for part in [
        "msg=\"looked up\" name=good.example rtype=MX security=secure answer=data records=1",
        "msg=\"query answered\" name=good.example",
        "msg=connected address=",
        "msg=greeted address=",
        "msg=\"STARTTLS answered\" address=",
        "msg=\"TLS handshake\" address=",
        "msg=\"SMTP session ended\" address=",
        "msg=\"policy fetched\" host=mta-sts.good.example",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let rude = exporter.get("/probe?target=rude.example&debug=true").text();
    let (_, log) = rude.split_once("\nLog of this probe:\n").unwrap();
    assert!(log.lines().all(|line| line.contains("s level=")), "{log}");
    assert!(!log.chars().any(|c| c.is_control() && c != '\n'), "{log:?}");
    assert!(!log.contains("good.example"), "{log}");
    assert!(
        !exporter.log().contains("level=debug"),
        "{}",
        exporter.log()
    );
    let plain = exporter.get("/probe?target=good.example").text();
    assert!(!plain.contains("Log of this probe"), "{plain}");
}

#[test]
fn bad_questions() {
    let world = World::start_blocking([good("good.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let long = format!("/probe?target={}", "a.".repeat(150));
    let label = format!("/probe?target={}.example", "a".repeat(64));
    let endless = format!("/probe?target={}", "ü".repeat(3000).replace('ü', "%C3%BC"));
    for (why, path, part) in [
        ("no target", "/probe", "target is missing"),
        ("an empty one", "/probe?target=", "target is missing"),
        (
            "two",
            "/probe?target=good.example&target=gone.example",
            "twice",
        ),
        ("an address", "/probe?target=192.0.2.1", "is an IP address"),
        (
            "an address in brackets",
            "/probe?target=%5B2001:db8::1%5D",
            "is an IP address",
        ),
        (
            "an IPv6 address",
            "/probe?target=2001:db8::1",
            "is an IP address",
        ),
        ("a number", "/probe?target=1.2.3", "is an IP address"),
        ("two dots", "/probe?target=..", "a label is empty"),
        (
            "a path",
            "/probe?target=../../etc/passwd",
            "is not a domain name",
        ),
        (
            "300 characters",
            long.as_str(),
            "longer than 253 characters",
        ),
        ("a label of 64", label.as_str(), "longer than 63 characters"),
        (
            "thousands of characters",
            endless.as_str(),
            "is not a domain name",
        ),
        (
            "control characters",
            "/probe?target=good.example%0d%0aX-Injected:%201",
            "is not a domain name",
        ),
        (
            "a zero byte",
            "/probe?target=good%00.example",
            "is not a domain name",
        ),
        ("no UTF-8", "/probe?target=%ff%fe", "is not a domain name"),
        (
            "a mail address",
            "/probe?target=me@good.example",
            "contains '@'",
        ),
        (
            "a URL",
            "/probe?target=https://good.example/",
            "contains ':'",
        ),
        ("markup", "/probe?target=%3Cscript%3E", "contains '<'"),
        (
            "a module that is not there",
            "/probe?target=good.example&module=fast",
            "there is no module",
        ),
        (
            "a module with markup",
            "/probe?target=good.example&module=%3Cb%3E%0a",
            "there is no module",
        ),
    ] {
        let answer = exporter.get(path);
        assert_eq!(answer.status, 400, "{why}: {answer:?}");
        let text = answer.text();
        assert!(text.contains(part), "{why}: {text}");
        assert!(
            text.ends_with('\n') && text.lines().count() == 1 && text.chars().count() < 300,
            "{why}: one sentence: {text}"
        );
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{why}: {text:?}"
        );
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with("text/plain"),
            "{why}"
        );
        assert_eq!(answer.header("x-injected"), None, "{why}");
    }
    for timeout in ["soon", "-1", "0", "NaN", "1e99"] {
        let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\n");
        let answer = exporter.ask("GET /probe?target=good.example", &header);
        assert_eq!(answer.status, 400, "{timeout}: {answer:?}");
    }
    for request in [
        "GET\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost exporter\r\n\r\n",
    ] {
        assert_eq!(exporter.send(request).status, 400, "{request:?}");
    }
    let rejected = Samples::parse(&exporter.get("/metrics").text());
    let counted = |reason: &str| {
        rejected.value(&format!(
            "mailtls_exporter_probes_rejected_total{{reason=\"{reason}\"}}"
        ))
    };
    assert_eq!(counted("bad_request"), Some(23.0));
    assert_eq!(counted("unknown_module"), Some(2.0));
    // The self-check asks about the root, and nobody was asked for any of this.
    let asked = world.dns_log();
    assert!(asked.iter().all(|(name, _)| name == "."), "{asked:?}");
    assert_eq!(exporter.get("/-/healthy").status, 200);
}

#[test]
fn formats() {
    let world = World::start_blocking([good("good.example")]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
                      text/plain;version=0.0.4;q=0.4,*/*;q=0.3";
    for path in ["/probe?target=good.example", "/metrics"] {
        for (accept, expected) in [
            (prometheus, OPEN_METRICS),
            ("application/openmetrics-text", OPEN_METRICS),
            ("text/plain", TEXT),
            ("*/*", TEXT),
            ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", TEXT),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.9", TEXT),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", TEXT),
            ("nonsense;;;q=", TEXT),
        ] {
            let answer = exporter.ask(&format!("GET {path}"), &format!("Accept: {accept}\r\n"));
            assert_eq!(
                answer.header("content-type"),
                Some(expected),
                "{path}, {accept}"
            );
            let text = answer.text();
            assert_eq!(
                text.ends_with("# EOF\n"),
                expected == OPEN_METRICS,
                "{path}, {accept}"
            );
            assert!(
                !text.contains('\r') && !text.contains("\n\n") && text.ends_with('\n'),
                "{path}, {accept}"
            );
            Samples::parse(&text);
        }
    }
    let packed = exporter.ask("GET /metrics", "Accept-Encoding: gzip\r\n");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let probe = exporter.get("/probe?target=good.example").text();
    assert!(
        !probe.contains("mailtls_exporter_") && !probe.contains("process_"),
        "{probe}"
    );
    let own = exporter.get("/metrics").text();
    assert!(
        !own.contains("\nprobe_") && !own.contains("mailtls_mx_status"),
        "{own}"
    );
    for gauge in [
        "process_resident_memory_bytes ",
        "mailtls_exporter_build_info{",
        "mailtls_exporter_probes_in_flight 0",
    ] {
        assert!(own.contains(gauge), "{gauge}: {own}");
    }
}

#[test]
fn listed_domains_and_their_modules() {
    let world = World::start_blocking([
        good("good.example"),
        good("dns-only.example"),
        good("other.example"),
    ]);
    let more = "modules:\n  default: {}\n  dns:\n    checks: [mx, dnssec]\n\n\
                domains:\n  - domain: good.example\n  - domain: dns-only.example\n    module: dns\n";
    let exporter = Exporter::start(&configuration(&world, more));
    let other = exporter.get("/probe?target=other.example");
    assert_eq!(other.status, 403, "{other:?}");
    assert!(other.text().contains("is not listed"), "{}", other.text());
    let checks = |path: &str| {
        let samples = Samples::parse(&exporter.get(path).text());
        let checks = samples.all("mailtls_check_complete").into_iter();
        checks
            .map(|(series, _)| series.labels["check"].clone())
            .collect::<Vec<_>>()
    };
    assert!(checks("/probe?target=good.example").contains(&"smtp".to_owned()));
    let few = checks("/probe?target=dns-only.example");
    assert!(
        !few.iter()
            .any(|check| ["smtp", "dane", "mta_sts_record", "tlsrpt"].contains(&check.as_str())),
        "{few:?}"
    );
    assert_eq!(checks("/probe?target=good.example&module=dns"), few);
}

#[test]
fn a_scrape_has_its_own_deadline() {
    let world = World::start_blocking([tarpit("tarpit.example", Duration::from_secs(20))]);
    let exporter = Exporter::start(&configuration(&world, ""));
    let began = Instant::now();
    let answer = exporter.ask(
        "GET /probe?target=tarpit.example",
        "X-Prometheus-Scrape-Timeout-Seconds: 2\r\n",
    );
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let samples = Samples::parse(&answer.text());
    assert_eq!(samples.value("probe_timeout_seconds"), Some(1.5));
    assert_eq!(samples.value("mailtls_probe_timed_out"), Some(1.0));
    assert_eq!(
        samples
            .state("mailtls_dnssec_status{rrset=\"mx\"}")
            .as_deref(),
        Some("secure")
    );
}

#[test]
fn too_much_at_once() {
    let world = World::start_blocking([
        tarpit("slow.example", Duration::from_secs(2)),
        good("good.example"),
    ]);
    let exporter = Exporter::start(&configuration(
        &world,
        "limits:\n  max_concurrent_probes: 1\n",
    ));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| exporter.get("/probe?target=slow.example"));
        while !exporter
            .get("/metrics")
            .text()
            .contains("probes_in_flight 1\n")
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let refused = exporter.get("/probe?target=good.example");
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        assert_eq!(
            exporter.get("/-/ready").status,
            200,
            "others are not turned away"
        );
        assert_eq!(slow.join().unwrap().status, 200);
    });
    assert_eq!(exporter.get("/probe?target=good.example").status, 200);
    let own = exporter.get("/metrics").text();
    assert!(
        own.contains("mailtls_exporter_probes_rejected_total{reason=\"too_many\"} 1\n"),
        "{own}"
    );
}

/// SIGTERM: nobody new, and what is under way may finish.
#[test]
fn a_graceful_end() {
    let world = World::start_blocking([tarpit("slow.example", Duration::from_secs(1))]);
    let mut exporter = Exporter::start(&configuration(&world, ""));
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| exporter.get("/probe?target=slow.example"));
        while !exporter
            .get("/metrics")
            .text()
            .contains("probes_in_flight 1\n")
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        exporter.terminate();
        slow.join().unwrap()
    });
    assert!(answer.text().contains("mailtls_smtp_outcome"), "{answer:?}");
    assert_eq!(exporter.wait().code(), Some(0), "{}", exporter.log());
    assert!(std::net::TcpStream::connect(exporter.address).is_err());
}

/// What anybody may name costs less than what the operator listed.
#[test]
fn an_unlisted_domain_gets_two_addresses_a_host() {
    let farm = || Domain::new("farm.example").mx(Mx::new("mx1").address_count(3));
    let world = World::start_blocking([farm()]);
    let open = Exporter::start(&configuration(&world, ""));
    let listed = Exporter::start(&configuration(
        &world,
        "domains:\n  - domain: farm.example\n",
    ));
    for (why, exporter, spoken_to) in [("open", open, 2), ("listed", listed, 3)] {
        let answer = exporter.get("/probe?target=farm.example").text();
        let outcomes = answer.lines().filter(|line| {
            line.starts_with("mailtls_smtp_outcome{") && line.contains("outcome=\"tls\"")
        });
        assert_eq!(outcomes.count(), spoken_to, "{why}: {answer}");
    }
}
