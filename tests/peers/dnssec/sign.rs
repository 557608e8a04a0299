//! Zone files from the declarations, signed by ldns: the deepest zones first, for their DS records go into the parents.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::panic::resume_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use super::zone::Algorithm;
use super::zone::Denial;
use super::zone::Ds;
use super::zone::Key;
use super::zone::Life;
use super::zone::Pair;
use super::zone::Parent;
use super::zone::Role;
use super::zone::Server;
use super::zone::Zone;
use crate::certificates::moment;
use crate::namespace::Ran;

/// Zones signed side by side.
const WORKERS: usize = 3;

/// A zone as it is served.
pub(super) struct Served {
    /// Without the final dot; the root is empty.
    pub(super) name: &'static str,
    pub(super) server: Server,
    pub(super) file: PathBuf,
}

/// What was written.
pub(super) struct Signed {
    pub(super) zones: Vec<Served>,
    /// The root's key as a DNSKEY record in zone-file form.
    pub(super) anchor: String,
}

/// Writes and signs all zones in `folder`.
pub(super) fn sign(
    folder: &Path,
    zones: &[Zone],
    address: impl Fn(Server) -> Ipv4Addr + Sync,
) -> Signed {
    let signer = Signer::new(folder, zones);
    let mut delegations: BTreeMap<&str, Vec<Delegation>> = BTreeMap::new();
    let mut served = Vec::new();
    let depths: BTreeSet<usize> = zones.iter().map(|zone| depth(zone.name)).collect();
    for depth_now in depths.into_iter().rev() {
        let level: Vec<&Zone> = zones
            .iter()
            .filter(|zone| depth(zone.name) == depth_now)
            .collect();
        let queue = Mutex::new(level.iter());
        let work = || {
            let mut done = Vec::new();
            while let Some(&zone) = { queue.lock().expect("no worker panics with it").next() } {
                let children = delegations.get(zone.name).map_or(&[][..], Vec::as_slice);
                done.push((zone, signer.zone(zone, address(zone.server), children)));
            }
            done
        };
        let done: Vec<(&Zone, (PathBuf, String))> = thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        for (zone, (file, ds)) in done {
            if let Some(parent) = parent(zone.name, zones) {
                let name = zone.name;
                let servers = format!(
                    "{name}. 600 IN NS ns.{name}.\nns.{name}. 600 IN A {}\n",
                    address(zone.server)
                );
                delegations
                    .entry(parent)
                    .or_default()
                    .push(Delegation { servers, ds });
            }
            served.push(Served {
                name: zone.name,
                server: zone.server,
                file,
            });
        }
    }
    let root = zones
        .iter()
        .find(|zone| zone.name.is_empty())
        .expect("there is a root");
    Signed {
        zones: served,
        anchor: signer.key_record(root, root.keys[0]),
    }
}

fn depth(name: &str) -> usize {
    if name.is_empty() {
        0
    } else {
        name.split('.').count()
    }
}

/// The deepest zone that a name is below of.
fn parent<'z>(name: &str, zones: &'z [Zone]) -> Option<&'z str> {
    zones
        .iter()
        .map(|zone| zone.name)
        .filter(|above| {
            !name.is_empty() && (above.is_empty() || name.ends_with(&format!(".{above}")))
        })
        .max_by_key(|above| depth(above))
}

/// What a parent has of a child: records in zone-file form.
struct Delegation {
    servers: String,
    /// Empty when there are none.
    ds: String,
}

struct Signer {
    folder: PathBuf,
    /// The base name of each key pair's files.
    pool: BTreeMap<(Algorithm, Pair), PathBuf>,
    lives: BTreeMap<&'static str, (String, String)>,
}

impl Signer {
    /// Makes the key pairs that the zones share.
    fn new(folder: &Path, zones: &[Zone]) -> Self {
        for name in ["keys", "zones"] {
            fs::create_dir_all(folder.join(name)).expect("the folder is ours");
        }
        let mut pool = BTreeMap::new();
        for key in zones.iter().flat_map(|zone| &zone.keys) {
            pool.entry((key.algorithm, key.pair)).or_insert_with(|| {
                let bits: &[&str] = match key.algorithm {
                    Algorithm::RsaSha256Short => &["-b", "1024"],
                    Algorithm::RsaSha1
                    | Algorithm::RsaSha1Nsec3
                    | Algorithm::RsaSha256
                    | Algorithm::RsaSha512 => &["-b", "2048"],
                    Algorithm::EcdsaP256
                    | Algorithm::EcdsaP384
                    | Algorithm::Ed25519
                    | Algorithm::Ed448 => &[],
                };
                let mut command = Command::new("ldns-keygen");
                command.current_dir(folder.join("keys")).args([
                    "-r",
                    "/dev/urandom",
                    "-a",
                    key.algorithm.ldns(),
                ]);
                command.args(bits).arg("shared");
                let base = Ran::of(&mut command).expect("ldns-keygen");
                folder.join("keys").join(base.trim())
            });
        }
        let when = |text| moment(text, "%Y%m%d%H%M%S");
        let lives = [
            ("month", "-1 day", "+30 days"),
            ("expired", "-40 days", "-10 days"),
            ("early", "+10 days", "+30 days"),
            ("soon", "-1 day", "+2 days"),
        ]
        .into_iter()
        .map(|(name, from, to)| (name, (when(from), when(to))))
        .collect();
        Self {
            folder: folder.to_owned(),
            pool,
            lives,
        }
    }

