//! The walk from the root down: which zone holds a name, and whether a chain of signatures leads to its keys.
//!
//! At each label the parent is asked for DS. If it has some, the child's DNSKEY set must be signed by a key that they
//! name; if it proves that it has none, the child is either no zone of its own, or an unsigned one, where the walk ends.
//! What is found at a label (a *cut*) is remembered; failures are not, so that a verdict heals with the network.

use std::sync::Arc;

use futures_util::future::Either;
use futures_util::future::join_all;
use futures_util::future::select;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType;

use super::memory::Kept;
use super::memory::Memory;
use super::resolver::Asking;
use super::upstream::Reply;
use super::upstream::Upstream;
use super::verdict::verified_denials;
use crate::clock::UnixTime;
use crate::evidence::dns::ChainLink;
use crate::evidence::dns::DnssecStatus;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::evidence::dns::InsecureAt;
use crate::evidence::dns::SignatureLife;
use crate::evidence::dns::Weakness;
use crate::protocol::dnssec::Budget;
use crate::protocol::dnssec::CutProof;
use crate::protocol::dnssec::DsChoice;
use crate::protocol::dnssec::KeyMatch;
use crate::protocol::dnssec::RrSet;
use crate::protocol::dnssec::SignatureFault;
use crate::protocol::dnssec::Strength;
use crate::protocol::dnssec::TrustAnchors;
use crate::protocol::dnssec::Verified;
use crate::protocol::dnssec::ZoneKey;
use crate::protocol::dnssec::choose_ds;
use crate::protocol::dnssec::dname_target;
use crate::protocol::dnssec::group;
use crate::protocol::dnssec::match_keys;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::verify;
use crate::protocol::dnssec::zone_keys;

/// A failure is remembered this long, in seconds, so that a broken name does not cost every look-up its time-outs.
const FAILURE_MEMORY: i64 = 10;

/// A DS or DNSKEY message is kept this long, in seconds: from being fetched ahead until the walk comes by.
const FETCHED_AHEAD: i64 = 5;

/// A zone that the walk reached.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) name: Name,
    pub(super) trust: Trust,
    /// The earliest expiration among the signatures from the root to here.
    pub(super) expiry: Option<UnixTime>,
    /// The signature over the DNSKEY set.
    pub(super) keys_life: Option<SignatureLife>,
    /// Found from the root to here.
    pub(super) weaknesses: Vec<Weakness>,
    /// From the root to here.
    pub(super) links: Vec<ChainLink>,
    until: UnixTime,
}

/// How far a zone is trusted.
#[derive(Debug)]
pub(super) enum Trust {
    /// These keys are its own.
    Secure(Vec<ZoneKey>),
    /// From here on nothing is signed, as far as the chain goes.
    Insecure(InsecureAt),
}

/// What is at a label.
#[derive(Debug, Clone)]
enum Cut {
    Zone(Arc<Zone>),
    /// The name belongs to the zone above; a zone may begin below it.
    NotACut,
    /// No zone begins there or below: no such name, or a DNAME above.
    Nothing,
}

/// Why a walk did not arrive.
#[derive(Debug, Clone)]
pub(super) struct Fail {
    pub(super) fault: Fault,
    /// The links as far as they held, and the one that did not.
    pub(super) links: Vec<ChainLink>,
    /// When the fault is a signature that expired: when.
    pub(super) expired: Option<UnixTime>,
}

/// The two never turn into each other.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Bogus(String),
    Indeterminate(Failure),
}

/// Whether the name to walk to is known to be a signed zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// A signature names it: fetch what its chain will need at once.
    SignedZone,
    /// Anything.
    Any,
}

type Message = Result<Arc<Reply>, Failure>;

/// The walker and what it remembers.
pub(super) struct Chain {
    upstream: Upstream,
    anchors: Arc<TrustAnchors>,
    max_ttl: i64,
    messages: Memory<(Name, RecordType), Message>,
    cuts: Memory<Name, Result<Cut, Arc<Fail>>>,
}

