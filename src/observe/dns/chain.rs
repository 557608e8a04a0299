//! The walk from the root down: which zone holds a name, and whether a chain of signatures leads to its keys.
//!
//! At each label the parent is asked for DS. If it has some, the child's DNSKEY set must be signed by a key that they
//! name; if it proves that it has none, the child is either no zone of its own, or an unsigned one, where the walk ends.
//! What is found at a label (a *cut*) is remembered; failures are not, so that a verdict heals with the network.

use std::sync::Arc;

use futures_util::future::Either;
use futures_util::future::join_all;
use futures_util::future::select;
use hickory_proto::rr::Name;
use hickory_proto::rr::RecordType;

use super::asking::Asking;
use super::cut::Below;
use super::cut::Step;
use super::memory::BYTES_AN_ENTRY;
use super::memory::Kept;
use super::memory::Memory;
use super::memory::links_bytes;
use super::upstream::Reply;
use super::upstream::Upstream;
use super::zone::Fail;
use super::zone::Fault;
use super::zone::Trust;
use super::zone::Zone;
use crate::clock::UnixTime;
use crate::evidence::dns::Failure;
use crate::evidence::dns::FailureKind;
use crate::protocol::dnssec::TrustAnchors;

/// A failure is remembered this long, in seconds, so that a broken name does not cost every look-up its time-outs.
const FAILURE_MEMORY: i64 = 10;

/// A DS or DNSKEY message is kept this long, in seconds: from being fetched ahead until the walk comes by.
const FETCHED_AHEAD: i64 = 5;

/// The same for one without any signature: as soon as the upstream hands them on, it is to be seen.
const FETCHED_WITHOUT_SIGNATURE: i64 = 1;

/// What is at a label.
#[derive(Debug, Clone)]
enum Cut {
    Zone(Arc<Zone>),
    /// The name belongs to the zone above; a zone may begin below it.
    NoZone,
    /// No zone begins there or below: no such name, or a DNAME above.
    NothingBelow,
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
    /// Remembers about `capacity` bytes, nothing longer than `max_ttl` seconds.
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

    /// Whether the upstream answers anything now.
    pub(super) async fn is_answered(&self, asking: &Asking<'_>) -> bool {
        self.upstream.is_answered(asking).await
    }

    /// Whether a TCP connection to the upstream comes up now.
    pub(super) async fn connects(&self) -> bool {
        self.upstream.connects().await
    }

    /// One message; equal questions under way are asked once.
    pub(super) async fn message(
        &self,
        name: &Name,
        rtype: RecordType,
        asking: &Asking<'_>,
    ) -> Message {
        let ask = async {
            let reply = match self.upstream.ask(name, rtype, asking).await {
                // Nothing at all is answered now. This may be read when that is over: it must not pass for a fact then.
                Err(failure) if failure.kind.is_silence() && !self.is_answered(asking).await => {
                    Err(Failure {
                        attempts: 0,
                        ..failure
                    })
                }
                reply => reply,
            };
            let life = match (&reply, rtype) {
                // That this probe has asked too much is nobody else's affair.
                (Err(failure), _) if failure.kind == FailureKind::Budget => 0,
                (Err(_), _) => FAILURE_MEMORY,
                (Ok(reply), RecordType::DS | RecordType::DNSKEY) if reply.has_signature() => {
                    FETCHED_AHEAD
                }
                (Ok(_), RecordType::DS | RecordType::DNSKEY) => FETCHED_WITHOUT_SIGNATURE,
                // What was answered lives on in the resolver's memory, as a verdict.
                (Ok(_), _) => 0,
            };
            let bytes = reply
                .as_ref()
                .map_or(0, Reply::bytes)
                .saturating_add(BYTES_AN_ENTRY);
            let later = asking.later();
            Kept::new(reply.map(Arc::new), later, later.plus(life), bytes)
        };
        let key = (name.clone(), rtype);
        self.messages.get(key, asking.now, ask).await.0.value
    }

    async fn walk(&self, target: &Name, asking: &Asking<'_>) -> Result<Arc<Zone>, Arc<Fail>> {
        let start = Arc::new(Zone::above_root(asking.now.plus(self.max_ttl)));
        let mut zone = start;
        for count in 0..=target.iter().len() {
            match self.cut(&zone, &target.trim_to(count), asking).await? {
                Cut::Zone(deeper) => {
                    zone = deeper;
                    if matches!(zone.trust, Trust::Insecure(_)) {
                        break;
                    }
                }
                Cut::NoZone => {}
                Cut::NothingBelow => break,
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

    async fn cut(&self, above: &Zone, name: &Name, asking: &Asking<'_>) -> Result<Cut, Arc<Fail>> {
        let make = async {
            let found = if name.is_root() {
                self.root(above, name, asking).await
            } else {
                self.below(above, name, asking).await
            };
            let (until, bytes) = match &found {
                Ok((Cut::Zone(zone), until)) => (*until, zone.bytes()),
                Ok((Cut::NoZone | Cut::NothingBelow, until)) => (*until, 0),
                Err(fail) => (asking.now, links_bytes(&fail.links)),
            };
            Kept::new(
                found.map(|(cut, _)| cut).map_err(Arc::new),
                asking.now,
                until.min(asking.now.plus(self.max_ttl)),
                bytes.saturating_add(BYTES_AN_ENTRY),
            )
        };
        let key = name.clone();
        self.cuts.get(key, asking.now, make).await.0.value
    }

    async fn root(
        &self,
        above: &Zone,
        name: &Name,
        asking: &Asking<'_>,
    ) -> Result<(Cut, UnixTime), Fail> {
        let reply = self
            .for_step(above, name, RecordType::DNSKEY, asking)
            .await?;
        let zone = Step::new(above, name, asking.now).root(&reply, &self.anchors)?;
        Ok(as_cut(zone))
    }

    async fn below(
        &self,
        above: &Zone,
        name: &Name,
        asking: &Asking<'_>,
    ) -> Result<(Cut, UnixTime), Fail> {
        let reply = self.for_step(above, name, RecordType::DS, asking).await?;
        let vouched = match Step::new(above, name, asking.now).below(&reply)? {
            Below::Signed(vouched) => vouched,
            Below::Unsigned(zone) => return Ok(as_cut(zone)),
            Below::Nothing(until) => return Ok((Cut::NoZone, until)),
            Below::NothingAtAll(until) => return Ok((Cut::NothingBelow, until)),
        };
        let reply = self
            .for_step(above, name, RecordType::DNSKEY, asking)
            .await?;
        let zone = Step::new(above, name, asking.now).signed(vouched, &reply)?;
        Ok(as_cut(zone))
    }

    async fn for_step(
        &self,
        above: &Zone,
        name: &Name,
        rtype: RecordType,
        asking: &Asking<'_>,
    ) -> Result<Arc<Reply>, Fail> {
        self.message(name, rtype, asking)
            .await
            .map_err(|failure| above.fail_at(name, Fault::Indeterminate(failure)))
    }
}

fn as_cut(zone: Zone) -> (Cut, UnixTime) {
    let until = zone.until;
    (Cut::Zone(Arc::new(zone)), until)
}
