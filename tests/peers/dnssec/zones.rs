//! The zones, a line each: how each is signed, what its parent says of it, what is broken in it.
//!
//! A zone that does not say otherwise is signed with a key-signing and a zone-signing key of algorithm 13, denies with
//! NSEC, has a SHA-256 DS record in its parent, signatures from yesterday for a month, and the records of a mail domain.

use super::cases::labels;
use super::zone::Algorithm::*;
use super::zone::Denial;
use super::zone::Ds;
use super::zone::Edit;
use super::zone::Field;
use super::zone::Key;
use super::zone::Life;
use super::zone::Server;
use super::zone::Zone;
use super::zone::ksk;
use super::zone::second_ksk;
use super::zone::zone;
use super::zone::zsk;

const WILDCARDS: &str = r"
*.w MX 10 mx
wmx A 127.0.0.25
*._tcp.wmx TLSA 3 1 1 5a4e7c1c2b60c9e25fbd0f0c1ac3f2a5c2a3e8a1d8bb6a6db4c32f0d9a7e4b11
*.cw CNAME mx.secure.test.
*.a A 127.0.0.27
";

/// All zones; which is whose parent follows from the names.
pub(crate) fn zones() -> Vec<Zone> {
    let mut all = parents();
    all.extend(algorithms());
    all.extend(contents());
    all.extend(broken());
    all.extend(parents_say());
    all.extend(rollovers());
    all.extend(edges());
    all.extend(behind_faults());
    all
}

fn parents() -> Vec<Zone> {
    vec![
        zone("").algorithm(RsaSha256).bare().at(Server::Root).ttl(3600),
        zone("test").algorithm(RsaSha256).bare().at(Server::TopLevel).ttl(600),
        zone("n3").nsec3().bare().at(Server::TopLevel).ttl(600),
        Zone { denial: Denial::OptOut, ..zone("oo").bare().at(Server::TopLevel).ttl(600) },
        zone("secure.n3").nsec3(),
        zone("unsigned.n3").unsigned(),
        // b.n3 and b.oo are no zones and have no records. NSD has no complete proof for one that exists by unsigned zones
        // alone, hence the signed one.
        zone("a.b.n3").unsigned(),
        zone("secure.oo").nsec3(),
        zone("unsigned.oo").unsigned(),
        zone("a.b.oo").unsigned(),
        zone("s.b.oo"),
        zone("sub.secure.test"),
        zone("unsub.secure.test").unsigned(),
        zone("ent.deep.secure.test").unsigned(),
        zone("island.unsigned.test").ds(Ds::Missing),
        // Unsigned parent, signed parent: a chain of trust that ends stays ended.
        zone("sub.island.unsigned.test"),
    ]
}

fn algorithms() -> Vec<Zone> {
    vec![
        zone("secure.test").records(&big()),
        zone("unsigned.test").unsigned(),
        zone("rsa256.test").algorithm(RsaSha256),
        zone("rsa512.test").algorithm(RsaSha512),
        zone("rsasha1.test").algorithm(RsaSha1),
        zone("rsasha1n3.test").algorithm(RsaSha1Nsec3).nsec3(),
        zone("rsa1024.test").algorithm(RsaSha256Short),
        zone("p384.test").algorithm(EcdsaP384),
        zone("ed25519.test").algorithm(Ed25519),
        zone("ed448.test").algorithm(Ed448),
        zone("nsec3.test").nsec3(),
        zone("nsec3it10.test").iterations(10),
        zone("hi100.test").iterations(100),
        zone("hi101.test").iterations(101),
        zone("hi150.test").iterations(150),
        zone("hi500.test").iterations(500),
        zone("hi501.test").iterations(501),
    ]
}

