//! Trouble of our own and of others: what is not known stays unknown, one that hangs costs the others nothing, and what
//! was learned by the deadline is exported.

use std::sync::Arc;
use std::time::Duration;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::Smtp;
use mailtls_lab::World;
use mailtls_lab::demo;

use crate::exposition::Samples;
use crate::monitor::Monitor;
use crate::monitor::PATIENCE;

/// A domain that has everything.
fn good(name: &str) -> Domain {
    Domain::new(name)
        .mx(Mx::new("mx1").tlsa("3 1 1").tlsa("2 1 1"))
        .policy(Policy::enforce())
        .tlsrpt_default()
}

/// Every state says that it is not known, and nothing that depends on an answer is there.
fn assert_unknown(samples: &Samples, why: &str) {
    for (series, state) in samples.states() {
        // What an attacker can do to a sender that looks at nothing is known whatever happens.
        let known = series
            .labels
            .get("sender")
            .is_some_and(|sender| sender == "opportunistic");
        let unknown = ["unknown", "indeterminate"].contains(&state.as_str());
        assert!(
            unknown || known && state == "none",
            "{why}: {series} is {state}"
        );
    }
    let learned = samples.names().into_iter().filter(|name| {
        [
            "mailtls_smtp_",
            "mailtls_mta_sts_policy_",
            "mailtls_dane_tlsa",
            "mailtls_delivery_possible",
            "mailtls_mx_hosts",
        ]
        .iter()
        .any(|beginning| name.starts_with(beginning))
    });
    assert_eq!(learned.collect::<Vec<_>>(), Vec::<&str>::new(), "{why}");
    assert_eq!(samples.value("probe_success"), Some(0.0), "{why}");
    assert_eq!(samples.findings(), [].into(), "{why}");
    for (series, complete) in samples.all("mailtls_check_complete") {
        assert!(complete < 1.0, "{why}: {series}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_stopped() {
    let world = World::builder().domain(good("good.example"));
    let monitor = Monitor::configured(world, |config| {
        config.dns.timeout = Duration::from_millis(200);
    })
    .await;
    monitor.world.stop_dns();
    assert_unknown(&monitor.probe("good.example").await, "no answer at all");
    assert_unknown(&monitor.probe("good.example").await, "a second time");
}

/// A resolver that has lost its own way to the Internet answers everything, with SERVFAIL.
#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_has_no_upstream() {
    let monitor = Monitor::of([good("good.example")]).await;
    monitor.world.tamper_dns(|mut message| {
        message.metadata.response_code = hickory_proto::op::ResponseCode::ServFail;
        message.answers.clear();
        message.authorities.clear();
        Some(message)
    });
    assert_unknown(
        &monitor.probe("good.example").await,
        "SERVFAIL for everything",
    );
}

/// What is known of a failing look-up does not hang on what our own cache happens to hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_look_up_beside_a_warm_cache() {
    let failing = Domain::new("failing.example")
        .mx(Mx::new("mx1"))
        .tlsrpt_default()
        .servfail("_25._tcp.mx1", "TLSA");
    let monitor = Monitor::of([failing]).await;
    let cold = monitor.probe("failing.example").await;
    // Failures are remembered for seconds, answers for minutes.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let warm = monitor.probe("failing.example").await;
    assert!(
        warm.value("mailtls_probe_dns_queries") < cold.value("mailtls_probe_dns_queries"),
        "the cache was used"
    );
    assert!(
        warm.value("mailtls_probe_dns_queries") > Some(0.0),
        "the failing look-up was asked again"
    );
    assert!(
        cold.findings().contains("critical dane_tlsa_lookup_failed"),
        "{:?}",
        cold.findings()
    );
    assert_eq!(cold.findings(), warm.findings());
    assert_eq!(cold.states(), warm.states());
}

