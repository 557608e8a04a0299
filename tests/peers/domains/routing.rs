//! MX records, addresses and the DNS below them.

use crate::certificates::Issue;
use crate::certificates::Key;
use crate::domains::BOTH_KEYS;
use crate::domains::Domain;
use crate::domains::Host;
use crate::domains::ONE_KEY;
use crate::domains::Of;
use crate::domains::REPORTS;
use crate::domains::Server;
use crate::domains::Signing;
use crate::domains::Tlsa;

pub(super) fn domains() -> Vec<Domain> {
    [special(), addresses(), aliases(), signatures()]
        .into_iter()
        .flatten()
        .collect()
}

fn domain(name: &'static str, why: &'static str) -> Domain {
    Domain::new(name, why)
        .tls_rpt(REPORTS)
        .finds(["info mta_sts_record_absent"])
}

fn mx1() -> Host {
    Host::new("mx1").server(Server::ecdsa(Issue::Valid))
}

fn special() -> Vec<Domain> {
    let mut many = domain(
        "many.example",
        "of a domain that is not listed, five hosts are looked at, the best preferences first",
    )
    .host(Host::new("pool").unlisted().server(Server::cleartext()))
    .finds(["warning mx_too_many", "warning smtp_starttls_not_offered"])
    .exports(["mailtls_mx_status{status=\"ok\"} 1"]);
    for number in 1..=7 {
        many = many.zone(&format!(
            "@ MX {number} mx{number}\nmx{number} A {{address}}"
        ));
    }
    vec![
        Domain::new("null.example", "RFC 7505 §3: takes no mail")
            .zone("@ MX 0 .")
            .exports(["mailtls_mx_status{status=\"null\"} 1", "probe_success 1"]),
        domain(
            "null-and-others.example",
            "RFC 7505 §3: null MX stands alone or the domain is broken",
        )
        .zone("@ MX 0 .")
        .host(mx1())
        .finds(["critical mx_null_with_others", "info dane_ready"])
        .exports(["mailtls_mx_status{status=\"invalid\"} 1"]),
        domain(
            "implicit.example",
            "RFC 5321 §5.1: no MX, the domain is the host",
        )
        .host(
            Host::new("@")
                .unlisted()
                .server(Server::ecdsa(Issue::Valid))
                .tlsa(ONE_KEY),
        )
        .finds(["warning mx_missing", "info dane_single_record"])
        .exports([
            "mailtls_mx_status{status=\"implicit\"} 1",
            "mailtls_dane_domain_status{status=\"protected\"} 1",
        ]),
        domain(
            "literal.example",
            "RFC 5321 §5.1: MX has a name, no address",
        )
        .zone("@ MX 10 192.0.2.1.")
        .finds([
            "critical mx_is_address_literal",
            "critical delivery_blocked",
        ]),
        domain("nothing.example", "neither MX nor address")
            .finds(["critical mx_no_address", "critical delivery_blocked"])
            .exports(["mailtls_mx_status{status=\"none\"} 1"]),
        many,
    ]
}