fn contents() -> Vec<Zone> {
    let long_chain: String = (0..9).map(|i| format!("c{i} CNAME c{}\n", i + 1)).chain((0..20).map(|i| format!("f{i} CNAME f{}\n", i + 1))).collect();
    vec![
        zone("wild.test").records(WILDCARDS),
        zone("wild3.test").nsec3().records(WILDCARDS),
        zone("alias.test").records(
            "s MX 0 x\nx CNAME mx.secure.test.\nu CNAME mx.unsigned.test.\nnx CNAME nope.secure.test.\n\
             nd CNAME notlsa.secure.test.\nb CNAME mx.expired.test.\nbnx CNAME nope.expired.test.\nl1 CNAME l2\nl2 CNAME l3\n\
             l3 CNAME mx.nsec3.test.\nloop CNAME loop2\nloop2 CNAME loop\nself CNAME self\nsv CNAME mx.qservfail.test.\n\
             v3 CNAME mx.secure.oo.\nunx CNAME nope.unsigned.test.\nund CNAME notlsa.unsigned.test.\n\
             oo CNAME nope.oo.\nback CNAME s.alias2.test.\nbu CNAME ub.alias2.test.\nkd CNAME mx.keydrop.test.\n",
        ),
        zone("alias2.test").unsigned().records(
            "s CNAME mx.secure.test.\nub CNAME mx.expired.test.\nd DNAME secure.test.\n*.cx CNAME nope.secure.test.\n",
        ),
        zone("dname.test").records(
            "d DNAME secure.test.\ndu DNAME unsigned.test.\ndn DNAME nope.test.\ndx DNAME expired.test.\n\
             dd DNAME d.dname.test.\nddu DNAME du\ndl DNAME dl.dl\ndw DNAME w.wild.test.\nc CNAME mx.d\n\
             long DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.secure.test.\n",
        ),
        zone("dname3.test").nsec3().records("d DNAME secure.test.\nsub.x A 127.0.0.1\n"),
        zone("cx.test").records(&format!(
            "*.cx CNAME nope.secure.test.\n*.cd CNAME notlsa.secure.test.\n*.ce CNAME mx.expired.test.\n*.cu CNAME mx.unsigned.test.\n\
             *.cc CNAME c0.cx.test.\n{long_chain}c9 A 127.0.0.3\nf20 A 127.0.0.3\n"
        )),
        zone("case.test").records("d DNAME SeCuRe.TeSt.\ncn2 CNAME Mx.SecUre.TEST.\nZZ A 127.0.0.9\nAa MX 5 MX\nbB A 127.0.0.8\n"),
        zone("names.test").records(
            "s SRV 1 1 25 Mx\nn NAPTR 1 1 \"s\" \"x\" \"\" Mx\np PTR Mx\nr RP Post.Mx Mx\na AFSDB 1 Mx\nk KX 1 Mx\n\
             h HINFO \"CPU\" \"os\"\nt TXT \"Mixed Case\"\n",
        ),
        zone("unknown.test").records("u TYPE65280 \\# 4 0a000001\n"),
        zone("odd.test").records("a\\.b A 127.0.0.1\n_ A 127.0.0.2\n\\000 A 127.0.0.3\n\\255x A 127.0.0.4\n0 A 127.0.0.5\n"),
        zone("deep.test").records(&format!("{} A 127.0.0.1\n", labels(100))),
        zone("deep3.test").nsec3().records(&format!("{} A 127.0.0.1\n", labels(100))),
        zone("huge.test").records(&huge()),
        zone("lone.test").bare(),
        zone("lone3.test").nsec3().bare(),
    ]
}

/// Expired, forged, stripped: wrong as a zone file can be.
fn broken() -> Vec<Zone> {
    vec![
        zone("expired.test").life(Life::Expired),
        zone("notyet.test").life(Life::NotYet),
        zone("soon.test").life(Life::TwoDays),
        zone("norrsig.test").edit(Edit::Unsign { owner: "mx.norrsig.test.", rtype: "A" }),
        zone("nonsec.test").edit(Edit::Without(&["NSEC", "NSEC3", "NSEC3PARAM"])),
        zone("badsig.test").edit(Edit::Corrupt { owner: "mx.badsig.test.", rtype: "A" }),
        zone("badkeysig.test").edit(Edit::Corrupt { owner: "badkeysig.test.", rtype: "DNSKEY" }),
        zone("stripped.test").edit(Edit::Without(&["NSEC", "RRSIG", "DNSKEY"])),
        zone("nokeys.test").edit(Edit::Without(&["DNSKEY"])),
        zone("keysigexpired.test").edit(Edit::ExpiredOnly("DNSKEY")),
        zone("soasigexpired.test").edit(Edit::ExpiredOnly("SOA")),
        zone("nsecsigexpired.test").edit(Edit::ExpiredOnly("NSEC")),
        zone("labels.test").edit(Edit::Field { owner: "mx.labels.test.", rtype: "A", field: Field::Labels, value: "2" }),
        zone("morelabels.test").edit(Edit::Field { owner: "mx.morelabels.test.", rtype: "A", field: Field::Labels, value: "4" }),
        zone("origttl.test").edit(Edit::Field { owner: "mx.origttl.test.", rtype: "A", field: Field::OriginalTtl, value: "3600" }),
        zone("signer.test").edit(Edit::Field { owner: "mx.signer.test.", rtype: "A", field: Field::Signer, value: "test." }),
        zone("tag.test").edit(Edit::Field { owner: "mx.tag.test.", rtype: "A", field: Field::Tag, value: "1" }),
        zone("algfield.test").edit(Edit::Field { owner: "mx.algfield.test.", rtype: "A", field: Field::Algorithm, value: "8" }),
        zone("unkalgsig.test").edit(Edit::Field { owner: "mx.unkalgsig.test.", rtype: "A", field: Field::Algorithm, value: "200" }),
        zone("ttl0.test").edit(Edit::Ttl { owner: "mx.ttl0.test.", rtype: "A", ttl: 0 }),
        zone("ttlhigh.test").edit(Edit::Ttl { owner: "mx.ttlhigh.test.", rtype: "A", ttl: 86_400 }),
        zone("twosig.test").edit(Edit::ExpiredToo),
        zone("badandgood.test").edit(Edit::CorruptCopy { owner: "mx.badandgood.test.", rtype: "A" }),
    ]
}