/// Refused is unreachable, and says nothing of STARTTLS.
#[tokio::test(flavor = "multi_thread")]
async fn port_25_refused() {
    let domains = ["mx1", "mx2"].map(|mx| Mx::new(mx).smtp(Smtp::refused()));
    let domain = domains.into_iter().fold(
        Domain::new("down.example").policy(Policy::enforce()),
        Domain::mx,
    );
    let monitor = Monitor::of([domain]).await;
    let samples = monitor.probe("down.example").await;
    assert_eq!(samples.all("mailtls_smtp_starttls_offered").len(), 0);
    assert_eq!(samples.all("mailtls_smtp_tls_established").len(), 0);
    assert_eq!(
        samples.value("mailtls_smtp_outcome{mx=\"mx1.down.example\"}"),
        Some(1.0)
    );
    assert_eq!(
        samples
            .all("mailtls_smtp_outcome{outcome=\"unreachable\"}")
            .len(),
        2
    );
    let said = samples.findings();
    assert!(
        !said
            .iter()
            .any(|finding| finding.contains("starttls") || finding.contains("no_tls")),
        "{said:?}"
    );
}

/// What was learned by the deadline is exported.
#[tokio::test(flavor = "multi_thread")]
async fn a_tarpit_that_outlasts_the_deadline() {
    let tarpit = Smtp::new().greeting_after(Duration::from_secs(4));
    let domain = good("tarpit.example").mx(Mx::new("mx2").smtp(tarpit));
    let monitor = Monitor::of([domain]).await;
    let samples = monitor
        .probe_within("tarpit.example", Duration::from_secs(2))
        .await;
    for line in [
        "mailtls_probe_timed_out 1",
        "probe_timeout_seconds 2",
        "mailtls_mta_sts_status{status=\"enforce\"} 1",
        "mailtls_mta_sts_policy_valid 1",
        "mailtls_tlsrpt_record_status{status=\"valid\"} 1",
        "mailtls_dnssec_status{status=\"secure\"} 1",
        "mailtls_dane_status{mx=\"mx1.tarpit.example\",status=\"match\"} 1",
        "mailtls_smtp_outcome{mx=\"mx1.tarpit.example\",outcome=\"tls\"} 1",
        "mailtls_smtp_outcome{mx=\"mx2.tarpit.example\",outcome=\"timeout\"} 1",
        "mailtls_check_complete{check=\"smtp\"} 0",
        "mailtls_check_complete{check=\"mta_sts_policy\"} 1",
        "mailtls_delivery_possible{sender=\"dane_and_mta_sts\"} 1",
        "probe_success 0",
    ] {
        assert_eq!(samples.misses(line), None);
    }
    assert_eq!(
        samples
            .all("mailtls_smtp_reachable{mx=\"mx2.tarpit.example\"}")
            .len(),
        0
    );
    let took = samples.value("probe_duration_seconds").unwrap();
    assert!((1.9..2.5).contains(&took), "{took}");
    // The session goes on without its probe, and is there for the next one.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let samples = monitor
        .probe_within("tarpit.example", Duration::from_secs(2))
        .await;
    assert_eq!(
        samples.misses("mailtls_smtp_outcome{outcome=\"tls\"} 1"),
        None
    );
    assert_eq!(samples.value("mailtls_probe_timed_out"), Some(0.0));
    assert_eq!(samples.value("probe_success"), Some(1.0));
}

