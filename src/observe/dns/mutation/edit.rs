//! What may happen to a message: each edit takes what is there, or does nothing where there is nothing to take.

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::Message;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;

use super::attacker::Attacker;
use super::dice::Dice;
use super::forge;
use crate::protocol::dnssec::canonical;

pub(super) type Edit = fn(&mut Message, &Attacker, &mut Dice);

/// All of them, with what they do.
pub(super) const EDITS: &[(&str, Edit)] = &[
    ("drop a record", drop_record),
    ("drop an RRset", drop_set),
    ("strip signatures", strip_signatures),
    ("strip DNSSEC", strip_dnssec),
    ("swap the data of two records", swap_data),
    ("rename a record", rename_record),
    ("rename an RRset", rename_set),
    (
        "rename an RRset to the name asked for",
        rename_set_to_question,
    ),
    ("splice in another answer", splice),
    ("splice sections crosswise", splice_crosswise),
    ("another answer instead", replace),
    ("another authority section instead", replace_authorities),
    ("another answer at this name", answer_at_this_name),
    ("make it from a wildcard", expand),
    ("deny it as another name was denied", deny),
    ("empty the answer", empty),
    ("flip the RCODE", flip_rcode),
    ("shuffle", shuffle),
    ("times to live", times_to_live),
    ("forge data under true signatures", forge::data),
    ("forge data with a key of his own", forge::signed_data),
    (
        "forge data and the head of its signature",
        forge::masked_data,
    ),
    ("forge an alias", forge::alias),
    ("forge a denial", forge::denial),
    ("forge a denial with a key of his own", forge::signed_denial),
    ("change a field of a signature", forge::signature_field),
    ("change a denial record", forge::denial_field),
    ("change DS or DNSKEY", forge::key_field),
    ("keys of his own", forge::keys),
];

/// A section that has something in it, if there is one.
pub(super) fn section<'m>(message: &'m mut Message, dice: &mut Dice) -> &'m mut Vec<Record> {
    let wants_answers = dice.one_in(2);
    if (wants_answers && !message.answers.is_empty()) || message.authorities.is_empty() {
        &mut message.answers
    } else {
        &mut message.authorities
    }
}

/// Owner and type of an RRset; its signatures count to it.
fn set_of(record: &Record) -> (hickory_proto::rr::Name, RecordType) {
    let rtype = match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().type_covered,
        data => data.record_type(),
    };
    (canonical(&record.name), rtype)
}

fn drop_record(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let section = section(message, dice);
    if !section.is_empty() {
        section.remove(dice.below(section.len()));
    }
}

fn drop_set(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let section = section(message, dice);
    if !section.is_empty() {
        let set = set_of(&section[dice.below(section.len())]);
        section.retain(|record| set_of(record) != set);
    }
}

fn strip_signatures(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    section(message, dice).retain(|record| record.record_type() != RecordType::RRSIG);
}

fn strip_dnssec(message: &mut Message, _: &Attacker, _: &mut Dice) {
    for section in [&mut message.answers, &mut message.authorities] {
        section.retain(|record| !matches!(record.data, RData::DNSSEC(_)));
    }
}

fn swap_data(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let section = section(message, dice);
    if !section.is_empty() {
        let (a, b) = (dice.below(section.len()), dice.below(section.len()));
        let data = section[a].data.clone();
        section[a].data = std::mem::replace(&mut section[b].data, data);
    }
}

fn rename_record(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let name = Attacker::any_name(message, dice);
    let section = section(message, dice);
    if !section.is_empty() {
        let place = dice.below(section.len());
        section[place].name = name;
    }
}

fn rename_set(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let name = Attacker::any_name(message, dice);
    rename_set_to(message, &name, dice);
}

fn rename_set_to_question(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let name = message.queries[0].name().clone();
    rename_set_to(message, &name, dice);
}

fn rename_set_to(message: &mut Message, name: &hickory_proto::rr::Name, dice: &mut Dice) {
    let section = section(message, dice);
    if !section.is_empty() {
        let set = set_of(&section[dice.below(section.len())]);
        for record in section.iter_mut().filter(|record| set_of(record) == set) {
            record.name = name.clone();
        }
    }
}

fn splice(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let other = attacker.genuine(message, dice);
    match dice.below(3) {
        0 => message.answers.extend(other.answers),
        1 => message.authorities.extend(other.authorities),
        _ => {
            message.answers.extend(other.answers);
            message.authorities.extend(other.authorities);
        }
    }
}

fn splice_crosswise(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let other = attacker.genuine(message, dice);
    message.answers.extend(other.authorities);
    message.authorities.extend(other.answers);
}

fn replace(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let other = attacker.genuine(message, dice);
    message.metadata.response_code = other.metadata.response_code;
    message.answers = other.answers;
    message.authorities = other.authorities;
    if dice.one_in(2) {
        rename_set_to_question(message, attacker, dice);
    }
}

fn replace_authorities(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    message.authorities = attacker.genuine(message, dice).authorities;
}

/// The records of another answer, as if they were owned by the name asked for.
fn answer_at_this_name(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let other = attacker.genuine(message, dice);
    answer_with(message, other);
}

/// What another name got from a wildcard.
fn expand(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let is_expanded = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
            signature.input().num_labels < record.name.num_labels()
        }
        _ => false,
    };
    let rtype = message.queries[0].query_type();
    let expanded = attacker.related(message, |other| {
        other.queries[0].query_type() == rtype && other.answers.iter().any(is_expanded)
    });
    if !expanded.is_empty() {
        let other = dice.pick(&expanded).clone();
        answer_with(message, other);
    }
}

/// The denial of something else.
fn deny(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let denials = attacker.related(message, |other| other.answers.is_empty());
    if !denials.is_empty() {
        let other = dice.pick(&denials).clone();
        answer_with(message, other);
    }
}

fn answer_with(message: &mut Message, other: Message) {
    message.metadata.response_code = other.metadata.response_code;
    message.answers = other.answers;
    message.authorities = other.authorities;
    for record in &mut message.answers {
        record.name = message.queries[0].name().clone();
    }
}

fn empty(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    message.answers.clear();
    if dice.one_in(2) {
        message.authorities.clear();
    }
    if dice.one_in(2) {
        message
            .authorities
            .extend(attacker.genuine(message, dice).authorities);
    }
    if dice.one_in(2) {
        flip_rcode(message, attacker, dice);
    }
}

fn flip_rcode(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let code = &mut message.metadata.response_code;
    *code = match (dice.below(10), *code) {
        (0, _) => ResponseCode::ServFail,
        (1, _) => ResponseCode::Refused,
        (_, ResponseCode::NXDomain) => ResponseCode::NoError,
        _ => ResponseCode::NXDomain,
    };
}

fn shuffle(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let section = section(message, dice);
    for place in 0..section.len() {
        let other = dice.below(section.len());
        section.swap(place, other);
    }
    if let Some(first) = section.first().cloned() {
        section.push(first);
    }
}

fn times_to_live(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    for record in section(message, dice) {
        record.ttl = *dice.pick(&[0, 1, 300, 0x7fff_ffff, 0xffff_ffff]);
    }
}
