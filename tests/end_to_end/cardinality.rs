//! The table of docs/prometheus.md says how many series a domain has: each row is counted, and the formula above it says
//! the same or a little more.

use std::fs;

use mailtls_lab::Cert;
use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Policy;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exposition::Samples;

/// A row of the table, by the words that begin it, and such a domain.
type Row = (&'static str, fn(Domain) -> Domain);

const ROWS: [Row; 5] = [
    ("one host, one address, one certificate", |domain| {
        protected(domain.mx(with_tlsa("mx1")))
    }),
    ("two hosts with one address each, no TLSA", |domain| {
        let hosts = domain.unsigned().mx(Mx::new("mx1")).mx(Mx::new("mx2"));
        let policy = Policy::testing().mx("mx1.row1.example");
        hosts.policy(policy).tlsrpt_default()
    }),
    (
        "two hosts with two addresses each, one certificate",
        |domain| {
            let host = |name| with_tlsa(name).address_count(2);
            protected(domain.mx(host("mx1")).mx(host("mx2")))
        },
    ),
    (
        "four hosts with two addresses each, RSA and ECDSA",
        |domain| {
            let host = |name| {
                let both = Mx::new(name).also_cert(Cert::valid().rsa());
                both.address_count(2).tlsa("2 1 1").tlsa("2 0 1")
            };
            let hosts = ["mx1", "mx2", "mx3", "mx4"];
            protected(
                hosts
                    .into_iter()
                    .fold(domain, |domain, name| domain.mx(host(name))),
            )
        },
    ),
    ("takes no mail", Domain::null_mx),
];

fn with_tlsa(name: &str) -> Mx {
    Mx::new(name).tlsa("3 1 1").tlsa("2 1 1")
}

fn protected(domain: Domain) -> Domain {
    domain.policy(Policy::enforce()).tlsrpt_default()
}

/// The numbers of a row of a table on the page: full, summary.
fn numbers(page: &str, row: &str) -> [usize; 2] {
    let mut lines = page.lines();
    let line = lines.find(|line| {
        line.strip_prefix("| ")
            .is_some_and(|rest| rest.starts_with(row))
    });
    let line = line.unwrap_or_else(|| panic!("the page has no row {row:?}"));
    let cells: Vec<&str> = line.split('|').collect();
    [cells[2], cells[3]].map(|cell| {
        let digits = cell.split(|c: char| !c.is_ascii_digit());
        let mut found = digits.filter(|digits| !digits.is_empty());
        found.next().unwrap().parse().unwrap()
    })
}

#[test]
fn a_domain_has_as_many_series_as_the_page_says() {
    let path = format!("{}/docs/prometheus.md", env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(path).unwrap();
    let names: Vec<String> = (0..ROWS.len()).map(|n| format!("row{n}.example")).collect();
    let domains = ROWS.iter().zip(&names);
    let world =
        World::start_blocking(domains.map(|((_, furnish), name)| furnish(Domain::new(name))));
    let exporter = Exporter::start(&configuration(
        &world,
        "modules:\n  summary:\n    detail: summary\n",
    ));
    let [of_domain, of_host, of_address, of_certificate, of_finding] = [
        "the domain",
        "and for each MX host",
        "and for each address",
        "and for each certificate",
        "and for each finding",
    ]
    .map(|row| numbers(&page, row)[0]);
    for ((row, _), name) in ROWS.iter().zip(&names) {
        let [full, summary] = ["default", "summary"].map(|module| {
            let answer = exporter.get(&format!("/probe?target={name}&module={module}"));
            Samples::parse(&answer.text())
        });
        // The lab issues a certificate for each address, which is a finding, and not as hosts with one certificate are.
        let disagreeing = full
            .all("mailtls_finding{code=\"smtp_addresses_disagree\"}")
            .len();
        let counted = [full.len() - disagreeing, summary.len()];
        assert_eq!(counted, numbers(&page, row), "{row}: {:?}", full.findings());
        let count = |family: &str| full.all(family).len();
        // Nothing is asked about hosts where no mail is taken.
        let hosts = count("mailtls_mx_preference");
        let formula = of_domain
            + of_host * hosts
            + count("mailtls_dane_tlsa_record_matches")
            + of_address * count("mailtls_smtp_outcome")
            + of_certificate * count("mailtls_smtp_cert_info")
            + of_finding * count("mailtls_finding");
        eprintln!("{row}: {counted:?} counted, {formula} by the formula");
        assert!(full.len() <= formula, "{row}: {formula} by the formula");
        // An unsigned zone has no signatures that end, and nothing else makes it less.
        let near = hosts == 0 || formula - full.len() <= full.len() / 8;
        assert!(near, "{row}: {formula} is far off");
    }
}
