//! What other programs say of a domain: `delv`, `posttls-finger`, `openssl`, `curl` and postfix-mta-sts-resolver, run in
//! the world of the test.
//!
//! Each function turns the output of one tool into a few facts and keeps what was printed, so that a disagreement can
//! be read. Nothing here knows what a domain was set up to be, but for its names and addresses.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::certificates::Key;
use crate::certificates::moment;
use crate::domains::Domain;
use crate::domains::all;
use crate::namespace::Ran;
use crate::servers::PLAIN_RESOLVER;
use crate::world::World;

/// What delv found when it asked for one RRset, aliases followed.
pub(crate) struct Validated {
    /// The worst of all RRsets on the way.
    pub(crate) security: Security,
    /// Of the first of them.
    pub(crate) first: Security,
    /// Each record as delv prints its data; empty for a denial.
    pub(crate) records: Vec<String>,
    /// The names that aliases led to, without final dot.
    pub(crate) aliases: Vec<String>,
}

/// delv's verdict, in the words of the label `status`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Security {
    Secure,
    Insecure,
    Bogus,
}

/// What posttls-finger reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Finger {
    /// A TLS session with a server that is who the level asks for.
    Verified,
    /// A TLS session with anybody.
    Unverified,
    /// A session without TLS.
    Cleartext,
    /// STARTTLS that led to nothing.
    NoHandshake,
    /// A server that does not answer, or not with 220.
    NoSession,
    /// No host to talk to.
    NoHost,
}

/// What was seen at one address.
pub(crate) struct Session {
    pub(crate) dialogue: Dialogue,
    /// By algorithm of the key; `None` where the server has no such certificate.
    pub(crate) certificates: Vec<(Key, Option<Presented>)>,
}

/// How far posttls-finger came with a server, willing to take any TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Dialogue {
    Unreachable,
    /// The code of a greeting that is not 220.
    Greeting(u16),
    NoStarttls,
    /// STARTTLS was answered by this code.
    Refused(u16),
    HandshakeFailed,
    /// The version as OpenSSL spells it, `TLSv1.3`, and the suite.
    Tls {
        version: String,
        suite: String,
    },
}

/// A certificate as openssl judges it.
pub(crate) struct Presented {
    /// Unix seconds.
    pub(crate) not_before: String,
    /// Unix seconds.
    pub(crate) not_after: String,
    /// SHA-256, lower-case hex digits.
    pub(crate) fingerprint: String,
    /// Whether `openssl x509 -checkhost` finds the host's name; the common name does not count.
    pub(crate) name: Name,
    /// The code that path validation ended with, names aside; 0 is success.
    pub(crate) pkix: u32,
    /// The code that validation against the TLSA records ended with; `None` without records.
    pub(crate) dane: Option<u32>,
}

/// Whether a certificate is for the name of its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    Matches,
    /// As the common name of a certificate without DNS names.
    OnlyCommon,
    Differs,
}

/// What a host is held against by DANE.
pub(crate) struct Dane {
    /// The names that usage 2 may match; the first is the TLSA base domain, and the SNI.
    pub(crate) names: Vec<String>,
    /// The usable records.
    pub(crate) records: Vec<String>,
}

/// How postfix-mta-sts-resolver ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queried {
    Valid,
    NoRecord,
    NoPolicy,
}

/// What curl got of a policy.
pub(crate) struct Fetched {
    /// curl's exit code: 60 is a certificate that it does not accept.
    pub(crate) exit: i32,
    /// The HTTP status; `000` without an answer.
    pub(crate) status: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
    pub(crate) error: String,
}

/// The tools, pointed at the world.
pub(crate) struct Tools<'a> {
    world: &'a World,
    /// The root's key in delv's form.
    delv_anchors: String,
    /// An empty Postfix configuration: posttls-finger insists on one.
    postfix_configuration: String,
    /// What postfix-mta-sts-resolver says of each domain, in its own words.
    mta_sts: BTreeMap<String, String>,
}