/// What DS records can be.
fn parents_say() -> Vec<Zone> {
    vec![
        zone("wrongds.test").ds(Ds::WrongDigest),
        zone("unkalg.test").ds(Ds::UnknownAlgorithm),
        zone("unkdig.test").ds(Ds::UnknownDigest),
        zone("unkboth.test").ds(Ds::UnknownBoth),
        zone("mixds.test").ds(Ds::GoodAndUnknown),
        zone("twods.test").ds(Ds::GoodAndWrong),
        zone("sha1ds.test").ds(Ds::Sha1),
        zone("sha384ds.test").ds(Ds::Sha384),
        zone("sha1both.test").ds(Ds::Sha1AndSha256),
        zone("sha1beside.test").ds(Ds::Sha1AndWrongSha256),
        zone("sha384beside.test").ds(Ds::Sha384AndWrongSha256),
        zone("nods.test").ds(Ds::Missing),
        zone("nodsbad.test").ds(Ds::Missing).life(Life::Expired),
        zone("dsforunsigned.test").edit(Edit::Without(&["RRSIG", "NSEC", "DNSKEY"])),
    ]
}

/// Keys that come and go.
fn rollovers() -> Vec<Zone> {
    let both = [ksk(EcdsaP256), zsk(EcdsaP256), ksk(RsaSha256), zsk(RsaSha256)];
    vec![
        // Junk beside the real keys: an unparsable P-256 point, and an unknown algorithm.
        zone("roll.test").records(&format!(
            "@ DNSKEY 257 3 13 {}AQ==\n@ DNSKEY 256 3 13 {}AQ==\n@ DNSKEY 257 3 200 AQIDBAUG\n",
            "xyzA".repeat(21),
            "Axyz".repeat(21)
        )),
        zone("csk.test").keys([ksk(EcdsaP256)]),
        zone("zskonly.test").keys([zsk(EcdsaP256).with_ds()]),
        zone("revoked.test").keys([ksk(EcdsaP256).revoked(), zsk(EcdsaP256)]),
        zone("revokedtoo.test").keys([ksk(EcdsaP256), second_ksk(EcdsaP256).revoked().without_ds(), zsk(EcdsaP256)]),
        zone("revokedzsk.test").keys([ksk(EcdsaP256), Key { flags: 384, ..zsk(EcdsaP256) }]),
        zone("nozonekey.test").keys([ksk(EcdsaP256), Key { flags: 0, ..zsk(EcdsaP256) }]),
        zone("rollksk.test").keys([ksk(EcdsaP256).without_ds(), second_ksk(EcdsaP256), zsk(EcdsaP256)]),
        zone("rollds.test").keys([ksk(EcdsaP256), second_ksk(EcdsaP256).absent(), zsk(EcdsaP256)]),
        zone("rolltooearly.test").keys([ksk(EcdsaP256).published(), second_ksk(EcdsaP256).without_ds(), zsk(EcdsaP256)]),
        zone("rollgone.test").keys([ksk(EcdsaP256).absent(), second_ksk(EcdsaP256).without_ds(), zsk(EcdsaP256)]),
        zone("rollzsk.test").keys([ksk(EcdsaP256), second_ksk(EcdsaP256).published().without_ds(), zsk(EcdsaP256)]),
        zone("mixalg.test").keys(both),
        zone("mixalgone.test").keys([both[0], both[1], both[2].without_ds(), both[3]]),
        zone("mixalgstrip.test").keys(both).edit(Edit::UnsignBy { owner: "mx.mixalgstrip.test.", rtype: "A", algorithm: "13" }),
        zone("mixalgbad.test").keys(both).edit(Edit::CorruptBy { owner: "mx.mixalgbad.test.", rtype: "A", algorithm: "13" }),
        zone("mixalgbroken.test").keys(both).edit(Edit::Corrupt { owner: "mx.mixalgbroken.test.", rtype: "A" }),
        // Signed with what we verify and with what nobody does; the parent names only the latter.
        zone("mixed448.test").keys([ksk(EcdsaP256), zsk(EcdsaP256), ksk(Ed448), zsk(Ed448)]),
    ]
}

