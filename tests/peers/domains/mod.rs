//! The domains that are compared: what each one publishes and serves, in the words of those who will serve it.
//!
//! What is to be expected comes from two sides. The tools are asked at run time and say it of every domain (`claims`).
//! And each domain names the rule that it is here for, with the findings and the gauges that this rule asks for: read
//! off the RFC, never off the exporter. Here are the words that domains are described in; the domains are in
//! `basics`, `routing` (MX and DNS), `sessions` (SMTP), `identity` (certificates), `dane` and `mta_sts`.

mod basics;
mod dane;
mod identity;
mod mta_sts;
mod routing;
mod sessions;

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::OnceLock;

use crate::certificates::Issue;
use crate::certificates::Key;

/// All of them; the place in this list gives a domain its addresses.
pub(crate) fn all() -> &'static [Domain] {
    static ALL: OnceLock<Vec<Domain>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Domain> = [
            // Those that take long first: the others run beside them.
            sessions::domains(),
            basics::domains(),
            routing::domains(),
            identity::domains(),
            dane::domains(),
            mta_sts::domains(),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (number, domain) in (1..).zip(&mut all) {
            domain.number = number;
        }
        all
    })
}

/// A mail domain of the test.
pub(crate) struct Domain {
    /// Without the final dot.
    pub(crate) name: &'static str,
    /// The rule that it is here for.
    pub(crate) why: &'static str,
    pub(crate) signing: Signing,
    /// RRsets that are served without their signatures: owner below the domain, and type.
    pub(crate) unsigned_rrsets: Vec<(&'static str, &'static str)>,
    /// Lines of the zone beside those that the fields below make; `{address}` is the address of the first server.
    pub(crate) zone: String,
    pub(crate) hosts: Vec<Host>,
    /// The texts of the MTA-STS records.
    pub(crate) mta_sts: Vec<&'static str>,
    /// The texts of the TLS-RPT records.
    pub(crate) tls_rpt: Vec<&'static str>,
    pub(crate) policy_host: Option<PolicyHost>,
    /// `critical dane_tlsa_mismatch`: these findings and no others.
    pub(crate) findings: Vec<&'static str>,
    /// `mailtls_mx_hosts 1`: these samples; labels may be left out.
    pub(crate) samples: Vec<&'static str>,
    number: u8,
}

/// How the zone is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Nsec,
    Nsec3,
    /// No signatures, and no DS in the parent.
    Unsigned,
    /// All signatures ended ten days ago.
    Expired,
    /// The zone ends above `_tcp.mx1`, and the same server answers for the TLSA records below it all the same, with
    /// the zone's signatures: what a server does that does not know empty non-terminals.
    BrokenDenial,
}

/// An MX host.
pub(crate) struct Host {
    /// Below the domain; `@` is the domain itself.
    pub(crate) label: &'static str,
    /// None: no MX record names it.
    pub(crate) preference: Option<u16>,
    /// One for each address.
    pub(crate) servers: Vec<Server>,
    pub(crate) tlsa: Vec<Tlsa>,
}

/// What answers at one address.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) family: Family,
    pub(crate) program: Program,
    /// The certificate of each algorithm.
    pub(crate) certificates: Vec<(Key, Issue)>,
    /// What is presented to who asks for this host below the domain.
    pub(crate) sni: Option<(&'static str, Issue)>,
    /// Postfix parameters: `smtpd_tls_security_level = none`.
    pub(crate) options: Vec<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Postfix,
    /// Built on `GnuTLS`.
    Exim,
    /// Nobody listens.
    None,
}

/// A TLSA record.
pub(crate) struct Tlsa {
    /// Usage, selector and matching type: `3 1 1`.
    pub(crate) numbers: &'static str,
    pub(crate) of: Of,
}

