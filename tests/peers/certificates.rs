//! Certificates, made by `openssl`: an authority with an intermediate, and for each MX and policy host a key and a
//! chain of each algorithm.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::namespace::Ran;

/// The algorithm of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    Rsa,
    Ecdsa,
}

impl Key {
    pub(crate) const BOTH: [Self; 2] = [Self::Rsa, Self::Ecdsa];

    /// As the label `key_algorithm` spells it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
        }
    }

    fn openssl(self, bits: u16) -> Vec<String> {
        let arguments = match self {
            Self::Rsa => format!("-newkey rsa:{bits}"),
            Self::Ecdsa => "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1".to_owned(),
        };
        arguments.split(' ').map(str::to_owned).collect()
    }
}

/// Who signs a certificate, for whom and for when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Issue {
    /// By the intermediate authority, for 90 days around now.
    Valid,
    /// The same once more, with a key of its own.
    Another,
    /// Ended ten days ago.
    Expired,
    /// Begins in ten days.
    NotYet,
    /// By itself, for 90 days.
    SelfSigned,
    /// For another name.
    OtherName,
    /// For the parent of the name: of an MX host, its domain.
    ParentName,
    /// For all names beside it: `*.` and the parent.
    Wildcard,
    /// The name stands in the common name alone.
    NoSan,
    /// For clients: no `serverAuth`.
    ForClients,
    /// With an RSA key of 1024 bits.
    WeakKey,
    /// Signed with SHA-1.
    Sha1,
    /// Without the intermediate certificate.
    Incomplete,
    /// With the root certificate at the end.
    WithRoot,
    /// By an intermediate authority whose certificate has ended.
    OldIntermediate,
}

/// The authority and the folder in which everything it makes lies.
pub(crate) struct Authority {
    folder: PathBuf,
}

const CONFIGURATION: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = peers
[ca]
default_ca = authority
[authority]
new_certs_dir = .
database = $ENV::PEERS_INDEX
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:$ENV::PEERS_NAME
[leaf_without_names]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:$ENV::PEERS_NAME
";

impl Authority {
    /// A root and an intermediate in `folder`.
    pub(crate) fn create(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder is ours");
        fs::write(folder.join("openssl.cnf"), CONFIGURATION).expect("the folder is ours");
        let authority = Self {
            folder: folder.to_owned(),
        };
        let key = Key::Rsa.openssl(2048);
        authority.self_signed("root", "Peers Root", &key, "root", "");
        for (stem, subject, dates) in [
            (
                "intermediate",
                "Peers Intermediate",
                ("-1 day", "+900 days"),
            ),
            (
                "old-intermediate",
                "Peers Old Intermediate",
                ("-900 days", "-5 days"),
            ),
        ] {
            authority.request(stem, subject, &key, "");
            authority.sign(stem, "root", "intermediate", dates, "sha256", "");
        }
        authority
    }

    /// A key and a certificate for `name`, in files whose names begin with `stem`; `stem.bundle` has key and chain.
    pub(crate) fn issue(&self, stem: &str, name: &str, key: Key, issue: Issue) {
        let parent = name.split_once('.').map_or(name, |(_, parent)| parent);
        let subject = match issue {
            Issue::OtherName => format!("not-{name}"),
            Issue::ParentName => parent.to_owned(),
            Issue::Wildcard => format!("*.{parent}"),
            _ => name.to_owned(),
        };
        let extensions = match issue {
            Issue::NoSan => "leaf_without_names",
            Issue::ForClients => "client",
            _ => "leaf",
        };
        let bits = if issue == Issue::WeakKey { 1024 } else { 2048 };
        let dates = match issue {
            Issue::Expired => ("-100 days", "-10 days"),
            Issue::NotYet => ("+10 days", "+100 days"),
            _ => ("-1 day", "+89 days"),
        };
        let digest = if issue == Issue::Sha1 {
            "sha1"
        } else {
            "sha256"
        };
        let issuer = match issue {
            Issue::OldIntermediate => "old-intermediate",
            _ => "intermediate",
        };
        if issue == Issue::SelfSigned {
            self.self_signed(stem, &subject, &key.openssl(bits), extensions, &subject);
        } else {
            self.request(stem, &subject, &key.openssl(bits), &subject);
            self.sign(stem, issuer, extensions, dates, digest, &subject);
        }
        let chain: &[&str] = match issue {
            Issue::SelfSigned | Issue::Incomplete => &[],
            Issue::WithRoot => &[issuer, "root"],
            _ => &[issuer],
        };
        let mut bundle = String::new();
        for part in [format!("{stem}.key"), format!("{stem}.pem")]
            .into_iter()
            .chain(chain.iter().map(|name| format!("{name}.pem")))
        {
            bundle += &fs::read_to_string(self.path(&part)).expect("openssl wrote it");
        }
        fs::write(self.path(&format!("{stem}.bundle")), bundle).expect("the folder is ours");
    }

