use mailtls_exporter::config;
use mailtls_exporter::evidence::dns::Answer;
use mailtls_exporter::observe::dns::{ProbeQueries, Resolver};
use mailtls_exporter::protocol::dnssec::TrustAnchors;
use mailtls_exporter::telemetry::Telemetry;
use std::sync::Arc;
use std::time::{Duration, Instant};
fn conf(server: &str, anchor: &str, timeout: u64) -> config::Dns {
    config::Dns {
        servers: server
            .split(',')
            .map(|s| config::DnsServer::Plain(s.parse().unwrap()))
            .collect(),
        trust_anchors: Arc::new(if anchor == "-" {
            TrustAnchors::built_in()
        } else {
            TrustAnchors::parse(&std::fs::read_to_string(anchor).unwrap()).unwrap()
        }),
        timeout: Duration::from_millis(timeout),
        attempts: 2,
        cache_size: 64 << 20,
        cache_max_ttl: Duration::from_secs(3600),
    }
}
#[tokio::main]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let tel = Arc::new(Telemetry::default());
    let r = Resolver::new(&conf(&a[1], &a[2], 1500), tel.clone()).unwrap();
    if a[3] == "q" {
        let q = ProbeQueries::default();
        for pair in a[4..].chunks(2) {
            let t = Instant::now();
            let l = r.presentation(&pair[0], &pair[1], &q).await.unwrap();
            println!(
                "{}\n{:?} queries {} answered {}",
                serde_json::to_string_pretty(&l).unwrap(),
                t.elapsed(),
                q.sent(),
                q.answered()
            );
        }
        return;
    }
    let fresh = a.get(4).is_some_and(|x| x == "fresh");
    let (mut ok, mut bad) = (0, 0);
    for line in std::fs::read_to_string(&a[3]).unwrap().lines() {
        let f: Vec<&str> = line.split_whitespace().collect();
        if f.len() < 5 || f[0].starts_with('#') {
            continue;
        }
        let rr = if fresh {
            Resolver::new(&conf(&a[1], &a[2], 1500), tel.clone()).unwrap()
        } else {
            r.clone()
        };
        let q = ProbeQueries::default();
        let t = Instant::now();
        let l = rr.presentation(f[1], f[2], &q).await.unwrap();
        let kind = match l.answer {
            Answer::Data(_) => "data",
            Answer::NoData => "nodata",
            Answer::NxDomain => "nxdomain",
            Answer::Unknown => "none",
        };
        let good = f[3].split('|').any(|s| s == l.status().as_str()) && kind == f[4];
        if good {
            ok += 1
        } else {
            bad += 1
        }
        println!(
            "{} {:12} {} {} -> {} {} [{} q, {:?}] {}",
            if good { "ok  " } else { "BAD " },
            f[0],
            f[1],
            f[2],
            l.status(),
            kind,
            q.sent(),
            t.elapsed(),
            l.security.cause().unwrap_or_default()
        );
        if !good {
            println!("      expected {} {}", f[3], f[4]);
        }
    }
    println!(
        "{ok} ok, {bad} bad, {} queries in all",
        tel.dns_queries.value()
    );
}