/// What a TLSA record is made of.
pub(crate) enum Of {
    /// The certificate of the host.
    Leaf(Key, Issue),
    /// The certificate of another host of the test: its name.
    Other(&'static str, Key, Issue),
    Authority(&'static str),
    /// Association data as it stands there.
    Data(&'static str),
}

/// Where the policy is served.
pub(crate) struct PolicyHost {
    pub(crate) issue: Issue,
    /// The policy; `{domain}` is the name of the domain.
    pub(crate) body: &'static str,
    /// nginx's directives for the policy's path; empty: serve the body as plain text.
    pub(crate) nginx: &'static str,
    /// Where `mta-sts` is an alias: for which name.
    pub(crate) alias: Option<&'static str>,
}

/// An MTA-STS record.
pub(crate) const STS: &str = "v=STSv1; id=1;";
/// A TLS-RPT record.
pub(crate) const REPORTS: &str = "v=TLSRPTv1; rua=mailto:reports@reports.example";
/// A policy.
pub(crate) const ENFORCE: &str =
    "version: STSv1\r\nmode: enforce\r\nmx: mx1.{domain}\r\nmax_age: 604800\r\n";
/// A policy.
pub(crate) const TESTING: &str =
    "version: STSv1\r\nmode: testing\r\nmx: mx1.{domain}\r\nmax_age: 604800\r\n";
/// `3 1 1` records for both keys of a host with certificates in order.
pub(crate) const BOTH_KEYS: [Tlsa; 2] = [
    Tlsa {
        numbers: "3 1 1",
        of: Of::Leaf(Key::Rsa, Issue::Valid),
    },
    Tlsa {
        numbers: "3 1 1",
        of: Of::Leaf(Key::Ecdsa, Issue::Valid),
    },
];
/// `3 1 1` for the one key of [`Server::ecdsa`].
pub(crate) const ONE_KEY: [Tlsa; 1] = [Tlsa {
    numbers: "3 1 1",
    of: Of::Leaf(Key::Ecdsa, Issue::Valid),
}];
/// A digest of a key that nobody has.
pub(crate) const NOBODY: Of =
    Of::Data("5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");

impl Domain {
    /// A signed zone with nothing in it.
    pub(crate) fn new(name: &'static str, why: &'static str) -> Self {
        Self {
            name,
            why,
            signing: Signing::Nsec,
            unsigned_rrsets: vec![],
            zone: String::new(),
            hosts: vec![],
            mta_sts: vec![],
            tls_rpt: vec![],
            policy_host: None,
            findings: vec![],
            samples: vec![],
            number: 0,
        }
    }

    pub(crate) fn signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    pub(crate) fn unsigned(self) -> Self {
        self.signing(Signing::Unsigned)
    }

    /// Leaves out the signatures of one RRset.
    pub(crate) fn without_signature(mut self, owner: &'static str, rtype: &'static str) -> Self {
        self.unsigned_rrsets.push((owner, rtype));
        self
    }

    /// Adds lines to the zone.
    pub(crate) fn zone(mut self, lines: &str) -> Self {
        self.zone += lines;
        self.zone.push('\n');
        self
    }

    pub(crate) fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    /// Adds an MTA-STS record.
    pub(crate) fn mta_sts(mut self, record: &'static str) -> Self {
        self.mta_sts.push(record);
        self
    }

    /// Adds a TLS-RPT record.
    pub(crate) fn tls_rpt(mut self, record: &'static str) -> Self {
        self.tls_rpt.push(record);
        self
    }

    /// Serves this policy, and publishes a record of it unless there is one.
    pub(crate) fn policy(self, body: &'static str) -> Self {
        self.policy_host(PolicyHost::new(body))
    }

    pub(crate) fn policy_host(mut self, host: PolicyHost) -> Self {
        if self.mta_sts.is_empty() {
            self.mta_sts.push(STS);
        }
        self.policy_host = Some(host);
        self
    }

    /// What must be found, nothing else: `critical dane_tlsa_mismatch`.
    pub(crate) fn finds<const N: usize>(mut self, findings: [&'static str; N]) -> Self {
        self.findings.extend(findings);
        self
    }

    /// What must be exported: `mailtls_mx_hosts 1`. Labels may be left out.
    pub(crate) fn exports<const N: usize>(mut self, samples: [&'static str; N]) -> Self {
        self.samples.extend(samples);
        self
    }

    /// The full name of something below the domain; `@` is the domain itself.
    pub(crate) fn full_name(&self, label: &str) -> String {
        match label {
            "@" => self.name.to_owned(),
            _ => format!("{label}.{}", self.name),
        }
    }

    /// The name of the policy host.
    pub(crate) fn policy_host_name(&self) -> String {
        self.full_name("mta-sts")
    }

    /// The address of the policy host.
    pub(crate) fn policy_address(&self) -> String {
        format!("127.44.{}.1", self.number)
    }

    /// Every server with its host and address.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&Host, IpAddr, &Server)> {
        let mut last = 0;
        self.hosts
            .iter()
            .flat_map(|host| host.servers.iter().map(move |server| (host, server)))
            .map(move |(host, server)| {
                last += 1;
                let address = match server.family {
                    Family::V4 => Ipv4Addr::new(127, 25, self.number, last).into(),
                    Family::V6 => {
                        let (number, last) = (u16::from(self.number), u16::from(last));
                        Ipv6Addr::new(0xfd00, 0x25, 0, 0, 0, 0, number, last).into()
                    }
                };
                (host, address, server)
            })
    }

    /// The policy as served.
    pub(crate) fn policy_body(&self) -> Option<String> {
        let host = self.policy_host.as_ref()?;
        Some(host.body.replace("{domain}", self.name))
    }
}

impl Host {
    /// A host with preference 10 and one address, where Postfix has two good certificates.
    pub(crate) fn new(label: &'static str) -> Self {
        Self {
            label,
            preference: Some(10),
            servers: vec![],
            tlsa: vec![],
        }
        .server(Server::both(Issue::Valid))
    }

    pub(crate) fn preference(mut self, preference: u16) -> Self {
        self.preference = Some(preference);
        self
    }

    /// No MX record names it.
    pub(crate) fn unlisted(mut self) -> Self {
        self.preference = None;
        self
    }

    /// The one server.
    pub(crate) fn server(self, server: Server) -> Self {
        self.servers([server])
    }

    pub(crate) fn servers<const N: usize>(mut self, servers: [Server; N]) -> Self {
        self.servers = servers.into();
        self
    }

    pub(crate) fn tlsa(mut self, records: impl IntoIterator<Item = Tlsa>) -> Self {
        self.tlsa.extend(records);
        self
    }

    /// Where its TLSA records stand, below the domain.
    pub(crate) fn tlsa_owner(&self) -> String {
        match self.label {
            "@" => "_25._tcp".to_owned(),
            // A wildcard is one as the first label alone.
            "*" => "*".to_owned(),
            label => format!("_25._tcp.{label}"),
        }
    }
}

impl Server {
    fn new(program: Program, certificates: Vec<(Key, Issue)>) -> Self {
        Self {
            family: Family::V4,
            program,
            certificates,
            sni: None,
            options: vec![],
        }
    }

    /// Postfix with an RSA and an ECDSA certificate.
    pub(crate) fn both(issue: Issue) -> Self {
        let certificates = Key::BOTH.map(|key| (key, issue));
        Self::new(Program::Postfix, certificates.into())
    }

    /// Postfix with an ECDSA certificate alone.
    pub(crate) fn ecdsa(issue: Issue) -> Self {
        Self::new(Program::Postfix, vec![(Key::Ecdsa, issue)])
    }

    /// Postfix with an RSA certificate alone.
    pub(crate) fn rsa(issue: Issue) -> Self {
        Self::new(Program::Postfix, vec![(Key::Rsa, issue)])
    }

    /// Exim with an RSA and an ECDSA certificate.
    pub(crate) fn exim(issue: Issue) -> Self {
        let certificates = Key::BOTH.map(|key| (key, issue));
        Self::new(Program::Exim, certificates.into())
    }

    /// Postfix without STARTTLS.
    pub(crate) fn cleartext() -> Self {
        Self::ecdsa(Issue::Valid).option("smtpd_tls_security_level = none")
    }

    /// Nobody.
    pub(crate) fn none() -> Self {
        Self::new(Program::None, vec![])
    }

    /// At an IPv6 address.
    pub(crate) fn v6(mut self) -> Self {
        self.family = Family::V6;
        self
    }

    /// Adds a parameter of Postfix.
    pub(crate) fn option(mut self, option: &'static str) -> Self {
        self.options.push(option);
        self
    }

    /// What is presented to who asks for this host below the domain.
    pub(crate) fn sni(mut self, label: &'static str, issue: Issue) -> Self {
        self.sni = Some((label, issue));
        self
    }
}

impl Tlsa {
    pub(crate) fn new(numbers: &'static str, of: Of) -> Self {
        Self { numbers, of }
    }
}

impl PolicyHost {
    pub(crate) fn new(body: &'static str) -> Self {
        Self {
            issue: Issue::Valid,
            body,
            nginx: "",
            alias: None,
        }
    }

    pub(crate) fn issue(mut self, issue: Issue) -> Self {
        self.issue = issue;
        self
    }

    /// nginx's directives for the policy's path.
    pub(crate) fn nginx(mut self, directives: &'static str) -> Self {
        self.nginx = directives;
        self
    }

    /// `mta-sts` is an alias for this name.
    pub(crate) fn alias(mut self, target: &'static str) -> Self {
        self.alias = Some(target);
        self
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.why)
    }
}
