//! Edits that make things up: data, signatures, denials, keys.

use std::net::Ipv4Addr;

use hickory_proto::dnssec::Algorithm;
use hickory_proto::dnssec::DigestType;
use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::PublicKey as _;
use hickory_proto::dnssec::PublicKeyBuf;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::dnssec::rdata::DS;
use hickory_proto::dnssec::rdata::NSEC;
use hickory_proto::dnssec::rdata::NSEC3;
use hickory_proto::dnssec::rdata::RRSIG;
use hickory_proto::op::Message;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::SerialNumber;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::rdata::TXT;

use super::attacker::Attacker;
use super::dice::Dice;
use super::edit::section;
use super::world::OF_THE_ATTACKER;
use crate::protocol::dnssec::canonical;
use crate::protocol::dnssec::name_text;
use crate::protocol::dnssec::testing::name;

/// Data of the type that is asked for, other than the truth.
fn lie(rtype: RecordType, dice: &mut Dice) -> RData {
    match rtype {
        RecordType::A => RData::A(Ipv4Addr::new(203, 0, 113, dice.byte()).into()),
        RecordType::TXT => RData::TXT(TXT::new(vec!["lie".to_owned()])),
        RecordType::DS => RData::DNSSEC(DNSSECRData::DS(DS::new(
            7,
            Algorithm::ECDSAP256SHA256,
            DigestType::SHA256,
            vec![dice.byte(); 32],
        ))),
        RecordType::DNSKEY => {
            let key = PublicKeyBuf::new(vec![dice.byte(); 64], Algorithm::ECDSAP256SHA256);
            RData::DNSSEC(DNSSECRData::DNSKEY(DNSKEY::with_flags(257, key)))
        }
        other => RData::Unknown {
            code: other,
            rdata: NULL::with(vec![3, 1, 1, dice.byte(), dice.byte()]),
        },
    }
}

fn question(message: &Message) -> (Name, RecordType) {
    let query = &message.queries[0];
    (canonical(query.name()), query.query_type())
}

pub(super) fn data(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let (name, rtype) = question(message);
    message.metadata.response_code = ResponseCode::NoError;
    message
        .answers
        .retain(|record| record.record_type() != rtype);
    message
        .answers
        .push(Record::from_rdata(name, 300, lie(rtype, dice)));
}

pub(super) fn signed_data(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let (name, rtype) = question(message);
    message.metadata.response_code = ResponseCode::NoError;
    message
        .answers
        .retain(|record| record.name.to_lowercase() != name);
    let zone = dice.pick(OF_THE_ATTACKER);
    let forged = attacker.world.forge(zone, &name, &[lie(rtype, dice)]);
    message.answers.extend(forged);
}

/// Signed by himself, but the signature says that the zone did it.
pub(super) fn masked_data(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let genuine = signatures(message).next().cloned();
    signed_data(message, attacker, dice);
    let Some(genuine) = genuine else { return };
    for record in &mut message.answers {
        if let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &mut record.data {
            let mut input = signature.input().clone();
            input.signer_name = genuine.input().signer_name.clone();
            input.key_tag = genuine.input().key_tag;
            input.algorithm = genuine.input().algorithm;
            *signature = RRSIG::from_sig(input, signature.sig().to_vec());
        }
    }
}

fn signatures(message: &Message) -> impl Iterator<Item = &RRSIG> {
    let records = message.answers.iter().chain(&message.authorities);
    records.filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    })
}

pub(super) fn alias(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let (asked, _) = question(message);
    let target = Attacker::any_name(message, dice);
    let (owner, data) = if dice.one_in(3) && !asked.is_root() {
        let target = target.iter().fold(Vec::new(), |mut wire, label| {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend(label);
            wire
        });
        let rdata = NULL::with([target, vec![0]].concat());
        let code = RecordType::DNAME;
        (asked.base_name(), RData::Unknown { code, rdata })
    } else {
        (asked, RData::CNAME(CNAME(target)))
    };
    message.metadata.response_code = ResponseCode::NoError;
    if dice.one_in(2) {
        message.answers.clear();
    }
    if dice.one_in(2) {
        let zone = dice.pick(OF_THE_ATTACKER);
        let forged = attacker.world.forge(zone, &owner, &[data]);
        message.answers.extend(forged);
    } else {
        message.answers.push(Record::from_rdata(owner, 300, data));
    }
}

/// An NSEC or NSEC3 that leaves nothing.
fn gap(message: &Message, dice: &mut Dice) -> (Name, RData) {
    let (asked, rtype) = question(message);
    let cut = dice.below(asked.iter().len() + 1);
    let owner = asked.trim_to(cut);
    let types: &[RecordType] = match dice.below(4) {
        0 => &[RecordType::NS],
        1 => &[RecordType::SOA, RecordType::NS],
        2 if rtype == RecordType::DS => &[RecordType::NS],
        _ => &[RecordType::HINFO],
    };
    let types = types.iter().copied();
    if dice.one_in(2) {
        let next = owner.prepend_label("zzz").unwrap_or_else(|_| owner.clone());
        let data = NSEC::new_cover_self(next, types);
        return (owner, RData::DNSSEC(DNSSECRData::NSEC(data)));
    }
    let iterations = *dice.pick(&[0, 0, 1, 101, 500]);
    let opt_out = dice.one_in(2);
    let next = vec![dice.byte(); 20];
    let hashed = owner
        .prepend_label("0".repeat(32).as_str())
        .unwrap_or_else(|_| owner.clone());
    let data = NSEC3::new(
        Nsec3HashAlgorithm::SHA1,
        opt_out,
        iterations,
        Vec::new(),
        next,
        types,
    );
    (hashed, RData::DNSSEC(DNSSECRData::NSEC3(data)))
}