impl Chain {
    pub(super) fn new(
        upstream: Upstream,
        anchors: Arc<TrustAnchors>,
        max_ttl: i64,
        capacity: u64,
    ) -> Self {
        Self {
            upstream,
            anchors,
            max_ttl,
            messages: Memory::new(capacity / 2),
            cuts: Memory::new(capacity / 2),
        }
    }

    /// One message; equal questions under way are asked once.
    pub(super) async fn message(
        &self,
        name: &Name,
        rtype: RecordType,
        asking: &Asking<'_>,
    ) -> Message {
        let ask = async {
            let reply = self.upstream.ask(name, rtype, asking).await;
            let (life, records) = match &reply {
                Err(_) => (FAILURE_MEMORY, 1),
                // What is answered lives in the resolver's memory, this is only for what is fetched ahead.
                Ok(reply) => (
                    match rtype {
                        RecordType::DS | RecordType::DNSKEY => FETCHED_AHEAD,
                        _ => 0,
                    },
                    reply.answers.len().saturating_add(reply.authorities.len()),
                ),
            };
            let bytes = records.saturating_add(1).saturating_mul(BYTES_A_RECORD);
            let later = asking.later();
            Kept::new(reply.map(Arc::new), later, later.plus(life), bytes)
        };
        let key = (name.clone(), rtype);
        self.messages.get(key, asking.now, ask).await.0.value
    }

    /// The deepest zone that encloses `target`, as far as security reaches.
    pub(super) async fn zone(
        &self,
        target: &Name,
        expect: Expect,
        asking: &Asking<'_>,
    ) -> Result<Arc<Zone>, Arc<Fail>> {
        let walk = Box::pin(self.walk(target, asking));
        if expect == Expect::Any {
            return walk.await;
        }
        let ahead = Box::pin(self.fetch_ahead(target, asking));
        match select(walk, ahead).await {
            Either::Left((zone, _)) => zone,
            Either::Right(((), walk)) => walk.await,
        }
    }

    async fn walk(&self, target: &Name, asking: &Asking<'_>) -> Result<Arc<Zone>, Arc<Fail>> {
        let mut zone = self.root(asking).await?;
        for count in 1..=target.iter().len() {
            let child = target.trim_to(count);
            match self.cut(&zone, &child, asking).await? {
                Cut::Zone(deeper) => {
                    zone = deeper;
                    if matches!(zone.trust, Trust::Insecure(_)) {
                        break;
                    }
                }
                Cut::NotACut => {}
                Cut::Nothing => break,
            }
        }
        Ok(zone)
    }

    /// What the walk to a signed zone needs for sure: DS at each label, the DNSKEY sets of top and bottom.
    async fn fetch_ahead(&self, target: &Name, asking: &Asking<'_>) {
        let depth = target.iter().len();
        let mut wanted = Vec::new();
        for count in 0..=depth {
            let name = target.trim_to(count);
            if self.cuts.knows(&name, asking.now).await {
                continue;
            }
            if count <= 1 || count == depth {
                wanted.push((name.clone(), RecordType::DNSKEY));
            }
            if count > 0 {
                wanted.push((name, RecordType::DS));
            }
        }
        join_all(wanted.iter().map(|(name, rtype)| async move {
            // The walk reads it from memory.
            let _ = self.message(name, *rtype, asking).await;
        }))
        .await;
    }

    async fn root(&self, asking: &Asking<'_>) -> Result<Arc<Zone>, Arc<Fail>> {
        let make = async {
            let made = self.make_root(asking).await.map(Arc::new);
            self.keep(made.map(Cut::Zone), asking.now, asking.now)
        };
        match self
            .cuts
            .get(Name::root(), asking.now, make)
            .await
            .0
            .value?
        {
            Cut::Zone(zone) => Ok(zone),
            Cut::NotACut | Cut::Nothing => unreachable!("only a zone is kept at the root"),
        }
    }

    async fn cut(
        &self,
        parent: &Arc<Zone>,
        child: &Name,
        asking: &Asking<'_>,
    ) -> Result<Cut, Arc<Fail>> {
        let make = async {
            match self.make_cut(parent, child, asking).await {
                Ok((cut, until)) => self.keep(Ok(cut), asking.now, until),
                Err(fail) => self.keep(Err(fail), asking.now, asking.now),
            }
        };
        self.cuts.get(child.clone(), asking.now, make).await.0.value
    }

