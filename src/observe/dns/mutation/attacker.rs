//! Who sits between the resolver and us: knows every genuine answer, owns some zones, and edits what passes.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use hickory_proto::op::Message;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::RecordType;
use mailtls_lab::World;

use super::dice::Dice;
use super::edit::EDITS;
use super::world::OF_THE_ATTACKER;
use super::world::QUESTIONS;
use crate::protocol::dnssec::canonical;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::testing::name;

/// The world is his as well: he signs with the keys of his zones.
pub(super) struct Attacker {
    pub(super) world: Arc<World>,
    is_at_work: AtomicBool,
    session: Mutex<Session>,
    /// What went by before he began.
    genuine: Mutex<Vec<Message>>,
}

#[derive(Default, Clone)]
struct Session {
    seed: u64,
    round: u64,
    log: Vec<String>,
}

impl Attacker {
    pub(super) fn new(world: Arc<World>) -> Arc<Self> {
        let attacker = Arc::new(Self {
            world,
            is_at_work: AtomicBool::new(false),
            session: Mutex::default(),
            genuine: Mutex::default(),
        });
        let weak = Arc::downgrade(&attacker);
        attacker
            .world
            .tamper_dns(move |message| Some(weak.upgrade()?.handle(message)));
        attacker
    }

    /// From now on he edits.
    pub(super) fn begin(&self) {
        let mut genuine = self.genuine.lock().unwrap();
        // In an order that does not depend on which arrived first, so that a seed means the same in every run.
        genuine.sort_by_cached_key(asked);
        genuine.dedup_by_key(|message| asked(message));
        self.is_at_work.store(true, Ordering::Relaxed);
    }

    /// The next look-up of a session.
    pub(super) fn next(&self, seed: u64, round: u64) {
        let mut session = self.session.lock().unwrap();
        if session.seed != seed || round == 0 {
            *session = Session::default();
        }
        session.seed = seed;
        session.round = round;
    }

    /// What he did in this session.
    pub(super) fn log(&self) -> Vec<String> {
        self.session.lock().unwrap().log.clone()
    }

    /// Another answer that is true: mostly one to a question of the same type in the same part of the tree.
    pub(super) fn genuine(&self, message: &Message, dice: &mut Dice) -> Message {
        let rtype = message.queries[0].query_type();
        let related = self.related(message, |other| other.queries[0].query_type() == rtype);
        if !related.is_empty() && !dice.one_in(4) {
            return dice.pick(&related).clone();
        }
        dice.pick(&self.genuine.lock().unwrap()).clone()
    }

    /// True answers of the same part of the tree.
    pub(super) fn related(
        &self,
        message: &Message,
        wanted: impl Fn(&Message) -> bool,
    ) -> Vec<Message> {
        let top = message.queries[0].name().trim_to(2);
        let genuine = self.genuine.lock().unwrap();
        let near = genuine.iter().filter(|other| {
            top.zone_of(other.queries[0].name()) && asked(other) != asked(message) && wanted(other)
        });
        near.cloned().collect()
    }

    /// The DNSKEY set of one of his zones.
    pub(super) fn keys_of(&self, zone: &Name) -> Vec<RData> {
        let genuine = self.genuine.lock().unwrap();
        let answers = genuine.iter().flat_map(|message| &message.answers);
        answers
            .filter(|record| canonical(&record.name) == *zone)
            .filter(|record| record.record_type() == RecordType::DNSKEY)
            .map(|record| record.data.clone())
            .collect()
    }

    /// A name that has to do with the question, or any that exists.
    pub(super) fn any_name(message: &Message, dice: &mut Dice) -> Name {
        let asked = canonical(message.queries[0].name());
        let other = name(dice.pick(QUESTIONS).name);
        let base = match dice.below(4) {
            0 => other,
            1 => name(OF_THE_ATTACKER[dice.below(OF_THE_ATTACKER.len())]),
            _ => asked,
        };
        let cut = dice.below(base.iter().len() + 1);
        match dice.below(5) {
            0 => base.trim_to(cut),
            1 => base.trim_to(cut).prepend_label("*").unwrap_or(base),
            2 => base.prepend_label("aa").unwrap_or(base),
            _ => base,
        }
    }

    fn handle(&self, mut message: Message) -> Message {
        if !self.is_at_work.load(Ordering::Relaxed) {
            self.genuine.lock().unwrap().push(message.clone());
            return message;
        }
        let (seed, round) = {
            let session = self.session.lock().unwrap();
            (session.seed, session.round)
        };
        let asked = asked(&message);
        let letters = asked.bytes().map(u64::from);
        let seeds: Vec<u64> = [seed, round].into_iter().chain(letters).collect();
        let mut dice = Dice::new(&seeds);
        let is_of_the_chain = matches!(
            message.queries[0].query_type(),
            RecordType::DS | RecordType::DNSKEY
        );
        // A session is attacked here and there, or only where it hurts and nothing else gives it away.
        let chance = match (Dice::new(&[seed, 1]).below(4), is_of_the_chain) {
            (0, _) => 3,
            (1, true) => 6,
            (2 | 3, false) => 1,
            _ => 0,
        };
        if chance == 0 || !dice.one_in(chance) {
            return message;
        }
        let mut done = Vec::new();
        for _ in 0..*dice.pick(&[1, 1, 2, 3]) {
            let (what, edit) = dice.pick(EDITS);
            edit(&mut message, self, &mut dice);
            done.push(*what);
        }
        let line = format!("look-up {round}: {asked}: {}", done.join(", "));
        self.session.lock().unwrap().log.push(line);
        message
    }
}

/// `A mx.nsec.example`.
fn asked(message: &Message) -> String {
    let query = &message.queries[0];
    let name = name_text(&canonical(query.name()));
    format!("{} {name}", query.query_type())
}