/// Twenty domains whose servers hang in every way that there is cost their own deadline, and nobody else's time.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_domains_cost_the_others_nothing() {
    let deadline = Duration::from_secs(5);
    let hanging: Vec<String> = (0..20).map(|n| format!("hangs{n}.example")).collect();
    let domains = hanging.iter().enumerate().map(|(n, name)| {
        let mx = Mx::new("mx1").address_count(2);
        match n % 4 {
            0 => Domain::new(name)
                .mx(mx.smtp(Smtp::silent()))
                .policy(Policy::enforce()),
            1 => Domain::new(name)
                .mx(mx.smtp(Smtp::tls_hangs()))
                .policy(Policy::enforce().hangs_after_tls()),
            2 => Domain::new(name).mx(mx).policy(Policy::enforce().hangs()),
            _ => Domain::new(name)
                .mx(mx)
                .dns_broken(mailtls_lab::DnsFault::Drop),
        }
    });
    let domains = domains.chain([good("alone.example"), good("among.example")]);
    let monitor = Arc::new(Monitor::of(domains).await);
    // The zones above are known in both cases.
    let alone = monitor.probe_all(&["alone.example"], deadline).await;
    let alone = alone[0].1;
    let mut names: Vec<&str> = hanging.iter().map(String::as_str).collect();
    names.push("among.example");
    let results = monitor.probe_all(&names, deadline).await;
    let (healthy, took) = results.last().unwrap();
    assert_eq!(
        healthy.value("probe_success"),
        Some(1.0),
        "{:?}",
        healthy.findings()
    );
    let allowed = alone.mul_f64(1.5).max(Duration::from_secs(1));
    assert!(*took <= allowed, "{took:?} among others, {alone:?} alone");
    for (name, (samples, took)) in hanging.iter().zip(&results) {
        assert!(
            *took < deadline + Duration::from_secs(1),
            "{name} took {took:?}"
        );
        assert_eq!(samples.value("probe_success"), Some(0.0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_probe_costs() {
    let monitor = Monitor::configured(demo::world(), |_| {}).await;
    let queries = "mailtls_probe_dns_queries";
    let before = monitor.world.dns_queries();
    let cold = monitor.probe("good.example").await.value(queries).unwrap();
    let sent = monitor.world.dns_queries() - before;
    assert_eq!(
        u32::try_from(sent).map(f64::from),
        Ok(cold),
        "as many as arrived"
    );
    assert!(
        (1.0..=30.0).contains(&cold),
        "a cold probe sends {cold} queries"
    );
    let warm = monitor.probe("good.example").await.value(queries);
    assert_eq!(warm, Some(0.0), "a warm one none");
    assert_eq!(monitor.world.dns_queries(), before + sent);
    let monitor = monitor.restarted();
    assert_eq!(
        monitor.probe("good.example").await.value(queries),
        Some(cold),
        "each process has its own cache"
    );
}

/// Equal look-ups under way are one.
#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_at_once_are_asked_once() {
    let world = World::builder()
        .domain(good("good.example"))
        .dns_latency(Duration::from_millis(20));
    let monitor = Arc::new(Monitor::configured(world, |_| {}).await);
    monitor.probe_all(&["good.example"; 10], PATIENCE).await;
    let asked = monitor.world.dns_queries();
    assert!(asked <= 30, "ten probes at once sent {asked} queries");
}

/// An MX record of preference 10 whose host has this first label below the root, as no zone file can write it.
fn odd_mx(label: &str) -> String {
    let mut data = vec![0, 10, u8::try_from(label.len()).unwrap()];
    data.extend(label.as_bytes());
    data.push(0);
    format!(
        "\\# {} {}",
        data.len(),
        data_encoding::HEXLOWER.encode(&data)
    )
}

/// No two samples with the same name and labels, and no broken line, whatever a zone says: reading the exposition checks
/// it.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_zones() {
    let long = "x".repeat(400);
    let hostile = Domain::new("hostile.example")
        .mx(Mx::new("mx1").preference(20).tlsa("3 1 1").tlsa("3 1 1"))
        .mx_only(10, "MX1.hostile.example")
        .mx_only(5, "mX1.HOSTILE.example")
        .record("@", "MX", &odd_mx("a\"b\\c\nd{x=\u{ff}"))
        .record("@", "MX", &odd_mx("A\"B\\C\nD{X=\u{ff}"))
        .mta_sts_record("v=STSv1; id=\u{1}\n\"};\u{202e}")
        .mta_sts_record("v=STSv1; id=\u{1}\n\"};\u{202e}")
        .tlsrpt(&format!(
            "v=TLSRPTv1; rua=mailto:{long}@hostile.example,mailto:{long}@hostile.example,x\n# HELP"
        ))
        .policy(Policy::verbatim(&format!(
            "version: STSv1\r\nmode: enforce\r\nmx: {long}\r\nmx: \u{7}\"\n\nmax_age: 1\r\n"
        )));
    let monitor = Monitor::of([hostile]).await;
    let samples = monitor.probe("hostile.example").await;
    assert_eq!(
        samples.value("mailtls_mx_preference{mx=\"mx1.hostile.example\"}"),
        Some(5.0)
    );
    for name in samples.names() {
        let known = name.starts_with("mailtls_") || name.starts_with("probe_");
        assert!(
            known
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
    }
}