    /// Writes and signs one zone; its file, and the DS records for its parent.
    fn zone(
        &self,
        zone: &Zone,
        address: Ipv4Addr,
        delegations: &[Delegation],
    ) -> (PathBuf, String) {
        let stem = if zone.name.is_empty() {
            "root"
        } else {
            zone.name
        };
        let file = self.folder.join("zones").join(stem);
        let origin = format!("{}.", zone.name);
        let mut text = format!(
            "$ORIGIN {origin}\n$TTL {}\n@ SOA ns hostmaster 1 3600 600 604800 60\n@ NS ns\nns A {address}\n{}",
            zone.ttl, zone.records,
        );
        // With opt-out, unsigned delegations have no NSEC3 record (RFC 5155 §7.1). ldns gives them one, if it knows of them.
        let is_hidden = |child: &&Delegation| zone.denial == Denial::OptOut && child.ds.is_empty();
        for child in delegations.iter().filter(|child| !is_hidden(child)) {
            text += &child.servers;
            text += &child.ds;
        }
        for key in zone.keys.iter().filter(|key| key.role == Role::Published) {
            text += &self.key_record(zone, *key);
        }
        fs::write(&file, text).expect("the folder is ours");
        if zone.keys.is_empty() {
            return (file, String::new());
        }
        let life = match zone.life {
            Life::AMonth => "month",
            Life::Expired => "expired",
            Life::NotYet => "early",
            Life::TwoDays => "soon",
        };
        let mut lines = self.signed_lines(zone, &file, life);
        for edit in &zone.edits {
            let before = lines.clone();
            let mut expired = || self.signed_lines(zone, &file, "expired");
            lines = edit.apply(lines, &mut expired);
            assert_ne!(before, lines, "{}: {edit:?} changes nothing", zone.name);
        }
        let signed = file.with_file_name(format!("{stem}~signed"));
        let mut text: String = lines.iter().map(|line| line.join(" ") + "\n").collect();
        text.extend(
            delegations
                .iter()
                .filter(is_hidden)
                .map(|child| child.servers.as_str()),
        );
        fs::write(&signed, text).expect("the folder is ours");
        (signed, self.ds_records(zone))
    }

    /// The zone signed for one of the lives, each record as its words.
    fn signed_lines(&self, zone: &Zone, file: &Path, life: &str) -> Vec<Vec<String>> {
        let (from, to) = &self.lives[life];
        let output = file.with_file_name(format!(
            "{}~{life}",
            file.file_name().expect("a file").display()
        ));
        let mut command = Command::new("ldns-signzone");
        command
            .args(["-i", from, "-e", to, "-o", &format!("{}.", zone.name), "-f"])
            .arg(&output);
        let iterations = match zone.denial {
            Denial::Nsec => None,
            Denial::Nsec3 { iterations } => Some(iterations),
            Denial::OptOut => Some(0),
        };
        if let Some(iterations) = iterations {
            command.args(["-n", "-t", &iterations.to_string()]);
            if iterations > 0 {
                command.args(["-s", "abcd"]);
            }
        }
        if zone.denial == Denial::OptOut {
            command.arg("-p");
        }
        command.arg(file);
        for key in zone.keys.iter().filter(|key| key.role == Role::Signs) {
            command.arg(self.key_files(zone, *key));
        }
        Ran::of(&mut command).expect("ldns-signzone");
        fs::read_to_string(&output)
            .expect("ldns-signzone wrote it")
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    }

