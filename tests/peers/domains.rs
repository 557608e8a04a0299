//! The domains that are compared: what each one publishes and serves. Nothing here says what is to be expected of
//! them; that comes from the tools.
//!
//! Each has one MX host, `mx1` below it, and a policy host; every two differ in something that a verdict shows.

/// A mail domain of the test.
pub(crate) struct Domain {
    /// Without the final dot.
    pub(crate) name: &'static str,
    pub(crate) signing: Signing,
    pub(crate) smtp: Smtp,
    pub(crate) tlsa: Tlsa,
    pub(crate) policy: Policy,
    pub(crate) tls_rpt: TlsRpt,
    /// How many addresses the MX host has.
    pub(crate) addresses: u8,
}

/// How the zone is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Signed,
    /// No signatures, and no DS in the parent.
    Unsigned,
    /// All signatures ended ten days ago.
    SignaturesExpired,
}

/// What the MX host does at port 25; where there is TLS, with an RSA and an ECDSA certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Smtp {
    /// Certificates of the test's authority.
    Trusted,
    /// Certificates that signed themselves.
    SelfSigned,
    /// Certificates that ended ten days ago.
    Expired,
    /// Certificates for another name.
    WrongName,
    NoStarttls,
}

/// The TLSA records of the MX host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tlsa {
    None,
    /// `3 1 1` of both keys.
    BothKeys,
    /// `3 1 1` of the RSA key alone.
    RsaKeyOnly,
    /// `3 1 1` of a key that nobody has.
    OtherKey,
    /// `2 1 1` of the intermediate authority.
    Intermediate,
}

/// The MTA-STS policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    None,
    Enforce,
    Testing,
    /// Mode enforce, behind a certificate that ended ten days ago.
    EnforceBehindExpiredCertificate,
    /// Mode enforce, and `mx` names another host.
    EnforceForOtherHost,
}

/// The TLS-RPT record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsRpt {
    None,
    Published,
}

const BASE: Domain = Domain {
    name: "",
    signing: Signing::Signed,
    smtp: Smtp::Trusted,
    tlsa: Tlsa::None,
    policy: Policy::None,
    tls_rpt: TlsRpt::None,
    addresses: 1,
};

/// All of them; the place in this list gives a domain its addresses.
pub(crate) const ALL: &[Domain] = &[
    Domain {
        name: "good.example",
        tlsa: Tlsa::BothKeys,
        policy: Policy::Enforce,
        tls_rpt: TlsRpt::Published,
        addresses: 2,
        ..BASE
    },
    Domain {
        name: "dane-only.example",
        smtp: Smtp::SelfSigned,
        tlsa: Tlsa::BothKeys,
        ..BASE
    },
    Domain {
        name: "sts-only.example",
        signing: Signing::Unsigned,
        policy: Policy::Enforce,
        ..BASE
    },
    Domain {
        name: "mismatch.example",
        tlsa: Tlsa::OtherKey,
        ..BASE
    },
    Domain {
        name: "one-key.example",
        tlsa: Tlsa::RsaKeyOnly,
        tls_rpt: TlsRpt::Published,
        ..BASE
    },
    Domain {
        name: "anchor.example",
        tlsa: Tlsa::Intermediate,
        policy: Policy::Testing,
        ..BASE
    },
    Domain {
        name: "expired.example",
        smtp: Smtp::Expired,
        policy: Policy::Enforce,
        ..BASE
    },
    Domain {
        name: "expired-anchor.example",
        smtp: Smtp::Expired,
        tlsa: Tlsa::Intermediate,
        ..BASE
    },
    Domain {
        name: "wrong-name.example",
        smtp: Smtp::WrongName,
        policy: Policy::Enforce,
        ..BASE
    },
    Domain {
        name: "plain.example",
        signing: Signing::Unsigned,
        smtp: Smtp::NoStarttls,
        ..BASE
    },
    Domain {
        name: "stripped.example",
        smtp: Smtp::NoStarttls,
        tlsa: Tlsa::BothKeys,
        ..BASE
    },
    Domain {
        name: "testing.example",
        signing: Signing::Unsigned,
        smtp: Smtp::SelfSigned,
        policy: Policy::Testing,
        tls_rpt: TlsRpt::Published,
        ..BASE
    },
    Domain {
        name: "policy-host.example",
        policy: Policy::EnforceBehindExpiredCertificate,
        ..BASE
    },
    Domain {
        name: "other-mx.example",
        policy: Policy::EnforceForOtherHost,
        ..BASE
    },
    Domain {
        name: "bogus.example",
        signing: Signing::SignaturesExpired,
        tlsa: Tlsa::BothKeys,
        policy: Policy::Enforce,
        ..BASE
    },
];

impl Domain {
    /// The name of the MX host.
    pub(crate) fn mx(&self) -> String {
        format!("mx1.{}", self.name)
    }

    /// The name of the policy host.
    pub(crate) fn policy_host(&self) -> String {
        format!("mta-sts.{}", self.name)
    }

    /// The addresses of the MX host.
    pub(crate) fn mx_addresses(&self) -> Vec<String> {
        (1..=self.addresses)
            .map(|last| format!("127.25.{}.{last}", self.number()))
            .collect()
    }

    /// The address of the policy host.
    pub(crate) fn policy_address(&self) -> String {
        format!("127.44.{}.1", self.number())
    }

    /// The policy as served; `None` where there is no policy host.
    pub(crate) fn policy_body(&self) -> Option<String> {
        let (mode, mx) = match self.policy {
            Policy::None => return None,
            Policy::Enforce | Policy::EnforceBehindExpiredCertificate => ("enforce", self.mx()),
            Policy::Testing => ("testing", self.mx()),
            Policy::EnforceForOtherHost => ("enforce", format!("mx2.{}", self.name)),
        };
        let max_age = 604_800 + usize::from(self.number());
        Some(format!(
            "version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n"
        ))
    }

    fn number(&self) -> u8 {
        let position = ALL
            .iter()
            .position(|other| other.name == self.name)
            .expect("every domain is in the list");
        u8::try_from(position + 1).expect("fewer than 255 domains")
    }
}
