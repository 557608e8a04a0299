//! The words that zones are described in.

/// A key algorithm, by what ldns calls it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Algorithm {
    RsaSha1,
    RsaSha1Nsec3,
    RsaSha256,
    /// The same with a key of 1024 bits.
    RsaSha256Short,
    RsaSha512,
    EcdsaP256,
    EcdsaP384,
    Ed25519,
    Ed448,
}

/// One key of a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) pair: Pair,
    /// DNSKEY flags: 256 zone key, 257 with the SEP bit, 385 revoked too.
    pub(crate) flags: u16,
    pub(crate) role: Role,
    pub(crate) parent: Parent,
}

/// Which key pair of an algorithm: all zones share these three.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Pair {
    First,
    Second,
    ZoneSigning,
}

/// What a key does in its zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Signs,
    /// In the DNSKEY set only.
    Published,
    /// Not in the zone at all.
    Absent,
}

/// Whether the parent has a DS record for a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parent {
    Names,
    Ignores,
}

/// How absence is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denial {
    Nsec,
    Nsec3 {
        iterations: u16,
    },
    /// NSEC3 with the opt-out flag.
    OptOut,
}

/// When the signatures hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    AMonth,
    Expired,
    NotYet,
    TwoDays,
}

/// The DS records for a key that the parent names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ds {
    Sha256,
    Sha1,
    Sha384,
    /// None at all.
    Missing,
    WrongDigest,
    UnknownAlgorithm,
    UnknownDigest,
    /// Both of the above, no other.
    UnknownBoth,
    /// A good one, one with an unknown algorithm, one with an unknown digest.
    GoodAndUnknown,
    /// A good one and one for the same key with a wrong digest.
    GoodAndWrong,
    Sha1AndSha256,
    /// SHA-1 right, SHA-256 wrong.
    Sha1AndWrongSha256,
    /// SHA-384 right, SHA-256 wrong.
    Sha384AndWrongSha256,
}

/// Where a zone is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    Root,
    TopLevel,
    Others,
    /// Nothing listens there.
    Nobody,
    /// Queries get there, answers never come.
    Hole,
}

/// A change to the zone after it was signed; `owner` as the file spells it, with the final dot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit {
    /// Without the signatures over one RRset.
    Unsign {
        owner: &'static str,
        rtype: &'static str,
    },
    /// Without those of them that one algorithm (its number) made.
    UnsignBy {
        owner: &'static str,
        rtype: &'static str,
        algorithm: &'static str,
    },
    /// A character of the signatures is another.
    Corrupt {
        owner: &'static str,
        rtype: &'static str,
    },
    /// The same for those of one algorithm.
    CorruptBy {
        owner: &'static str,
        rtype: &'static str,
        algorithm: &'static str,
    },
    /// A corrupted copy of each signature beside it.
    CorruptCopy {
        owner: &'static str,
        rtype: &'static str,
    },
    /// Without all records of these types and the signatures over them.
    Without(&'static [&'static str]),
    /// Another value in one field of the signatures over an RRset.
    Field {
        owner: &'static str,
        rtype: &'static str,
        field: Field,
        value: &'static str,
    },
    /// Another TTL for an RRset and its signatures.
    Ttl {
        owner: &'static str,
        rtype: &'static str,
        ttl: u32,
    },
    /// Signatures over RRsets of this type expired ten days ago.
    ExpiredOnly(&'static str),
    /// Beside each signature one that expired ten days ago.
    ExpiredToo,
}

/// A field of a signature, numbered as in a line of a zone file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    Algorithm = 5,
    Labels = 6,
    OriginalTtl = 7,
    Tag = 10,
    Signer = 11,
}

/// One zone.
pub(crate) struct Zone {
    /// Without the final dot; the root is empty.
    pub(crate) name: &'static str,
    pub(crate) keys: Vec<Key>,
    pub(crate) denial: Denial,
    pub(crate) life: Life,
    pub(crate) ds: Ds,
    pub(crate) server: Server,
    /// Seconds.
    pub(crate) ttl: u32,
    pub(crate) records: String,
    pub(crate) edits: Vec<Edit>,
}

/// What a mail domain has.
const MAIL: &str = r#"
@ MX 10 mx
mx A 127.0.0.25
mx AAAA ::1
_25._tcp.mx TLSA 3 1 1 5a4e7c1c2b60c9e25fbd0f0c1ac3f2a5c2a3e8a1d8bb6a6db4c32f0d9a7e4b11
@ TXT "v=spf1 -all"
_mta-sts TXT "v=STSv1; id=1"
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:r@example.test"
notlsa A 127.0.0.26
cn CNAME mx
"#;

/// A key-signing key that the parent names.
pub(crate) const fn ksk(algorithm: Algorithm) -> Key {
    Key {
        algorithm,
        pair: Pair::First,
        flags: 257,
        role: Role::Signs,
        parent: Parent::Names,
    }
}

/// Another one.
pub(crate) const fn second_ksk(algorithm: Algorithm) -> Key {
    Key {
        pair: Pair::Second,
        ..ksk(algorithm)
    }
}

/// A zone-signing key.
pub(crate) const fn zsk(algorithm: Algorithm) -> Key {
    Key {
        pair: Pair::ZoneSigning,
        flags: 256,
        parent: Parent::Ignores,
        ..ksk(algorithm)
    }
}

impl Key {
    pub(crate) const fn without_ds(self) -> Self {
        Self {
            parent: Parent::Ignores,
            ..self
        }
    }

    pub(crate) const fn with_ds(self) -> Self {
        Self {
            parent: Parent::Names,
            ..self
        }
    }

    pub(crate) const fn published(self) -> Self {
        Self {
            role: Role::Published,
            ..self
        }
    }

    pub(crate) const fn absent(self) -> Self {
        Self {
            role: Role::Absent,
            ..self
        }
    }

    pub(crate) const fn revoked(self) -> Self {
        Self { flags: 385, ..self }
    }
}

/// A zone as most are.
pub(crate) fn zone(name: &'static str) -> Zone {
    Zone {
        name,
        keys: vec![ksk(Algorithm::EcdsaP256), zsk(Algorithm::EcdsaP256)],
        denial: Denial::Nsec,
        life: Life::AMonth,
        ds: Ds::Sha256,
        server: Server::Others,
        ttl: 300,
        records: MAIL.to_owned(),
        edits: Vec::new(),
    }
}

impl Zone {
    pub(crate) fn algorithm(self, algorithm: Algorithm) -> Self {
        self.keys([ksk(algorithm), zsk(algorithm)])
    }

    pub(crate) fn keys(mut self, keys: impl Into<Vec<Key>>) -> Self {
        self.keys = keys.into();
        self
    }

    pub(crate) fn unsigned(self) -> Self {
        self.keys([])
    }

    pub(crate) fn nsec3(self) -> Self {
        self.iterations(0)
    }

    pub(crate) fn iterations(mut self, iterations: u16) -> Self {
        self.denial = Denial::Nsec3 { iterations };
        self
    }

    pub(crate) fn life(mut self, life: Life) -> Self {
        self.life = life;
        self
    }

    pub(crate) fn ds(mut self, ds: Ds) -> Self {
        self.ds = ds;
        self
    }

    pub(crate) fn at(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    pub(crate) fn ttl(mut self, ttl: u32) -> Self {
        self.ttl = ttl;
        self
    }

    /// Beside those of a mail domain.
    pub(crate) fn records(mut self, records: &str) -> Self {
        self.records += records;
        self
    }

    /// SOA and NS only.
    pub(crate) fn bare(mut self) -> Self {
        self.records.clear();
        self
    }

    pub(crate) fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }
}