/// Servers that do not answer.
fn edges() -> Vec<Zone> {
    vec![zone("lame.test").at(Server::Nobody), zone("hole.test").at(Server::Hole), zone("lameuns.test").unsigned().at(Server::Nobody)]
}

/// Those whose answers the proxy changes: see `faults`.
fn behind_faults() -> Vec<Zone> {
    let mut all: Vec<Zone> = [
        "keydrop.test",
        "keyfail.test",
        "dsdrop.test",
        "dsfail.test",
        "keyrefused.test",
        "qservfail.test",
        "qdrop.test",
        "qrefused.test",
        "tlsafail.test",
        "tc.test",
        "qnotimp.test",
        "keynotimp.test",
        "garbage.test",
        "otherquestion.test",
        "tcnothing.test",
        "once.test",
        "failsonce.test",
        "race.test",
        "claimsad.test",
        "referral.test",
        "atk-nxbare.test",
        "atk-ndbare.test",
        "atk-ndinsec.test",
        "atk-nxinsec.test",
        "atk-strip.test",
        "atk-parentnsec.test",
        "atk-cname.test",
        "atk-cnameuns.test",
        "atk-dsstrip.test",
        "atk-keystrip.test",
        "atk-unrelated.test",
        "atk-extra.test",
        "atk-rcode.test",
        "atk-dsapex.test",
        "atk-emptyok.test",
        "atk-foreignsig.test",
        "atk-foreignsoa.test",
        "atk-foreigncn.test",
        "atk-nosoa.test",
        "atk-cnameend.test",
        "atk-parentnd.test",
        "atk-sibling.test",
        "atk-nowild.test",
        "atk-more.test",
        "atk-swap.test",
        "atk-dnameforged.test",
        "atk-otherkeys.test",
        "atk-dsother.test",
        "atk-emptynx.test",
        "atk-keyempty.test",
        "atk-dsempty.test",
        "atk-ttl.test",
        "atk-wildforged.test",
    ]
    .into_iter()
    .map(zone)
    .collect();
    all.extend([
        zone("dsdropuns.test").unsigned(),
        zone("nsfailuns.test").unsigned(),
        zone("keydrop3.test").nsec3(),
        zone("atk-wild.test").records(WILDCARDS),
        zone("atk-wild3.test").nsec3().records(WILDCARDS),
        zone("atk-wildinsec.test").records(WILDCARDS),
        zone("atk-wildnsec.test").records("*.w TXT x\nzz.w A 127.0.0.1\n"),
        zone("atk-wildnsec2.test").records("*.w TXT x\nzz.w A 127.0.0.1\n"),
        zone("atk-wildreplay.test").records("*.w MX 10 mx\nhost.w MX 20 mx\n"),
        zone("atk-dname.test").records("d DNAME secure.test.\n"),
        zone("atk-ndnsec3.test").nsec3(),
        zone("atk-nxnsec3.test").nsec3(),
    ]);
    all
}

/// Eight strings of 250 bytes: more than fits a datagram.
fn big() -> String {
    let strings: Vec<String> = ["a", "b", "c", "d", "e", "f", "g", "h"].iter().map(|letter| format!("\"{}\"", letter.repeat(250))).collect();
    format!("big TXT {}\n", strings.join(" "))
}

/// An RRset of about 50 KiB.
fn huge() -> String {
    let strings: Vec<String> = (0..200).map(|i| format!("{i} {}", "x".repeat(240))).collect();
    let records = strings.iter().map(|string| ["huge TXT \"", string, "\"\n"]);
    records.flatten().collect()
}