fn addresses() -> Vec<Domain> {
    let ecdsa = || Server::ecdsa(Issue::Valid);
    vec![
        domain("ipv6.example", "a host may have IPv6 alone")
            .host(mx1().server(ecdsa().v6()).tlsa(ONE_KEY))
            .finds(["info dane_single_record"])
            .exports(["mailtls_dane_domain_status{status=\"protected\"} 1"]),
        domain("dual.example", "the same at both families")
            .host(mx1().servers([ecdsa(), ecdsa().v6()]).tlsa(ONE_KEY))
            .finds(["info dane_single_record"]),
        domain(
            "one-down.example",
            "RFC 5321 §5.1: the next address is tried",
        )
        .host(mx1().servers([ecdsa(), Server::none()]).tlsa(ONE_KEY))
        .finds([
            "warning smtp_address_unreachable",
            "info dane_single_record",
        ])
        .exports([
            "mailtls_dane_status{mx=\"mx1\",status=\"match\"} 1",
            "mailtls_delivery_possible{sender=\"dane\"} 1",
        ]),
        domain("down.example", "nobody listens: unknown is not a mismatch")
            .host(mx1().server(Server::none()))
            .finds(["warning smtp_connect_failed", "critical delivery_blocked"])
            .exports(["mailtls_smtp_outcome{outcome=\"unreachable\"} 1"]),
        domain(
            "two-certificates.example",
            "one of two addresses presents another key than TLSA has",
        )
        .host(
            mx1()
                .servers([ecdsa(), Server::ecdsa(Issue::Another)])
                .tlsa(ONE_KEY),
        )
        .finds([
            "critical dane_tlsa_mismatch",
            "warning smtp_addresses_disagree",
            "info dane_single_record",
        ])
        .exports([
            "mailtls_dane_status{mx=\"mx1\",status=\"mismatch\"} 1",
            "mailtls_delivery_possible{sender=\"dane\"} 1",
        ]),
        domain("farm.example", "a farm: different certificates, all good")
            .host(mx1().servers([ecdsa(), Server::ecdsa(Issue::Another)]))
            .finds(["info smtp_addresses_disagree", "info dane_ready"]),
        domain("mixed.example", "one of two addresses lacks STARTTLS")
            .host(mx1().servers([ecdsa(), Server::cleartext()]))
            .finds([
                "warning smtp_addresses_disagree",
                "warning smtp_starttls_not_offered",
            ]),
        domain("no-address.example", "the only MX host has no address")
            .zone("@ MX 10 mx1")
            .finds(["critical mx_no_address", "critical delivery_blocked"]),
        domain(
            "backup.example",
            "RFC 5321 §5.1: the second preference is for when the first is down",
        )
        .host(mx1().server(Server::none()).tlsa(ONE_KEY))
        .host(Host::new("mx2").server(ecdsa()).preference(20))
        .finds([
            "warning smtp_connect_failed",
            "warning delivery_only_by_backup",
            "warning dane_partial",
            "warning protection_downgradable",
            "info dane_ready",
        ]),
    ]
}

fn aliases() -> Vec<Domain> {
    let own = |host: &'static str| Tlsa::new("3 1 1", Of::Other(host, Key::Ecdsa, Issue::Valid));
    vec![
        domain(
            "alias.example",
            "RFC 7672 §2.2.2, §3.2.1: TLSA stands at the expanded name, which is the SNI of DANE senders",
        )
        .zone("@ MX 10 mail\nmail CNAME mx1")
        .host(
            mx1()
                .unlisted()
                .server(Server::ecdsa(Issue::OtherName).sni("mx1", Issue::Valid))
                .tlsa(ONE_KEY),
        )
        .finds([
            "warning mx_is_alias",
            "info cert_name_mismatch",
            "info dane_single_record",
        ])
        .exports([
            "mailtls_dane_status{mx=\"mail\",status=\"match\"} 1",
            "mailtls_smtp_cert_name_matches{mx=\"mail\"} 0",
        ]),
        domain(
            "alias-original.example",
            "RFC 7672 §2.2.2: without TLSA at the expanded name, the original is asked",
        )
        .zone("@ MX 10 mail\nmail CNAME mx1")
        .host(mx1().unlisted())
        .host(Host::new("mail").servers([]).unlisted().tlsa([own(
            "mx1.alias-original.example",
        )]))
        .finds([
            "warning mx_is_alias",
            "info cert_name_mismatch",
            "info dane_single_record",
        ])
        .exports(["mailtls_dane_status{mx=\"mail\",status=\"match\"} 1"]),
        domain(
            "alias-first.example",
            "RFC 7672 §2.2.2: only the first CNAME is secure, TLSA is asked at the original name",
        )
        .zone("@ MX 10 mail\nmail CNAME mx1.sts-only.example.")
        .host(Host::new("mail").servers([]).unlisted().tlsa(
            Key::BOTH.map(|key| {
                Tlsa::new(
                    "3 1 1",
                    Of::Other("mx1.sts-only.example", key, Issue::Valid),
                )
            }),
        ))
        .finds([
            "warning mx_is_alias",
            "info cert_name_mismatch",
            "info dane_single_record",
        ])
        .exports(["mailtls_dane_status{mx=\"mail\",status=\"match\"} 1"]),
    ]
}

