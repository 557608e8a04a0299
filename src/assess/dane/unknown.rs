//! What a look-up that is not known leaves open: neither a match nor a refusal.

use crate::assess::dane::DaneStatus;
use crate::assess::delivery::Sender;
use crate::assess::testing::Case;
use crate::assess::testing::Change;
use crate::assess::testing::data;
use crate::assess::testing::fail;
use crate::assess::testing::fail_once;
use crate::assess::testing::session;
use crate::evidence::dns::Answer;
use crate::evidence::dns::RecordType;
use crate::evidence::dns::Security;
use crate::evidence::mail_routing::TlsaNotAsked;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::tls::Chain;
use crate::protocol::pkix::testing::LeafIssuer;
use crate::protocol::pkix::testing::Server;
use crate::protocol::pkix::testing::World;

fn tlsa_not_asked(case: &mut Case, why: TlsaNotAsked) {
    case.host().tlsa.asked.clear();
    case.host().tlsa.not_asked = Some(why);
}

fn no_address(case: &mut Case) {
    case.host().a.answer = Answer::NxDomain;
    case.host().aaaa.answer = Answer::NxDomain;
    case.host().addresses.clear();
    tlsa_not_asked(case, TlsaNotAsked::NoAddress);
}

fn nobody_listens(case: &mut Case) {
    case.ends(SessionEnd::Unreachable("refused".into()));
}

/// A name that DANE senders look for while the MX RRset is signed.
fn named_as_the_domain(case: &mut Case) {
    let leaf = Server::named(&["example.com"]);
    let world = World::with(&leaf, LeafIssuer::Intermediate);
    session(case.host()).tls.as_mut().unwrap().chain = Chain(world.chain(&["L", "I", "R"]));
    let record = world.record("2 1 1 sha256(spki(R))");
    case.host().tlsa.asked[0].lookup.answer = Answer::Data(vec![record]);
}

/// What is not known of one family, or of the MX RRset, may be good.
#[test]
fn a_look_up_that_is_not_known_decides_nothing() {
    let rows: [(&str, Change, DaneStatus, Option<bool>); 9] = [
        (
            "AAAA is not known, A matches: there may be more",
            |c| fail_once(&mut c.host().aaaa),
            DaneStatus::Unknown,
            Some(true),
        ),
        (
            "AAAA fails for everybody: no sender sees more",
            |c| fail(&mut c.host().aaaa),
            DaneStatus::Match,
            Some(true),
        ),
        (
            "AAAA is not known, A does not match",
            |c| {
                c.tlsa(&["3 1 1 sha256(spki(X))"]);
                fail_once(&mut c.host().aaaa);
            },
            DaneStatus::Mismatch,
            None,
        ),
        (
            "AAAA is not known, nobody listens at A",
            |c| {
                nobody_listens(c);
                fail_once(&mut c.host().aaaa);
            },
            DaneStatus::Unknown,
            None,
        ),
        (
            "AAAA fails for everybody, nobody listens at A",
            |c| {
                nobody_listens(c);
                fail(&mut c.host().aaaa);
            },
            DaneStatus::Unknown,
            Some(false),
        ),
        (
            "A is not known, AAAA is bogus",
            |c| {
                let bogus = vec!["2001:db8::25".parse().unwrap()];
                c.host().aaaa = data("mx.example.com", RecordType::Aaaa, bogus);
                c.host().aaaa.security = Security::Bogus("expired".into());
                fail_once(&mut c.host().a);
                tlsa_not_asked(c, TlsaNotAsked::AddressBogus);
            },
            DaneStatus::Unknown,
            None,
        ),
        ("no address", no_address, DaneStatus::Absent, Some(false)),
        (
            "A is not known, AAAA is denied",
            |c| {
                no_address(c);
                fail_once(&mut c.host().a);
            },
            DaneStatus::Unknown,
            None,
        ),
        (
            "MX is not known, and a name fits only if it is signed",
            |c| {
                named_as_the_domain(c);
                fail_once(c.mx());
            },
            DaneStatus::Unknown,
            None,
        ),
    ];
    for (why, change, status, possible) in rows {
        let assessment = Case::with(change).assess();
        assert_eq!(assessment.hosts[0].dane.status, status, "{why}");
        let delivery = assessment.delivery.unwrap();
        assert_eq!(delivery[&Sender::Dane].possible, possible, "{why}");
    }
}