    fn keep(
        &self,
        cut: Result<Cut, Fail>,
        now: UnixTime,
        until: UnixTime,
    ) -> Kept<Result<Cut, Arc<Fail>>> {
        let (until, bytes) = match &cut {
            // A zone knows how long its own records hold.
            Ok(Cut::Zone(zone)) => (
                zone.until,
                BYTES_A_RECORD.saturating_mul(zone.links.len().saturating_add(4)),
            ),
            Ok(Cut::NotACut | Cut::Nothing) => (until, BYTES_A_RECORD),
            Err(_) => (now, BYTES_A_RECORD),
        };
        let until = until.min(now.plus(self.max_ttl));
        Kept::new(cut.map_err(Arc::new), now, until, bytes)
    }

    async fn make_root(&self, asking: &Asking<'_>) -> Result<Zone, Fail> {
        let start = Zone::start(asking.now.plus(self.max_ttl));
        let keys_set = self.dnskey(&start, &start.name, asking).await?;
        let keys = zone_keys(&keys_set);
        let mut budget = Budget::default();
        let matched = self
            .anchors
            .match_keys(&keys, &mut budget)
            .map_err(|_| start.exhausted(&start.name, "DNSKEY ."))?;
        let named = match matched {
            KeyMatch::Keys(named) => named,
            KeyMatch::Unsupported(strength) => {
                return Err(start.bogus(
                    &start.name,
                    format!(".: the trust anchors name keys that are not supported ({strength})"),
                ));
            }
            KeyMatch::None => {
                return Err(start.bogus(
                    &start.name,
                    format!(
                        ".: the trust anchors name keys {}, which are not in the root's DNSKEY set",
                        self.anchors.tags()
                    ),
                ));
            }
        };
        self.enter(
            &start,
            Name::root(),
            &keys_set,
            keys,
            &named,
            &mut budget,
            asking,
        )
    }

    async fn make_cut(
        &self,
        parent: &Arc<Zone>,
        child: &Name,
        asking: &Asking<'_>,
    ) -> Result<(Cut, UnixTime), Fail> {
        let Trust::Secure(parent_keys) = &parent.trust else {
            return Ok((Cut::Nothing, parent.until));
        };
        let now = asking.now;
        let reply = self
            .message(child, RecordType::DS, asking)
            .await
            .map_err(|failure| parent.indeterminate(child, failure))?;
        let answers = group(&reply.answers);
        let mut budget = Budget::default();
        let owned = |rtype| {
            answers
                .iter()
                .find(move |set: &&RrSet| set.owner == *child && set.rtype == rtype)
        };
        if let Some(ds) = owned(RecordType::DS) {
            let verified = self.check_exact(
                parent,
                child,
                ds,
                &parent.name,
                parent_keys,
                &mut budget,
                asking,
            )?;
            let until = end_of(ds.ttl, &verified, now).min(parent.until);
            return self
                .make_child(parent, child, ds, &verified, until, budget, asking)
                .await;
        }
        // An alias and a delegation cannot share a name.
        let alias = owned(RecordType::CNAME).map(|set| (set, Cut::NotACut));
        let alias = alias.or_else(|| {
            answers
                .iter()
                .find(|set| {
                    set.rtype == RecordType::DNAME
                        && set.owner != *child
                        && set.owner.zone_of(child)
                        && set.data.iter().any(|data| dname_target(data).is_some())
                })
                .map(|set| (set, Cut::Nothing))
        });
        if let Some((set, cut)) = alias {
            let verified = verify(set, &parent.name, parent_keys, now, &mut budget)
                .map_err(|fault| parent.unsigned(child, set, &fault))?;
            return Ok((cut, end_of(set.ttl, &verified, now).min(parent.until)));
        }
        if !answers.is_empty() {
            return Err(parent.indeterminate(child, stray_answer(child, RecordType::DS)));
        }
        let authority = group(&reply.authorities);
        let (sets, fault) =
            verified_denials(&authority, &parent.name, parent_keys, now, &mut budget);
        let mut denials = sets.denials(&parent.name);
        let proof = denials
            .no_ds(child, &mut budget)
            .map_err(|_| parent.exhausted(child, &format!("DS {}", name_text(child))))?;
        let until = sets.until(now).min(parent.until);
        let iterations = denials.iterations().unwrap_or(0);
        let unsigned = |at: InsecureAt| {
            let mut zone = parent.descend(child, Trust::Insecure(at), until);
            zone.note_expiry(sets.expiry());
            if iterations > 0 {
                zone.note(Weakness::Nsec3Iterations {
                    zone: name_text(&parent.name),
                    iterations,
                });
            }
            Ok((Cut::Zone(Arc::new(zone)), until))
        };
        match proof {
            CutProof::NotACut => Ok((Cut::NotACut, until)),
            CutProof::NoSuchName => Ok((Cut::Nothing, until)),
            CutProof::Unsigned => unsigned(InsecureAt {
                name: name_text(child),
                reason: format!("no DS record at {}", name_text(child)),
            }),
            CutProof::Open(reason) => unsigned(InsecureAt {
                name: name_text(child),
                reason: format!(
                    "{}: no proof about {} ({reason})",
                    name_text(&parent.name),
                    name_text(child)
                ),
            }),
            CutProof::Nothing => {
                let mut fail = parent.bogus(
                    child,
                    format!(
                        "{}: nothing proves that {} has no DS record{}",
                        name_text(&parent.name),
                        name_text(child),
                        fault
                            .as_ref()
                            .map_or_else(String::new, |f| format!(" ({f})"))
                    ),
                );
                fail.expired = expired(fault.as_ref().map(|f| &f.fault));
                Err(fail)
            }
        }
    }