fn clear_for_denial(message: &mut Message, dice: &mut Dice) {
    message.answers.clear();
    message.metadata.response_code = *dice.pick(&[ResponseCode::NXDomain, ResponseCode::NoError]);
    if dice.one_in(2) {
        let is_soa = |record: &Record| record.record_type() == RecordType::SOA;
        message.authorities.retain(is_soa);
    }
}

pub(super) fn denial(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let (owner, data) = gap(message, dice);
    clear_for_denial(message, dice);
    message
        .authorities
        .push(Record::from_rdata(owner, 300, data));
}

pub(super) fn signed_denial(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    clear_for_denial(message, dice);
    for _ in 0..=dice.below(2) {
        let (owner, data) = gap(message, dice);
        let zone = dice.pick(OF_THE_ATTACKER);
        let forged = attacker.world.forge(zone, &owner, &[data]);
        message.authorities.extend(forged);
    }
}

pub(super) fn signature_field(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let field = dice.below(8);
    let other = Attacker::any_name(message, dice);
    let only_one = dice.one_in(2);
    for record in section(message, dice) {
        let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &mut record.data else {
            continue;
        };
        let mut input = signature.input().clone();
        let mut bytes = signature.sig().to_vec();
        match field {
            0 => input.num_labels = input.num_labels.saturating_sub(1),
            1 => input.original_ttl = input.original_ttl.wrapping_add(1),
            2 => input.sig_expiration = SerialNumber::new(input.sig_expiration.get() ^ 0x8000_0000),
            3 => input.signer_name = other.clone(),
            4 => input.type_covered = RecordType::A,
            5 => input.algorithm = Algorithm::Unknown(dice.byte()),
            6 => input.key_tag = input.key_tag.wrapping_add(1),
            _ => {
                let place = dice.below(bytes.len());
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1;
                }
            }
        }
        *signature = RRSIG::from_sig(input, bytes);
        if only_one {
            break;
        }
    }
}

/// A genuine denial, stretched; its signature no longer fits.
pub(super) fn denial_field(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let other = Attacker::any_name(message, dice);
    for record in &mut message.authorities {
        match &mut record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => {
                let types: Vec<RecordType> = nsec.type_bit_maps().collect();
                *nsec = if dice.one_in(2) {
                    NSEC::new(other.clone(), types)
                } else {
                    NSEC::new(nsec.next_domain_name().clone(), fewer(&types, dice))
                };
            }
            RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => {
                let types: Vec<RecordType> = nsec3.type_bit_maps().collect();
                let mut next = nsec3.next_hashed_owner_name().to_vec();
                let (mut opt_out, mut iterations) = (nsec3.opt_out(), nsec3.iterations());
                let mut salt = nsec3.salt().to_vec();
                match dice.below(5) {
                    0 => opt_out = !opt_out,
                    1 => iterations = 2000,
                    2 => next = vec![0xff; 20],
                    3 => salt.push(1),
                    _ => next.truncate(dice.below(20)),
                }
                let kept = fewer(&types, dice);
                let algorithm = nsec3.hash_algorithm();
                *nsec3 = NSEC3::new(algorithm, opt_out, iterations, salt, next, kept);
            }
            _ => {}
        }
    }
}

fn fewer(types: &[RecordType], dice: &mut Dice) -> Vec<RecordType> {
    types.iter().copied().filter(|_| !dice.one_in(3)).collect()
}

pub(super) fn key_field(message: &mut Message, _: &Attacker, dice: &mut Dice) {
    let field = dice.below(3);
    for record in &mut message.answers {
        match &mut record.data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => {
                let mut digest = ds.digest().to_vec();
                let (mut algorithm, mut kind) = (ds.algorithm(), ds.digest_type());
                match field {
                    0 => digest[0] ^= 1,
                    1 => algorithm = Algorithm::Unknown(200),
                    _ => kind = DigestType::Unknown(77),
                }
                *ds = DS::new(ds.key_tag(), algorithm, kind, digest);
            }
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) => {
                let mut public = key.public_key().public_bytes().to_vec();
                let (mut flags, mut algorithm) = (key.flags(), key.public_key().algorithm());
                match field {
                    0 => public[0] ^= 1,
                    1 => flags ^= 0x0080,
                    _ => algorithm = Algorithm::Unknown(200),
                }
                *key = DNSKEY::with_flags(flags, PublicKeyBuf::new(public, algorithm));
            }
            _ => {}
        }
    }
}

/// The DNSKEY or DS set of one of his own zones, signed by it, at the name that is asked for.
pub(super) fn keys(message: &mut Message, attacker: &Attacker, dice: &mut Dice) {
    let (asked, _) = question(message);
    let zone = name(OF_THE_ATTACKER[dice.below(OF_THE_ATTACKER.len())]);
    let theirs = attacker.keys_of(&zone);
    let forged = attacker.world.forge(&name_text(&zone), &asked, &theirs);
    if dice.one_in(2) {
        message.answers.clear();
    }
    message.answers.extend(forged);
}