    /// A file of ours: `root.pem`, `intermediate.pem`, or what [`Authority::issue`] made.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The association data of a TLSA record for a certificate in a PEM file, in hex digits.
    pub(crate) fn association(certificate: &Path, selector: &str, matching_type: &str) -> String {
        let select = match selector {
            "0" => "openssl x509 -in \"$0\" -outform DER",
            _ => "openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform DER",
        };
        let digest = match matching_type {
            "0" => "cat",
            "1" => "openssl dgst -sha256 -binary",
            _ => "openssl dgst -sha512 -binary",
        };
        let script = format!("{select} | {digest} | od -An -v -tx1 | tr -d ' \\n'");
        Ran::of(Command::new("sh").args(["-c", &script]).arg(certificate))
            .expect("a certificate of ours")
    }

    fn openssl(&self, name: &str) -> Command {
        // The configuration names both.
        let name = if name.is_empty() { "unused" } else { name };
        let mut command = Command::new("openssl");
        command
            .current_dir(&self.folder)
            .env("PEERS_NAME", name)
            .env("PEERS_INDEX", "unused");
        command
    }

    fn request(&self, stem: &str, subject: &str, key: &[String], name: &str) {
        let mut command = self.openssl(name);
        command.args(["req", "-new", "-config", "openssl.cnf", "-nodes"]);
        command.args(key);
        command.args(["-subj", &format!("/CN={subject}")]);
        command.args([
            "-keyout",
            &format!("{stem}.key"),
            "-out",
            &format!("{stem}.csr"),
        ]);
        Ran::of(&mut command).expect("openssl req");
    }

    fn self_signed(&self, stem: &str, subject: &str, key: &[String], extensions: &str, name: &str) {
        let mut command = self.openssl(name);
        command.args([
            "req",
            "-new",
            "-x509",
            "-config",
            "openssl.cnf",
            "-nodes",
            "-days",
            "90",
        ]);
        command.args(key);
        command.args([
            "-extensions",
            extensions,
            "-subj",
            &format!("/CN={subject}"),
        ]);
        command.args([
            "-keyout",
            &format!("{stem}.key"),
            "-out",
            &format!("{stem}.pem"),
        ]);
        Ran::of(&mut command).expect("openssl req -x509");
    }

    fn sign(
        &self,
        stem: &str,
        issuer: &str,
        extensions: &str,
        dates: (&str, &str),
        digest: &str,
        name: &str,
    ) {
        // Its own for each certificate: they are made side by side.
        let index = self.path(&format!("{stem}.index"));
        fs::write(&index, "").expect("the folder is ours");
        let mut command = self.openssl(name);
        command.env("PEERS_INDEX", &index);
        command.args(["ca", "-batch", "-notext", "-config", "openssl.cnf"]);
        command.args([
            "-cert",
            &format!("{issuer}.pem"),
            "-keyfile",
            &format!("{issuer}.key"),
        ]);
        command.args(["-extensions", extensions, "-md", digest]);
        command.args(["-startdate", &moment(dates.0, "%Y%m%d%H%M%SZ")]);
        command.args(["-enddate", &moment(dates.1, "%Y%m%d%H%M%SZ")]);
        command.args([
            "-in",
            &format!("{stem}.csr"),
            "-out",
            &format!("{stem}.pem"),
        ]);
        Ran::of(&mut command).expect("openssl ca");
    }
}

/// A moment in UTC as `date` reads it (`-10 days`), in a format of `date`'s.
pub(crate) fn moment(when: &str, format: &str) -> String {
    let mut command = Command::new("date");
    command.args(["--utc", "--date", when, &format!("+{format}")]);
    Ran::of(&mut command).expect("date").trim().to_owned()
}