    /// The child's keys, vouched for by a verified DS set.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one step of the walk"
    )]
    async fn make_child(
        &self,
        parent: &Arc<Zone>,
        child: &Name,
        ds: &RrSet,
        verified: &Verified,
        until: UnixTime,
        mut budget: Budget,
        asking: &Asking<'_>,
    ) -> Result<(Cut, UnixTime), Fail> {
        let text = name_text(child);
        let unsupported = |what: String| {
            let at = InsecureAt {
                name: text.clone(),
                reason: format!("nothing in the DS set of {text} is supported ({what})"),
            };
            let mut zone = parent.descend(child, Trust::Insecure(at), until);
            zone.note_expiry(Some(verified.validity.expiration));
            zone.note(Weakness::Unsupported {
                zone: text.clone(),
                what,
            });
            Ok((Cut::Zone(Arc::new(zone)), until))
        };
        let chosen = match choose_ds(ds) {
            DsChoice::Usable(chosen) => chosen,
            DsChoice::Unsupported(what) => return unsupported(what),
        };
        let keys_set = self.dnskey(parent, child, asking).await?;
        let keys = zone_keys(&keys_set);
        let matched = match_keys(child, &chosen, &keys, &mut budget)
            .map_err(|_| parent.exhausted(child, &format!("DNSKEY {text}")))?;
        let named = match matched {
            KeyMatch::Keys(named) => named,
            KeyMatch::Unsupported(strength) => return unsupported(strength.to_string()),
            KeyMatch::None => {
                let tags: Vec<String> = chosen.iter().map(|ds| ds.key_tag().to_string()).collect();
                let (what, verb) = match tags.len() {
                    1 => ("key", "is"),
                    _ => ("keys", "are"),
                };
                return Err(parent.bogus(
                    child,
                    format!(
                        "{text}: the DS at {} names {what} {}, which {verb} not in the DNSKEY set",
                        name_text(&parent.name),
                        tags.join(", ")
                    ),
                ));
            }
        };
        // The links above the child end with it, so that a child never outlives them.
        let above = parent.with_ds(verified, ds, &chosen, child, until);
        let zone = self.enter(
            &above,
            child.clone(),
            &keys_set,
            keys,
            &named,
            &mut budget,
            asking,
        )?;
        let until = zone.until;
        Ok((Cut::Zone(Arc::new(zone)), until))
    }

    /// The DNSKEY set of a zone, not yet verified.
    async fn dnskey(&self, above: &Zone, name: &Name, asking: &Asking<'_>) -> Result<RrSet, Fail> {
        let reply = self
            .message(name, RecordType::DNSKEY, asking)
            .await
            .map_err(|failure| above.indeterminate(name, failure))?;
        group(&reply.answers)
            .into_iter()
            .find(|set| set.owner == *name && set.rtype == RecordType::DNSKEY)
            .ok_or_else(|| {
                if reply.answers.is_empty() {
                    let text = name_text(name);
                    above.bogus(
                        name,
                        format!("{text}: it has a DS record but no DNSKEY set"),
                    )
                } else {
                    above.indeterminate(name, stray_answer(name, RecordType::DNSKEY))
                }
            })
    }

    /// A zone whose DNSKEY set one of the `named` keys signs.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one step of the walk"
    )]
    fn enter(
        &self,
        above: &Zone,
        name: Name,
        keys_set: &RrSet,
        keys: Vec<ZoneKey>,
        named: &[ZoneKey],
        budget: &mut Budget,
        asking: &Asking<'_>,
    ) -> Result<Zone, Fail> {
        let verified = self.check_exact(above, &name, keys_set, &name, named, budget, asking)?;
        let until = end_of(keys_set.ttl, &verified, asking.now).min(above.until);
        let strength = verified.strength;
        let mut zone = above.descend(&name, Trust::Secure(keys), until);
        zone.keys_life = Some(life_of(&verified));
        zone.note_expiry(Some(verified.validity.expiration));
        zone.note_strength(&name, strength);
        if let Some(link) = zone.links.last_mut() {
            link.detail = if name.is_root() {
                format!(
                    "the trust anchor names key {}, which signs the DNSKEY set ({strength})",
                    verified.tag
                )
            } else {
                format!(
                    "the DS names key {}, which signs the DNSKEY set ({strength})",
                    verified.tag
                )
            };
        }
        Ok(zone)
    }

    /// Verifies a set that no wildcard may have made.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one step of the walk"
    )]
    fn check_exact(
        &self,
        above: &Zone,
        at: &Name,
        set: &RrSet,
        signer: &Name,
        keys: &[ZoneKey],
        budget: &mut Budget,
        asking: &Asking<'_>,
    ) -> Result<Verified, Fail> {
        let _ = self;
        let verified = verify(set, signer, keys, asking.now, budget)
            .map_err(|fault| above.unsigned(at, set, &fault))?;
        if verified.is_expanded(&set.owner) {
            let text = name_text(at);
            return Err(above.bogus(
                at,
                format!("{text}: its {} set was made from a wildcard", set.rtype),
            ));
        }
        Ok(verified)
    }
}

