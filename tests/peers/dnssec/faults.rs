//! What goes wrong between the resolver under test and its upstream, a line a zone: questions that are not answered, and
//! answers that an attacker made of genuine and forged records.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

/// A question and what is done to its answer.
pub(crate) struct Fault {
    /// Names in this zone.
    pub(crate) zone: &'static str,
    pub(crate) when: When,
    pub(crate) act: Act,
}

/// Of which type the question is.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Is(RecordType),
    /// None that a walk from zone to zone asks for: DNSKEY, DS, NS, SOA.
    Content,
    Any,
}

/// What is done.
pub(crate) enum Act {
    /// No answer.
    Drop,
    /// An RCODE and nothing else.
    Code(ResponseCode),
    /// As the act says until the fault is healed.
    UntilHealed(&'static Act),
    /// The first of equal questions fares so, the others are answered.
    Once(&'static Act),
    /// TC over UDP; what happens over TCP.
    Truncate(&'static Act),
    /// The genuine answer.
    Genuine,
    /// Bytes that are no DNS message.
    Garbage,
    /// The genuine answer to another question of the same zone, question section and all.
    OtherQuestion,
    /// First a forgery that does not know the id, then the genuine answer.
    ForgeryFirst,
    /// NS records of the zone and nothing else.
    Referral,
    /// The genuine answer, changed.
    Change(Change),
    /// An answer composed of pieces.
    Say {
        code: ResponseCode,
        answers: &'static [Piece],
        authorities: &'static [Piece],
    },
}

/// A change to a genuine answer.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// Names in record data in capitals: signatures cover the lower-case form.
    Capitals,
    /// Without RRSIG, NSEC and NSEC3 records.
    Unsign,
    /// NXDOMAIN where it was NOERROR, and the other way round.
    SwapCode,
    /// A record of another name beside it.
    Stray,
    /// One address more in the RRset.
    OneMore,
    /// Without the authority section.
    NoAuthority,
    /// The authority section of another answer instead.
    Authority(Of),
    /// Without the SOA and what signs it.
    NoSoa,
    /// Without NSEC records at the apex: they deny the wildcard.
    NoApexNsec,
    /// All TTLs are a week.
    Week,
    /// AD is set: "I validated this".
    ClaimAuthentic,
    /// The CNAME that a DNAME makes points elsewhere.
    OtherTarget,
}

/// Records of an answer.
pub(crate) enum Piece {
    /// The answer section.
    Answers(Of),
    /// The same under the name asked for.
    Renamed(Of),
    /// The authority section.
    Authorities(Of),
    /// The same without RRSIG, NSEC and NSEC3 records.
    Unsigned(Of),
    /// The SOA of it and what signs it.
    Soa(Of),
    /// Its NSEC records at one owner, presented under another.
    Moved {
        of: Of,
        from: &'static str,
        to: &'static str,
    },
    /// 127.6.6.6 at the name asked for.
    Address,
    /// A CNAME at the name asked for.
    Cname(&'static str),
    /// A DNAME record.
    Dname {
        owner: &'static str,
        target: &'static str,
    },
    /// A signature that nobody made over the first record so far, by `signer`.
    Signature { signer: &'static str },
}

/// A question whose genuine answer is used.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// Name and type.
    Asked(&'static str, RecordType),
    /// The name with the type that is asked for now.
    SameType(&'static str),
}

use Act::*;
use Of::*;
use Piece::*;
use RecordType as T;
use ResponseCode as C;
use When::*;

const fn fault(zone: &'static str, when: When, act: Act) -> Fault {
    Fault { zone, when, act }
}

const fn says(
    zone: &'static str,
    code: C,
    answers: &'static [Piece],
    authorities: &'static [Piece],
) -> Fault {
    fault(
        zone,
        Content,
        Say {
            code,
            answers,
            authorities,
        },
    )
}

/// All faults, an entry a line; in a zone that is not here nothing goes wrong.
#[rustfmt::skip]
pub(crate) const FAULTS: &[Fault] = &[
    // ---- Not answered ----------------------------------------------------------------------------------------------
    fault("keydrop.test", Is(T::DNSKEY), Drop),
    fault("keydrop3.test", Is(T::DNSKEY), Drop),
    fault("keyfail.test", Is(T::DNSKEY), UntilHealed(&Code(C::ServFail))),
    fault("keyrefused.test", Is(T::DNSKEY), Code(C::Refused)),
    fault("keynotimp.test", Is(T::DNSKEY), Code(C::NotImp)),
    fault("dsdrop.test", Is(T::DS), Drop),
    fault("dsdropuns.test", Is(T::DS), Drop),
    fault("dsfail.test", Is(T::DS), UntilHealed(&Code(C::ServFail))),
    fault("qservfail.test", Content, Code(C::ServFail)),
    fault("qrefused.test", Content, Code(C::Refused)),
    fault("qnotimp.test", Content, Code(C::NotImp)),
    fault("qdrop.test", Content, Drop),
    fault("nsfailuns.test", Is(T::NS), Code(C::ServFail)),
    fault("tlsafail.test", Is(T::TLSA), Code(C::ServFail)),
    fault("tc.test", Any, Truncate(&Genuine)),
    fault("tcnothing.test", Content, Truncate(&Drop)),
    fault("once.test", Any, Once(&Drop)),
    fault("failsonce.test", Any, Once(&Code(C::ServFail))),
    fault("garbage.test", Content, Garbage),
    fault("otherquestion.test", Content, OtherQuestion),
    fault("race.test", Any, ForgeryFirst),
    fault("referral.test", Content, Referral),
    // ---- Answered, and harmless ------------------------------------------------------------------------------------
    fault("case.test", Any, Change(Change::Capitals)),
    fault("names.test", Any, Change(Change::Capitals)),
    fault("atk-extra.test", Content, Change(Change::Stray)),
    fault("atk-ttl.test", Any, Change(Change::Week)),
    // ---- Stripped --------------------------------------------------------------------------------------------------
    fault("atk-strip.test", Content, Change(Change::Unsign)),
    fault("atk-keystrip.test", Is(T::DNSKEY), Change(Change::Unsign)),
    fault("atk-keyempty.test", Is(T::DNSKEY), Say { code: C::NoError, answers: &[], authorities: &[Soa(Asked("nx.atk-keyempty.test", T::A))] }),
    fault("atk-dsstrip.test", Is(T::DS), Say { code: C::NoError, answers: &[], authorities: &[Unsigned(Asked("nope.test", T::A))] }),
    fault("atk-dsempty.test", Is(T::DS), Say { code: C::NoError, answers: &[], authorities: &[] }),
    says("atk-nxbare.test", C::NXDomain, &[], &[Unsigned(Asked("nx.atk-nxbare.test", T::A))]),
    says("atk-ndbare.test", C::NoError, &[], &[Unsigned(Asked("nx.atk-ndbare.test", T::A))]),
    says("atk-emptyok.test", C::NoError, &[], &[]),
    says("atk-emptynx.test", C::NXDomain, &[], &[]),
    fault("atk-nosoa.test", Content, Change(Change::NoSoa)),
    fault("atk-wild.test", Content, Change(Change::NoAuthority)),
    fault("atk-wild3.test", Content, Change(Change::NoAuthority)),
    // ---- Proofs of something else ----------------------------------------------------------------------------------
    says("atk-ndinsec.test", C::NoError, &[], &[Authorities(Asked("nx.unsigned.test", T::A))]),
    says("atk-nxinsec.test", C::NXDomain, &[], &[Authorities(Asked("nx.unsigned.test", T::A))]),
    fault("atk-wildinsec.test", Content, Change(Change::Authority(Asked("nx.unsigned.test", T::A)))),
    // The parent's NSEC at the delegation, which "covers" all below it.
    says("atk-parentnsec.test", C::NXDomain, &[], &[Authorities(Asked("atk-parentnsec\\000.test", T::A))]),
    says("atk-parentnd.test", C::NoError, &[], &[Authorities(Asked("atk-parentnd\\000.test", T::A))]),
    // The other way round: "no DS", by the child's own apex.
    fault("atk-dsapex.test", Is(T::DS), Say { code: C::NoError, answers: &[], authorities: &[Authorities(Asked("atk-dsapex.test", T::HINFO))] }),
    // "No DS", by the NSEC of a name in between; it is signed by the right zone.
    fault("atk-dsother.test", Is(T::DS), Say { code: C::NoError, answers: &[], authorities: &[Authorities(Asked("unsigned.test", T::DS))] }),
    says("atk-sibling.test", C::NXDomain, &[], &[Authorities(Asked("_25._tcp.notlsa.secure.test", T::TLSA))]),
    // The NSEC record of a CNAME does not list other types, and yet there are some.
    says("atk-cnameend.test", C::NoError, &[], &[Soa(Asked("nx.atk-cnameend.test", T::A)), Answers(Asked("cn.atk-cnameend.test", T::NSEC))]),
    says("atk-ndnsec3.test", C::NoError, &[], &[Authorities(Asked("notlsa.atk-ndnsec3.test", T::HINFO))]),
    says("atk-nxnsec3.test", C::NXDomain, &[], &[Authorities(Asked("zzz.atk-nxnsec3.test", T::A))]),
    fault("atk-nowild.test", Content, Change(Change::NoApexNsec)),
    // CVE-2017-15105: a wildcard's NSEC record, under a name that the wildcard matches, covers what it should not.
    says(
        "atk-wildnsec.test",
        C::NXDomain,
        &[],
        &[
            Moved { of: Asked("q.w.atk-wildnsec.test", T::HINFO), from: "*.w.atk-wildnsec.test", to: "aaa.w.atk-wildnsec.test" },
            Soa(Asked("q.w.atk-wildnsec.test", T::HINFO)),
            Moved { of: Asked("q.w.atk-wildnsec.test", T::HINFO), from: "*.w.atk-wildnsec.test", to: "*.w.atk-wildnsec.test" },
        ],
    ),
    // Under a name that sorts before the wildcard it even covers the wildcard itself.
    says("atk-wildnsec2.test", C::NXDomain, &[], &[
        Moved { of: Asked("q.w.atk-wildnsec2.test", T::HINFO), from: "*.w.atk-wildnsec2.test", to: "!.w.atk-wildnsec2.test" },
        Soa(Asked("q.w.atk-wildnsec2.test", T::HINFO)),
        Moved { of: Asked("q.w.atk-wildnsec2.test", T::HINFO), from: "*.w.atk-wildnsec2.test", to: "*.w.atk-wildnsec2.test" },
    ]),
    says("atk-foreignsoa.test", C::NXDomain, &[], &[Unsigned(Asked("nx.atk-foreignsoa.test", T::A)), Signature { signer: "unsigned.test" }]),
    // ---- Other data ------------------------------------------------------------------------------------------------
    says("atk-cname.test", C::NoError, &[Cname("mx.secure.test"), Answers(SameType("mx.secure.test"))], &[]),
    says("atk-cnameuns.test", C::NoError, &[Cname("mx.unsigned.test"), Answers(SameType("mx.unsigned.test"))], &[]),
    says(
        "atk-foreigncn.test",
        C::NoError,
        &[Cname("mx.unsigned.test"), Signature { signer: "unsigned.test" }, Answers(SameType("mx.unsigned.test"))],
        &[],
    ),
    says("atk-foreignsig.test", C::NoError, &[Address, Signature { signer: "unsigned.test" }], &[]),
    says("atk-unrelated.test", C::NoError, &[Answers(SameType("mx.secure.test"))], &[]),
    says("atk-swap.test", C::NoError, &[Renamed(Asked("notlsa.atk-swap.test", T::A))], &[]),
    fault("atk-more.test", Content, Change(Change::OneMore)),
    says(
        "atk-wildreplay.test",
        C::NoError,
        &[Renamed(Asked("q.w.atk-wildreplay.test", T::MX))],
        &[Authorities(Asked("q.w.atk-wildreplay.test", T::MX))],
    ),
    says("atk-wildforged.test", C::NoError, &[Renamed(Asked("mx.wild.test", T::A))], &[]),
    fault("atk-dname.test", Content, Change(Change::OtherTarget)),
    says(
        "atk-dnameforged.test",
        C::NoError,
        &[Dname { owner: "d.atk-dnameforged.test", target: "unsigned.test" }, Cname("mx.unsigned.test"), Answers(SameType("mx.unsigned.test"))],
        &[],
    ),
    fault("atk-otherkeys.test", Is(T::DNSKEY), Say { code: C::NoError, answers: &[Renamed(Asked("ed25519.test", T::DNSKEY))], authorities: &[] }),
    fault("atk-rcode.test", Content, Change(Change::SwapCode)),
    fault("claimsad.test", Any, Change(Change::ClaimAuthentic)),
    fault("expired.test", Any, Change(Change::ClaimAuthentic)),
];

impl When {
    pub(crate) fn holds(self, rtype: RecordType) -> bool {
        match self {
            Self::Is(wanted) => wanted == rtype,
            Self::Content => !matches!(rtype, T::DNSKEY | T::DS | T::NS | T::SOA),
            Self::Any => true,
        }
    }
}