    /// The DNSKEY record of a key in a zone, in zone-file form.
    fn key_record(&self, zone: &Zone, key: Key) -> String {
        let shared = &self.pool[&(key.algorithm, key.pair)];
        let text =
            fs::read_to_string(format!("{}.key", shared.display())).expect("ldns-keygen wrote it");
        let data = text
            .split_once(" 3 ")
            .and_then(|(_, data)| data.split(';').next())
            .expect("a DNSKEY record: flags, protocol 3, algorithm, key");
        format!("{}. IN DNSKEY {} 3 {data}\n", zone.name, key.flags)
    }

    /// The files of a key, under the name of the zone: their base name.
    fn key_files(&self, zone: &Zone, key: Key) -> PathBuf {
        let shared = &self.pool[&(key.algorithm, key.pair)];
        let base = self.folder.join("keys").join(format!(
            "{}~{:?}~{:?}~{}",
            zone.name, key.algorithm, key.pair, key.flags
        ));
        let named = |ending| format!("{}.{ending}", base.display());
        fs::write(named("key"), self.key_record(zone, key)).expect("the folder is ours");
        fs::copy(format!("{}.private", shared.display()), named("private"))
            .expect("ldns-keygen wrote it");
        base
    }

    fn ds_records(&self, zone: &Zone) -> String {
        let mut text = String::new();
        for key in zone.keys.iter().filter(|key| key.parent == Parent::Names) {
            let of = |digest| self.ds(zone, *key, digest);
            let (sha1, sha256, sha384) = (|| of("-1"), || of("-2"), || of("-4"));
            let records = match zone.ds {
                Ds::Missing => vec![],
                Ds::Sha256 => vec![sha256()],
                Ds::Sha1 => vec![sha1()],
                Ds::Sha384 => vec![sha384()],
                Ds::WrongDigest => vec![sha256().wrong()],
                Ds::UnknownAlgorithm => vec![sha256().algorithm("200")],
                Ds::UnknownDigest => vec![sha256().digest_type("200")],
                Ds::UnknownBoth => vec![sha256().algorithm("200"), sha256().digest_type("200")],
                Ds::GoodAndUnknown => vec![
                    sha256(),
                    sha256().algorithm("200"),
                    sha256().digest_type("200"),
                ],
                Ds::GoodAndWrong => vec![sha256(), sha256().wrong()],
                Ds::Sha1AndSha256 => vec![sha1(), sha256()],
                Ds::Sha1AndWrongSha256 => vec![sha1(), sha256().wrong()],
                Ds::Sha384AndWrongSha256 => vec![sha384(), sha256().wrong()],
            };
            for DsRecord {
                tag,
                algorithm,
                digest_type,
                digest,
            } in records
            {
                text += &format!(
                    "{}. 300 IN DS {tag} {algorithm} {digest_type} {digest}\n",
                    zone.name
                );
            }
        }
        text
    }

    fn ds(&self, zone: &Zone, key: Key, digest: &str) -> DsRecord {
        let mut command = Command::new("ldns-key2ds");
        // -f: for keys without the SEP bit too.
        command
            .args(["-n", "-f", digest])
            .arg(format!("{}.key", self.key_files(zone, key).display()));
        let line = Ran::of(&mut command).expect("ldns-key2ds");
        let words: Vec<&str> = line
            .split_whitespace()
            .skip_while(|&word| word != "DS")
            .skip(1)
            .collect();
        let [tag, algorithm, digest_type, digest @ ..] = words.as_slice() else {
            panic!("not a DS record: {line:?}");
        };
        DsRecord {
            tag: (*tag).to_owned(),
            algorithm: (*algorithm).to_owned(),
            digest_type: (*digest_type).to_owned(),
            digest: digest.concat(),
        }
    }
}

struct DsRecord {
    tag: String,
    algorithm: String,
    digest_type: String,
    digest: String,
}

impl DsRecord {
    fn algorithm(self, number: &str) -> Self {
        Self {
            algorithm: number.to_owned(),
            ..self
        }
    }

    fn digest_type(self, number: &str) -> Self {
        Self {
            digest_type: number.to_owned(),
            ..self
        }
    }

    fn wrong(self) -> Self {
        let digest = "ab".repeat(self.digest.len() / 2);
        Self { digest, ..self }
    }
}

impl Algorithm {
    fn ldns(self) -> &'static str {
        match self {
            Self::RsaSha1 => "RSASHA1",
            Self::RsaSha1Nsec3 => "RSASHA1-NSEC3-SHA1",
            Self::RsaSha256 | Self::RsaSha256Short => "RSASHA256",
            Self::RsaSha512 => "RSASHA512",
            Self::EcdsaP256 => "ECDSAP256SHA256",
            Self::EcdsaP384 => "ECDSAP384SHA384",
            Self::Ed25519 => "ED25519",
            Self::Ed448 => "ED448",
        }
    }
}