impl<'a> Tools<'a> {
    /// The tools in `world`.
    pub(crate) fn new(world: &'a World) -> Self {
        let configuration = world.servers().subfolder("posttls-finger");
        fs::write(configuration.join("main.cf"), "").expect("the folder is ours");
        Self {
            world,
            delv_anchors: delv_anchors(world),
            postfix_configuration: configuration.display().to_string(),
            mta_sts: mta_sts(world),
        }
    }

    /// Validates one RRset from the root down.
    pub(crate) fn delv(&self, name: &str, record_type: &str) -> Validated {
        let anchors = &self.delv_anchors;
        let server = format!("@{PLAIN_RESOLVER}");
        let arguments = [
            &server,
            "-a",
            anchors,
            "+root=.",
            "+nodnssec",
            "+nosplit",
            name,
            record_type,
        ];
        let ran = self.world.namespace().run("delv", arguments);
        let text = ran.text();
        let mut verdicts = Vec::new();
        let mut records = Vec::new();
        let mut aliases = Vec::new();
        for line in text.lines() {
            let says = |words: &str| line.starts_with(';') && line.ends_with(words);
            if says("fully validated") {
                verdicts.push(Security::Secure);
            } else if says("unsigned answer") {
                verdicts.push(Security::Insecure);
            } else if says("resolution failed: broken trust chain")
                || says("resolution failed: no valid RRSIG")
                || says("resolution failed: insecurity proof failed")
            {
                verdicts.push(Security::Bogus);
            }
            let fields: Vec<&str> = line.split_whitespace().collect();
            match fields.as_slice() {
                [owner, ..] if owner.starts_with(';') => {}
                [_owner, _ttl, "IN", "CNAME", target] => {
                    aliases.push(target.trim_end_matches('.').to_owned());
                }
                [_owner, _ttl, "IN", kind, data @ ..] if *kind == record_type => {
                    records.push(data.join(" "));
                }
                _ => {}
            }
        }
        let (Some(first), Some(security)) = (verdicts.first(), verdicts.iter().max()) else {
            panic!("delv {name} {record_type} says something new: {ran}");
        };
        Validated {
            security: *security,
            first: *first,
            records,
            aliases,
        }
    }