fn signatures() -> Vec<Domain> {
    vec![
        domain(
            "unsigned-mx.example",
            "RFC 7672 §2.2.1: the host is judged, and a forged MX evades it",
        )
        .unsigned()
        .zone("@ MX 10 mx1.good.example.")
        .finds([
            "warning dane_mx_insecure",
            "warning protection_downgradable",
            "info dane_single_record",
        ])
        .exports([
            "mailtls_dane_status{mx=\"mx1.good.example\",status=\"match\"} 1",
            "mailtls_dane_domain_status{status=\"unanchored\"} 1",
            "mailtls_delivery_protection{sender=\"dane\",level=\"none\"} 1",
        ]),
        domain(
            "unsigned-mx-mismatch.example",
            "RFC 7672 §2.2.1: senders that look refuse",
        )
        .unsigned()
        .zone("@ MX 10 mx1.mismatch.example.")
        .finds([
            "critical dane_tlsa_mismatch",
            "critical delivery_blocked",
            "warning dane_mx_insecure",
            "warning protection_downgradable",
        ])
        .exports([
            "mailtls_dane_status{mx=\"mx1.mismatch.example\",status=\"mismatch\"} 1",
            "mailtls_dane_domain_status{status=\"broken\"} 1",
        ]),
        domain(
            "bogus-mx.example",
            "RFC 7672 §2.2.1: MX bogus, no DANE sender delivers",
        )
        .without_signature("@", "MX")
        .host(mx1().tlsa(ONE_KEY))
        .finds([
            "critical dnssec_bogus",
            "critical delivery_blocked",
            "info dane_single_record",
        ])
        .exports(["mailtls_dane_domain_status{status=\"broken\"} 1"]),
        domain(
            "bogus-tlsa.example",
            "RFC 7672 §2.1.2: TLSA bogus, the host is skipped",
        )
        .without_signature("_25._tcp.mx1", "TLSA")
        .host(mx1().tlsa(ONE_KEY))
        .finds([
            "critical dnssec_bogus",
            "critical dane_tlsa_bogus",
            "critical delivery_blocked",
        ])
        .exports(["mailtls_dane_status{status=\"bogus\"} 1"]),
        domain(
            "bogus-aaaa.example",
            "RFC 7672 §2.2.2: A is secure, AAAA is bogus",
        )
        .without_signature("mx1", "AAAA")
        .host(
            mx1()
                .servers([
                    Server::ecdsa(Issue::Valid),
                    Server::ecdsa(Issue::Valid).v6(),
                ])
                .tlsa(ONE_KEY),
        )
        .finds(["critical dnssec_bogus", "info dane_single_record"])
        .exports([
            "mailtls_mx_dnssec_status{rrset=\"a\",status=\"secure\"} 1",
            "mailtls_mx_dnssec_status{rrset=\"aaaa\",status=\"bogus\"} 1",
        ]),
        domain(
            "unsigned-host.example",
            "RFC 7672 §2.2.2: TLSA of an unsigned host is nothing",
        )
        .unsigned()
        .host(mx1().tlsa(ONE_KEY))
        .finds([
            "warning dane_tlsa_insecure",
            "warning protection_downgradable",
        ])
        .exports(["mailtls_dane_status{status=\"insecure\"} 1"]),
        domain("nsec3.example", "RFC 5155: denial by NSEC3")
            .signing(Signing::Nsec3)
            .host(Host::new("mx1").tlsa(BOTH_KEYS))
            .finds(["info dane_single_record"])
            .exports(["mailtls_dane_domain_status{status=\"protected\"} 1"]),
        Domain::new(
            "wildcard.example",
            "RFC 4035 §3.1.3.3: answers from wildcards, and the proof that nothing is closer",
        )
        .tls_rpt(REPORTS)
        .zone("@ MX 10 inbound")
        .host(
            Host::new("*")
                .unlisted()
                .server(Server::ecdsa(Issue::Valid))
                .tlsa(ONE_KEY),
        )
        .policy("version: STSv1\nmode: enforce\nmx: *.{domain}\nmax_age: 604800\n")
        .finds(["info dane_single_record", "info mta_sts_pattern_wide"])
        .exports([
            "mailtls_dane_domain_status{status=\"protected\"} 1",
            "mailtls_mta_sts_mx_authorized{mx=\"inbound\"} 1",
        ]),
        domain(
            "broken-denial.example",
            "RFC 8020: NXDOMAIN at `_tcp.mx1` denies the TLSA records below it",
        )
        .signing(Signing::BrokenDenial)
        .host(mx1().tlsa(ONE_KEY))
        .finds(["warning dane_denial_broken", "info dane_single_record"]),
    ]
}