/// Roughly what a record takes in memory, with its share of what is around it.
pub(super) const BYTES_A_RECORD: usize = 512;

impl Zone {
    /// Above the root.
    fn start(until: UnixTime) -> Self {
        Self {
            name: Name::root(),
            trust: Trust::Secure(Vec::new()),
            expiry: None,
            keys_life: None,
            weaknesses: Vec::new(),
            links: Vec::new(),
            until,
        }
    }

    /// A zone below, with what was found on the way here.
    fn descend(&self, name: &Name, trust: Trust, until: UnixTime) -> Self {
        let mut links = self.links.clone();
        let (status, detail) = match &trust {
            Trust::Secure(_) => (DnssecStatus::Secure, String::new()),
            Trust::Insecure(at) => (DnssecStatus::Insecure, at.reason.clone()),
        };
        links.push(ChainLink {
            zone: name_text(name),
            status,
            detail,
        });
        Self {
            name: name.clone(),
            trust,
            expiry: self.expiry,
            keys_life: None,
            weaknesses: self.weaknesses.clone(),
            links,
            until,
        }
    }

    /// This zone, with what its DS set for a child adds to the child's chain.
    fn with_ds(
        &self,
        verified: &Verified,
        set: &RrSet,
        chosen: &[DS],
        child: &Name,
        until: UnixTime,
    ) -> Self {
        let mut zone = Self {
            name: self.name.clone(),
            trust: Trust::Secure(Vec::new()),
            expiry: self.expiry,
            keys_life: None,
            weaknesses: self.weaknesses.clone(),
            links: self.links.clone(),
            until,
        };
        zone.note_expiry(Some(verified.validity.expiration));
        zone.note_strength(&self.name, verified.strength);
        let _ = set;
        if chosen
            .iter()
            .all(|ds| ds.digest_type() == hickory_proto::dnssec::DigestType::SHA1)
        {
            zone.note(Weakness::DsDigestSha1 {
                zone: name_text(child),
            });
        }
        zone
    }