    /// The MX records of a domain for a sender that does not validate: preference and name, the best first.
    pub(crate) fn mx(&self, domain: &str) -> Vec<(u16, String)> {
        let mut records: Vec<(u16, String)> = self
            .dig(domain, "MX")
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(preference, name)| {
                let name = name.strip_suffix('.').unwrap_or(name);
                (preference.parse().expect("a preference"), name.to_owned())
            })
            .collect();
        records.sort();
        records
    }

    /// The addresses of a host for a sender that does not validate.
    pub(crate) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = ["A", "AAAA"]
            .iter()
            .flat_map(|rtype| self.dig(name, rtype))
            .filter_map(|line| line.parse().ok())
            .collect();
        addresses.sort();
        addresses
    }

    fn dig(&self, name: &str, rtype: &str) -> Vec<String> {
        let server = format!("@{PLAIN_RESOLVER}");
        let arguments = [&server, "+short", "+cdflag", name, rtype];
        let ran = self.world.namespace().run("dig", arguments);
        ran.expect("dig").lines().map(str::to_owned).collect()
    }

    /// Plays a sending Postfix, as Debian sets it up, at a security level towards a domain, as far as TLS; `names` are
    /// what the certificate may be for at level `secure`, which asks for the domain's own name otherwise.
    pub(crate) fn posttls_finger(&self, level: &str, domain: &str, names: &[String]) -> Finger {
        let root = self.world.root_certificate().display().to_string();
        let mut arguments = vec!["-l", level, "-F", &root, domain];
        arguments.extend(names.iter().map(String::as_str));
        let ran = self.finger(&arguments);
        let text = ran.text();
        if text.contains("Verified TLS connection established") {
            Finger::Verified
        } else if text.contains("TLS connection established") {
            Finger::Unverified
        } else if text.contains("Destination address lookup failed")
            || text.contains("TLSA lookup error")
        {
            Finger::NoHost
        } else if text.contains("SSL_connect error") || text.contains("> STARTTLS") {
            Finger::NoHandshake
        } else if text.contains("> EHLO") {
            Finger::Cleartext
        } else if text.contains("Connected to") || text.contains("connect to") {
            Finger::NoSession
        } else {
            panic!("posttls-finger -l {level} {domain} says something new: {ran}");
        }
    }

    /// Talks to one address of an MX host, willing to take any TLS.
    pub(crate) fn dialogue(&self, address: IpAddr) -> Dialogue {
        let literal = match address {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[ipv6:{address}]"),
        };
        // A level that asks for a certificate, or it would take suites without one.
        let ran = self.finger(&["-l", "verify", &literal]);
        let text = ran.text();
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.trim_start_matches("posttls-finger: "))
            .collect();
        // The code of the first reply after a line.
        let reply_after = |start: &str| {
            lines
                .iter()
                .skip_while(|line| !line.starts_with(start))
                .find_map(|line| line.strip_prefix("< "))
                .and_then(|line| line.get(..3))
                .and_then(|code| code.parse::<u16>().ok())
        };
        let established = lines.iter().find_map(|line| {
            let (_, how) = line.split_once("TLS connection established to ")?;
            let (_, how) = how.split_once(": TLSv")?;
            let (version, suite) = how.split_once(" with cipher ")?;
            Some((version, suite.split_whitespace().next()?))
        });
        if let Some((version, suite)) = established {
            return Dialogue::Tls {
                version: format!("TLSv{version}"),
                suite: suite.to_owned(),
            };
        }
        if let Some(code) = reply_after("> STARTTLS") {
            return match code {
                // Postfix takes no signatures of TLS 1.1, whatever it is told.
                220 => self
                    .obsolete_session(address)
                    .unwrap_or(Dialogue::HandshakeFailed),
                code => Dialogue::Refused(code),
            };
        }
        match reply_after("Connected to") {
            None => Dialogue::Unreachable,
            Some(220) => Dialogue::NoStarttls,
            Some(code) => Dialogue::Greeting(code),
        }
    }

    /// What openssl comes to that is told to take anything that has a certificate.
    fn obsolete_session(&self, address: IpAddr) -> Option<Dialogue> {
        let peer = socket_address(address);
        let ran = self.s_client(
            &["-starttls", "smtp", "-connect", &peer],
            &[
                "-cipher",
                "ALL:!aNULL:@SECLEVEL=0",
                "-min_protocol",
                "TLSv1",
            ],
        );
        let field = |name: &str| {
            let line = ran
                .stdout
                .lines()
                .find(|line| line.trim().starts_with(name))?;
            line.split_once(": ")
                .map(|(_, value)| value.trim().to_owned())
        };
        let suite = field("Cipher ")?;
        (suite != "0000").then_some(Dialogue::Tls {
            version: field("Protocol ")?,
            suite,
        })
    }

    fn finger(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.namespace().command("env");
        command.arg(format!("MAIL_CONFIG={}", self.postfix_configuration));
        command.args(["timeout", "30", "posttls-finger"]);
        command.args(arguments);
        Ran::of(&mut command)
    }

    /// Connects to one address of an MX host with each algorithm of keys; by PKIX with the host's name as SNI, by DANE
    /// with that of the first of `dane.names`.
    pub(crate) fn certificates(
        &self,
        mx: &str,
        address: IpAddr,
        dane: &Dane,
    ) -> Vec<(Key, Option<Presented>)> {
        let peer = socket_address(address);
        let peer = [
            "-starttls",
            "smtp",
            "-name",
            "tools.example",
            "-connect",
            &peer,
        ];
        Key::BOTH
            .map(|key| (key, self.presented(&peer, mx, key, dane)))
            .into()
    }

    /// The end of the validity of a policy host's certificate, in Unix seconds.
    pub(crate) fn policy_host_not_after(&self, domain: &Domain, address: IpAddr) -> Option<String> {
        let name = domain.policy_host_name();
        let peer = SocketAddr::new(address, 443).to_string();
        let ran = self.s_client(&["-connect", &peer, "-servername", &name], &[]);
        let leaf = leaf(&ran)?;
        Some(unix_time(&self.x509(&leaf, &["-enddate"])))
    }

    /// What postfix-mta-sts-resolver comes to.
    pub(crate) fn mta_sts(&self, domain: &str) -> Queried {
        match self.mta_sts.get(domain).map(String::as_str) {
            Some("VALID") => Queried::Valid,
            Some("NONE") => Queried::NoRecord,
            Some("FETCH_ERROR") => Queried::NoPolicy,
            other => panic!("postfix-mta-sts-resolver on {domain} says something new: {other:?}"),
        }
    }

    /// Fetches the policy as a sender would, with the resolver's addresses.
    pub(crate) fn curl_policy(&self, domain: &Domain) -> Fetched {
        let root = self.world.root_certificate().display().to_string();
        let url = format!(
            "https://{}/.well-known/mta-sts.txt",
            domain.policy_host_name()
        );
        let ran = self.world.namespace().run(
            "curl",
            [
                "-sS",
                "--max-time",
                "10",
                "--cacert",
                &root,
                "-w",
                "\n%{http_code} %{content_type}",
                &url,
            ],
        );
        let (body, last) = ran.stdout.rsplit_once('\n').unwrap_or(("", "000"));
        let (status, content_type) = last.split_once(' ').unwrap_or((last, ""));
        Fetched {
            exit: ran.status,
            status: status.to_owned(),
            content_type: content_type.to_owned(),
            body: body.to_owned(),
            error: ran.stderr,
        }
    }

    fn presented(&self, peer: &[&str], mx: &str, key: Key, dane: &Dane) -> Option<Presented> {
        let algorithms = match key {
            Key::Rsa => "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384:RSA+SHA1",
            Key::Ecdsa => "ECDSA+SHA256:ECDSA+SHA384",
        };
        let root = self.world.root_certificate().display().to_string();
        // Of what it connects to, this takes anything; of what it believes, what Debian's OpenSSL does.
        let session = |name: &str, arguments: &[&str]| {
            let cipher = "ALL:@SECLEVEL=0";
            let common = ["-servername", name, "-sigalgs", algorithms];
            let level = [
                "-cipher",
                cipher,
                "-auth_level",
                "2",
                "-min_protocol",
                "TLSv1",
            ];
            self.s_client(peer, &[&common[..], &level[..], arguments].concat())
        };
        let pkix = session(mx, &["-CAfile", &root]);
        let leaf = leaf(&pkix)?;
        let facts = self.x509(
            &leaf,
            &[
                "-startdate",
                "-enddate",
                "-fingerprint",
                "-sha256",
                "-checkhost",
                mx,
                "-ext",
                "subjectAltName",
            ],
        );
        let line = |start: &str| {
            facts
                .lines()
                .find(|line| line.starts_with(start))
                .unwrap_or_else(|| panic!("openssl x509 prints something new: {facts}"))
        };
        let by_name = |name: &String| {
            let base = dane.names.first().expect("a base domain");
            let mut arguments = vec!["-dane_tlsa_domain", name];
            // openssl compares names for usage 3 unless told otherwise; RFC 7672 §3.1.1 has SMTP clients not do that.
            arguments.push("-dane_ee_no_namechecks");
            for record in &dane.records {
                arguments.extend(["-dane_tlsa_rrdata", record]);
            }
            verify_code(&session(base, &arguments))
        };
        // RFC 7672 §3.2.2: any of the names will do.
        let dane = (!dane.records.is_empty()).then(|| {
            let mut codes = dane.names.iter().map(by_name);
            let first = codes.next().expect("a base domain");
            if first == 0 || codes.all(|code| code != 0) {
                first
            } else {
                0
            }
        });
        // It falls back to the common name, which an MTA-STS sender does not.
        let name = match (
            facts.contains("does match certificate"),
            facts.contains("DNS:"),
        ) {
            (false, _) => Name::Differs,
            (true, true) => Name::Matches,
            (true, false) => Name::OnlyCommon,
        };
        Some(Presented {
            not_before: unix_time(line("notBefore=")),
            not_after: unix_time(line("notAfter=")),
            fingerprint: line("sha256 Fingerprint=")
                .rsplit('=')
                .next()
                .map(|digits| digits.trim().replace(':', "").to_lowercase())
                .expect("rsplit yields at least one part"),
            name,
            pkix: verify_code(&pkix),
            dane,
        })
    }

    fn s_client(&self, connection: &[&str], arguments: &[&str]) -> Ran {
        let all = [&["s_client"], connection, arguments].concat();
        self.world.namespace().run("openssl", all)
    }

    fn x509(&self, pem: &str, arguments: &[&str]) -> String {
        let file =
            tempfile::NamedTempFile::new_in(self.world.folder()).expect("the folder is ours");
        fs::write(file.path(), pem).expect("the folder is ours");
        let path = file.path().display().to_string();
        let all = [&["x509", "-noout", "-in", &path], arguments].concat();
        self.world.namespace().run("openssl", all).stdout
    }
}

