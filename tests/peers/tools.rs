//! What other programs say of a domain: `delv`, `posttls-finger`, `openssl` and `curl`, run in the world of the test.
//!
//! Each function turns the output of one tool into a few facts and keeps what was printed, so that a disagreement can
//! be read. Nothing here knows what a domain was set up to be, but for its names and addresses.

use std::fs;

use crate::certificates::Key;
use crate::domains::Domain;
use crate::namespace::Ran;
use crate::servers::PLAIN_RESOLVER;
use crate::world::World;

/// What delv found of one RRset.
pub(crate) struct Validated {
    pub(crate) security: Security,
    /// Each record as delv prints its data; empty for a denial.
    pub(crate) records: Vec<String>,
}

/// delv's verdict, in the words of the label `status`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// No host to talk to.
    NoHost,
}

/// What openssl saw at one address.
pub(crate) struct Session {
    pub(crate) starttls: Starttls,
    /// As openssl spells it, `TLSv1.3`.
    pub(crate) version: Option<String>,
    /// By algorithm of the key; `None` where the server has no such certificate.
    pub(crate) certificates: Vec<(Key, Option<Presented>)>,
}

/// Whether the EHLO reply lists STARTTLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Starttls {
    Offered,
    Missing,
}

/// A certificate as openssl judges it.
pub(crate) struct Presented {
    /// Unix seconds.
    pub(crate) not_before: String,
    /// Unix seconds.
    pub(crate) not_after: String,
    /// SHA-256, lower-case hex digits.
    pub(crate) fingerprint: String,
    /// Whether `openssl x509 -checkhost` finds the host's name.
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
    Differs,
}

