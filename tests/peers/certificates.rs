//! Certificates, made by `openssl`: an authority with an intermediate, and for each MX and policy host a key and a
//! chain of each algorithm.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::namespace::Ran;

/// The algorithm of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

    fn openssl(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["-newkey", "rsa:2048"],
            Self::Ecdsa => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        }
    }
}

/// Who signs a certificate, and for when.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Issue {
    /// By the intermediate authority, for 90 days around now.
    Valid,
    /// By the intermediate authority; ended ten days ago.
    Expired,
    /// By itself, for 90 days.
    SelfSigned,
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
database = index
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
";

impl Authority {
    /// A root and an intermediate in `folder`.
    pub(crate) fn create(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the folder is ours");
        fs::write(folder.join("openssl.cnf"), CONFIGURATION).expect("the folder is ours");
        fs::write(folder.join("index"), "").expect("the folder is ours");
        let authority = Self {
            folder: folder.to_owned(),
        };
        authority.self_signed("root", "Peers Root", Key::Rsa, "root", "");
        authority.request("intermediate", "Peers Intermediate", Key::Rsa, "");
        authority.sign(
            "intermediate",
            "root",
            "intermediate",
            ("-1 day", "+900 days"),
            "",
        );
        authority
    }

    /// PEM file of the root.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root.pem")
    }

    /// PEM file of the intermediate.
    pub(crate) fn intermediate(&self) -> PathBuf {
        self.path("intermediate.pem")
    }

    /// A key and a certificate for `name`, in files whose names begin with `stem`; returns the file of key and chain.
    pub(crate) fn issue(&self, stem: &str, name: &str, key: Key, issue: Issue) -> PathBuf {
        match issue {
            Issue::SelfSigned => self.self_signed(stem, name, key, "leaf", name),
            Issue::Valid | Issue::Expired => {
                self.request(stem, name, key, name);
                let dates = match issue {
                    Issue::Expired => ("-100 days", "-10 days"),
                    Issue::Valid | Issue::SelfSigned => ("-1 day", "+89 days"),
                };
                self.sign(stem, "intermediate", "leaf", dates, name);
            }
        }
        let mut bundle = String::new();
        for part in [format!("{stem}.key"), format!("{stem}.pem")] {
            bundle += &fs::read_to_string(self.path(&part)).expect("openssl wrote it");
        }
        if issue != Issue::SelfSigned {
            bundle += &fs::read_to_string(self.intermediate()).expect("openssl wrote it");
        }
        let file = self.path(&format!("{stem}.bundle"));
        fs::write(&file, bundle).expect("the folder is ours");
        file
    }

    /// SHA-256 over the `SubjectPublicKeyInfo` of a certificate in a PEM file, as a TLSA record has it.
    pub(crate) fn key_digest(certificate: &Path) -> String {
        let script =
            "openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum";
        let printed = Ran::of(Command::new("sh").args(["-c", script]).arg(certificate))
            .expect("a certificate of ours");
        printed
            .split_whitespace()
            .next()
            .expect("sha256sum prints the digest first")
            .to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn openssl(&self, name: &str) -> Command {
        let mut command = Command::new("openssl");
        command.current_dir(&self.folder).env(
            "PEERS_NAME",
            if name.is_empty() {
                "unused.example"
            } else {
                name
            },
        );
        command
    }

    fn request(&self, stem: &str, subject: &str, key: Key, name: &str) {
        let mut command = self.openssl(name);
        command.args(["req", "-new", "-config", "openssl.cnf", "-nodes"]);
        command.args(key.openssl());
        command.args(["-subj", &format!("/CN={subject}")]);
        command.args([
            "-keyout",
            &format!("{stem}.key"),
            "-out",
            &format!("{stem}.csr"),
        ]);
        Ran::of(&mut command).expect("openssl req");
    }

    fn self_signed(&self, stem: &str, subject: &str, key: Key, extensions: &str, name: &str) {
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
        command.args(key.openssl());
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

    fn sign(&self, stem: &str, issuer: &str, extensions: &str, dates: (&str, &str), name: &str) {
        let mut command = self.openssl(name);
        command.args(["ca", "-batch", "-notext", "-config", "openssl.cnf"]);
        command.args([
            "-cert",
            &format!("{issuer}.pem"),
            "-keyfile",
            &format!("{issuer}.key"),
        ]);
        command.args(["-extensions", extensions]);
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