/// Asks postfix-mta-sts-resolver about all domains in one process: to start Python for each takes longer.
fn mta_sts(world: &World) -> BTreeMap<String, String> {
    const SCRIPT: &str = "
import asyncio, sys
from postfix_mta_sts_resolver.resolver import STSResolver
async def main():
    resolver = STSResolver(loop=asyncio.get_running_loop(), timeout=20)
    for domain in sys.argv[1:]:
        result, _ = await resolver.resolve(domain)
        print(domain, result.name)
asyncio.run(main())
";
    let root = format!("SSL_CERT_FILE={}", world.root_certificate().display());
    let mut command = world.namespace().command("env");
    // Debian's Python has the package, whatever else the machine has.
    command.args([&root, "timeout", "120", "/usr/bin/python3", "-c", SCRIPT]);
    command.args(all().iter().map(|domain| domain.name));
    let printed = Ran::of(&mut command).expect("postfix-mta-sts-resolver");
    printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(domain, result)| (domain.to_owned(), result.to_owned()))
        .collect()
}

fn socket_address(address: IpAddr) -> String {
    SocketAddr::new(address, 25).to_string()
}

/// From `notAfter=Feb 22 07:49:40 2027 GMT` to Unix seconds.
fn unix_time(line: &str) -> String {
    let date = line
        .trim()
        .rsplit('=')
        .next()
        .expect("rsplit yields at least one part");
    moment(date, "%s")
}