/// What curl got of a policy.
pub(crate) struct Fetched {
    /// curl's exit code: 60 is a certificate that it does not accept.
    pub(crate) exit: i32,
    /// The HTTP status; `000` without an answer.
    pub(crate) status: String,
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
        let says = |words: &str| {
            text.lines()
                .any(|line| line.starts_with(';') && line.ends_with(words))
        };
        let security = if says("fully validated") {
            Security::Secure
        } else if says("unsigned answer") {
            Security::Insecure
        } else if says("resolution failed: broken trust chain")
            || says("resolution failed: no valid RRSIG")
        {
            Security::Bogus
        } else {
            panic!("delv {name} {record_type} says something new: {ran}");
        };
        let mut records = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with(';')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_owner, _ttl, "IN", kind, data @ ..] = fields.as_slice()
                && *kind == record_type
            {
                records.push(data.join(" "));
            }
        }
        Validated { security, records }
    }

    /// The addresses of a host for a sender that does not validate.
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        let server = format!("@{PLAIN_RESOLVER}");
        let ran = self
            .world
            .namespace()
            .run("dig", [&server, "+short", "+cdflag", name, "A"]);
        let mut addresses: Vec<String> = ran.expect("dig").lines().map(str::to_owned).collect();
        addresses.sort();
        addresses
    }

    /// Plays a sending Postfix at a security level towards a domain, as far as TLS.
    pub(crate) fn posttls_finger(&self, level: &str, domain: &Domain) -> Finger {
        let mut command = self.world.namespace().command("env");
        command.arg(format!("MAIL_CONFIG={}", self.postfix_configuration));
        command.args(["timeout", "30", "posttls-finger", "-l", level]);
        command.arg("-F").arg(self.world.root_certificate());
        // Below, the names that the certificate may have: without them, level `secure` asks for the domain's.
        command.args([domain.name, &domain.mx()]);
        let ran = Ran::of(&mut command);
        let text = ran.text();
        if text.contains("Verified TLS connection established") {
            Finger::Verified
        } else if text.contains("TLS connection established") {
            Finger::Unverified
        } else if text.contains("Destination address lookup failed") {
            Finger::NoHost
        } else if text.contains("> EHLO") {
            Finger::Cleartext
        } else {
            panic!(
                "posttls-finger -l {level} {} says something new: {ran}",
                domain.name
            );
        }
    }

    /// Connects to one address of an MX host: with each algorithm of keys, by PKIX and, given TLSA records, by DANE.
    pub(crate) fn smtp_session(&self, domain: &Domain, address: &str, tlsa: &[String]) -> Session {
        let mx = domain.mx();
        let peer = format!("{address}:25");
        let smtp = [
            "-starttls",
            "smtp",
            "-name",
            "tools.example",
            "-connect",
            &peer,
            "-servername",
            &mx,
        ];
        let free = self.s_client(&smtp, &[]);
        let text = free.text();
        if text.contains("Didn't find STARTTLS in server response") {
            return Session {
                starttls: Starttls::Missing,
                version: None,
                certificates: vec![],
            };
        }
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("New, "))
            .and_then(|line| line.split(',').next())
            .map(str::to_owned);
        let certificates = Key::BOTH.map(|key| (key, self.presented(&smtp, &mx, key, tlsa)));
        Session {
            starttls: Starttls::Offered,
            version,
            certificates: certificates.into(),
        }
    }

    /// The end of the validity of a policy host's certificate, in Unix seconds.
    pub(crate) fn policy_host_not_after(&self, domain: &Domain) -> Option<String> {
        let (peer, name) = (
            format!("{}:443", domain.policy_address()),
            domain.policy_host(),
        );
        let ran = self.s_client(&["-connect", &peer, "-servername", &name], &[]);
        let leaf = leaf(&ran)?;
        Some(self.unix_time(&self.x509(&leaf, &["-enddate"])))
    }

    /// Fetches the policy as a sender would, with the resolver's addresses.
    pub(crate) fn curl_policy(&self, domain: &Domain) -> Fetched {
        let root = self.world.root_certificate().display().to_string();
        let url = format!("https://{}/.well-known/mta-sts.txt", domain.policy_host());
        let ran = self.world.namespace().run(
            "curl",
            [
                "-sS",
                "--max-time",
                "10",
                "--cacert",
                &root,
                "-w",
                "\n%{http_code}",
                &url,
            ],
        );
        let (body, status) = ran.stdout.rsplit_once('\n').unwrap_or(("", "000"));
        Fetched {
            exit: ran.status,
            status: status.to_owned(),
            body: body.to_owned(),
            error: ran.stderr,
        }
    }

    fn presented(&self, smtp: &[&str], mx: &str, key: Key, tlsa: &[String]) -> Option<Presented> {
        let algorithms = match key {
            Key::Rsa => "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384",
            Key::Ecdsa => "ECDSA+SHA256:ECDSA+SHA384",
        };
        let root = self.world.root_certificate().display().to_string();
        let pkix = self.s_client(smtp, &["-sigalgs", algorithms, "-CAfile", &root]);
        let leaf = leaf(&pkix)?;
        let host = self.x509(&leaf, &["-checkhost", mx]);
        // openssl compares names for usage 3 unless told otherwise; RFC 7672 §3.1.1 has SMTP clients not do that.
        let dane = (!tlsa.is_empty()).then(|| {
            let mut arguments = vec![
                "-sigalgs",
                algorithms,
                "-dane_tlsa_domain",
                mx,
                "-dane_ee_no_namechecks",
            ];
            for record in tlsa {
                arguments.extend(["-dane_tlsa_rrdata", record]);
            }
            verify_code(&self.s_client(smtp, &arguments))
        });
        Some(Presented {
            not_before: self.unix_time(&self.x509(&leaf, &["-startdate"])),
            not_after: self.unix_time(&self.x509(&leaf, &["-enddate"])),
            fingerprint: self
                .x509(&leaf, &["-fingerprint", "-sha256"])
                .rsplit('=')
                .next()
                .map(|digits| digits.trim().replace(':', "").to_lowercase())
                .expect("rsplit yields at least one part"),
            name: if host.contains("does match certificate") {
                Name::Matches
            } else {
                Name::Differs
            },
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

    /// From `notAfter=Feb 22 07:49:40 2027 GMT`.
    fn unix_time(&self, line: &str) -> String {
        let date = line
            .trim()
            .rsplit('=')
            .next()
            .expect("rsplit yields at least one part");
        let ran = self
            .world
            .namespace()
            .run("date", ["--utc", "--date", date, "+%s"]);
        ran.expect("a date").trim().to_owned()
    }
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