    fn note(&mut self, weakness: Weakness) {
        if !self.weaknesses.contains(&weakness) {
            self.weaknesses.push(weakness);
        }
    }

    fn note_strength(&mut self, zone: &Name, strength: Strength) {
        if let Some(algorithm) = strength.weakness() {
            self.note(Weakness::Algorithm {
                zone: name_text(zone),
                algorithm,
            });
        }
    }

    fn note_expiry(&mut self, expiry: Option<UnixTime>) {
        self.expiry = earliest(self.expiry, expiry);
    }

    fn fail(&self, at: &Name, fault: Fault) -> Fail {
        let (status, detail) = match &fault {
            Fault::Bogus(cause) => (DnssecStatus::Bogus, cause.clone()),
            Fault::Indeterminate(failure) => (DnssecStatus::Indeterminate, failure.to_string()),
        };
        let mut links = self.links.clone();
        links.push(ChainLink {
            zone: name_text(at),
            status,
            detail,
        });
        Fail {
            fault,
            links,
            expired: None,
        }
    }

    fn bogus(&self, at: &Name, cause: String) -> Fail {
        self.fail(at, Fault::Bogus(cause))
    }

    fn indeterminate(&self, at: &Name, failure: Failure) -> Fail {
        self.fail(at, Fault::Indeterminate(failure))
    }

    fn exhausted(&self, at: &Name, asked: &str) -> Fail {
        self.indeterminate(at, exhausted(asked.to_owned()))
    }

    /// The fault of one RRset's signatures as the fault of the walk.
    fn unsigned(&self, at: &Name, set: &RrSet, fault: &SignatureFault) -> Fail {
        if *fault == SignatureFault::Exhausted {
            return self.exhausted(at, &format!("{} {}", set.rtype, name_text(&set.owner)));
        }
        let text = name_text(at);
        let mut fail = self.bogus(at, format!("{text}: its {} set {fault}", set.rtype));
        fail.expired = expired(Some(fault));
        fail
    }
}

/// The earlier of two times, one of which may not be known.
pub(super) fn earliest(a: Option<UnixTime>, b: Option<UnixTime>) -> Option<UnixTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// When a signature expired, if that is its fault.
pub(super) fn expired(fault: Option<&SignatureFault>) -> Option<UnixTime> {
    match fault {
        Some(SignatureFault::Expired(at)) => Some(*at),
        _ => None,
    }
}

/// How long a verified RRset holds (RFC 4035 §5.3.3).
pub(super) fn end_of(ttl: u32, verified: &Verified, now: UnixTime) -> UnixTime {
    now.plus(i64::from(ttl.min(verified.original_ttl)))
        .min(verified.validity.expiration.plus(1))
}

/// As evidence has it.
pub(super) fn life_of(verified: &Verified) -> SignatureLife {
    SignatureLife {
        inception: verified.validity.inception,
        expiration: verified.validity.expiration,
    }
}

/// The answer section holds something, but nothing about the name.
pub(super) fn stray_answer(name: &Name, rtype: RecordType) -> Failure {
    Failure {
        kind: FailureKind::Malformed,
        asked: format!("{rtype} {}", name_text(name)),
        attempts: 1,
        detail: "the answer is about other names".to_owned(),
    }
}

/// The budget is used up.
pub(super) fn exhausted(asked: String) -> Failure {
    Failure {
        kind: FailureKind::Budget,
        asked,
        attempts: 1,
        detail: "more signatures or hashes than are looked at".to_owned(),
    }
}