/// The leaf certificate in the output of `openssl s_client`.
fn leaf(ran: &Ran) -> Option<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = ran.stdout.find("-----BEGIN CERTIFICATE-----")?;
    let (_, rest) = ran.stdout.split_at(start);
    let (pem, _) = rest.split_once(END)?;
    Some(format!("{pem}{END}\n"))
}

/// From `Verify return code: 10 (certificate has expired)`.
fn verify_code(ran: &Ran) -> u32 {
    ran.stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("Verify return code: "))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("openssl does not say how verification ended: {ran}"))
}

/// The root's key as delv wants it; from the DNSKEY record `. IN DNSKEY flags protocol algorithm key`.
fn delv_anchors(world: &World) -> String {
    let file = world.folder().join("delv.anchors");
    let record = fs::read_to_string(world.anchor()).expect("dnssec-keygen wrote it");
    let fields: Vec<&str> = record
        .lines()
        .filter(|line| !line.starts_with(';'))
        .flat_map(str::split_whitespace)
        .collect();
    let [".", "IN", "DNSKEY", flags, protocol, algorithm, key @ ..] = fields.as_slice() else {
        panic!("not a key of the root: {record}");
    };
    let text = format!(
        "trust-anchors {{ \".\" static-key {flags} {protocol} {algorithm} \"{}\"; }};\n",
        key.concat()
    );
    fs::write(&file, text).expect("the folder is ours");
    file.display().to_string()
}
