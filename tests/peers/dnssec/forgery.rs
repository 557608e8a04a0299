//! Answers that an attacker makes of genuine records and others.

use std::net::Ipv4Addr;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::Message;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use hickory_proto::rr::RData;
use hickory_proto::rr::Record;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::rdata::NULL;
use mailtls_exporter::protocol::dnssec::parse_name;

use super::faults::Change;
use super::faults::Piece;
use super::proxy::Behind;

impl Behind {
    /// A genuine answer, changed.
    pub(super) async fn changed(&self, mut message: Message, change: Change) -> Message {
        match change {
            Change::Capitals => message
                .answers
                .iter_mut()
                .for_each(|record| shout(&mut record.data)),
            Change::Unsign => {
                message.answers.retain(is_unsigned);
                message.authorities.retain(is_unsigned);
            }
            Change::SwapCode => {
                message.metadata.response_code = match message.metadata.response_code {
                    ResponseCode::NoError => ResponseCode::NXDomain,
                    _ => ResponseCode::NoError,
                };
            }
            Change::Stray => message.answers.push(Record::from_rdata(
                name("evil.unsigned.test"),
                300,
                forged_address(),
            )),
            Change::OneMore => {
                if let Some(owner) = message.answers.first().map(|record| record.name.clone()) {
                    message
                        .answers
                        .insert(0, Record::from_rdata(owner, 300, forged_address()));
                }
            }
            Change::NoAuthority => message.authorities.clear(),
            Change::Authority(of) => {
                message.authorities = self.of(of, RecordType::A).await.authorities;
            }
            Change::NoSoa => message
                .authorities
                .retain(|record| covered(record) != RecordType::SOA),
            Change::NoApexNsec => message.authorities.retain(|record| {
                covered(record) != RecordType::NSEC || record.name.iter().len() > 2
            }),
            Change::Week => {
                let sections = [&mut message.answers, &mut message.authorities];
                sections
                    .into_iter()
                    .flatten()
                    .for_each(|record| record.ttl = 604_800);
            }
            Change::ClaimAuthentic => message.metadata.authentic_data = true,
            Change::OtherTarget => {
                message.answers.retain(|record| {
                    matches!(covered(record), RecordType::CNAME | RecordType::DNAME)
                });
                for record in &mut message.answers {
                    if record.record_type() == RecordType::CNAME {
                        record.data = RData::CNAME(CNAME(name("mx.unsigned.test")));
                    }
                }
                message
                    .answers
                    .extend(self.look("mx.unsigned.test", RecordType::A).await.answers);
            }
        }
        message
    }

    /// The records of the pieces, for an answer to `query`.
    pub(super) async fn pieces(&self, pieces: &[Piece], query: &Message) -> Vec<Record> {
        let question = query.queries.first().expect("it was looked at before");
        let (owner, rtype) = (question.name(), question.query_type());
        let mut records: Vec<Record> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Answers(of) => records.extend(self.of(*of, rtype).await.answers),
                Piece::Renamed(of) => {
                    let mut renamed = self.of(*of, rtype).await.answers;
                    for record in &mut renamed {
                        record.name = owner.clone();
                    }
                    records.extend(renamed);
                }
                Piece::Authorities(of) => records.extend(self.of(*of, rtype).await.authorities),
                Piece::Unsigned(of) => {
                    let authorities = self.of(*of, rtype).await.authorities;
                    records.extend(authorities.into_iter().filter(is_unsigned));
                }
                Piece::Soa(of) => {
                    let authorities = self.of(*of, rtype).await.authorities;
                    records.extend(
                        authorities
                            .into_iter()
                            .filter(|record| covered(record) == RecordType::SOA),
                    );
                }
                Piece::Moved { of, from, to } => {
                    let (from, to) = (name(from), name(to));
                    let mut moved = self.of(*of, rtype).await.authorities;
                    moved.retain(|record| record.name == from);
                    for record in &mut moved {
                        record.name = to.clone();
                    }
                    records.extend(moved);
                }
                Piece::Address => {
                    records.push(Record::from_rdata(owner.clone(), 300, forged_address()));
                }
                Piece::Cname(target) => {
                    let data = RData::CNAME(CNAME(name(target)));
                    records.push(Record::from_rdata(owner.clone(), 300, data));
                }
                Piece::Dname { owner, target } => {
                    let data = raw(RecordType::from(39), wire_name(&name(target)));
                    records.push(Record::from_rdata(name(owner), 300, data));
                }
                Piece::Signature { signer } => {
                    let first = records.first().expect("something to sign");
                    records.push(meaningless_signature(&first.clone(), &name(signer)));
                }
            }
        }
        records
    }
}

/// A name of the tables.
pub(super) fn name(text: &str) -> Name {
    parse_name(text).expect("the tables hold names")
}

/// The type of a record; of a signature the type that it covers.
fn covered(record: &Record) -> RecordType {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().type_covered,
        _ => record.record_type(),
    }
}

fn is_unsigned(record: &Record) -> bool {
    !matches!(
        record.record_type(),
        RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3
    )
}

/// Where nobody is.
pub(super) fn forged_address() -> RData {
    RData::A(A(Ipv4Addr::new(127, 6, 6, 6)))
}

fn raw(code: RecordType, bytes: Vec<u8>) -> RData {
    RData::Unknown {
        code,
        rdata: NULL::with(bytes),
    }
}

fn wire_name(name: &Name) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name {
        wire.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
        wire.extend(label);
    }
    wire.push(0);
    wire
}

/// An RRSIG of algorithm 13 until 2036 that holds zeros.
fn meaningless_signature(over: &Record, signer: &Name) -> Record {
    let mut data = u16::from(over.record_type()).to_be_bytes().to_vec();
    data.push(13);
    data.push(over.name.num_labels());
    data.extend(300_u32.to_be_bytes());
    data.extend(2_100_000_000_u32.to_be_bytes());
    data.extend(1_577_836_800_u32.to_be_bytes());
    data.extend(1234_u16.to_be_bytes());
    data.extend(wire_name(signer));
    data.extend([0; 64]);
    Record::from_rdata(over.name.clone(), 300, raw(RecordType::RRSIG, data))
}

/// The names in it in capitals.
fn shout(data: &mut RData) {
    let loud = |name: &Name| {
        let labels: Vec<Vec<u8>> = name.iter().map(<[u8]>::to_ascii_uppercase).collect();
        Name::from_labels(labels.iter().map(Vec::as_slice)).expect("as long as before")
    };
    match data {
        RData::CNAME(target) => target.0 = loud(&target.0),
        RData::PTR(target) => target.0 = loud(&target.0),
        RData::MX(mx) => mx.exchange = loud(&mx.exchange),
        RData::SRV(srv) => srv.target = loud(&srv.target),
        RData::NAPTR(naptr) => naptr.replacement = loud(&naptr.replacement),
        // DNAME, RP, AFSDB, KX: names, and numbers too small to be letters.
        RData::Unknown { code, rdata } if matches!(u16::from(*code), 17 | 18 | 36 | 39) => {
            *rdata = NULL::with(rdata.anything.to_ascii_uppercase());
        }
        _ => {}
    }
}
