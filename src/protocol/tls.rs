//! Names of TLS versions, cipher suites and key-exchange groups, as IANA registers them.
//!
//! On the wire they are numbers of two bytes. Metrics and reports show the registered names (`TLS 1.3`,
//! `TLS_AES_128_GCM_SHA256`, `X25519MLKEM768`), since these are what an operator types into a search box and into the
//! settings of a mail server. A number without a name prints as hexadecimal. The hand-made hello that asks obsolete
//! servers what they speak is in [`hello`].

pub mod hello;

/// `TLS 1.3` for 0x0304 (RFC 8446 §4.2.1).
pub fn version_name(number: u16) -> String {
    match number {
        0x0200 => "SSL 2.0".to_owned(),
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => hexadecimal(other),
    }
}

/// The name in IANA's registry "TLS Cipher Suites".
pub fn cipher_suite_name(number: u16) -> String {
    name_of(number, CIPHER_SUITES)
}

/// The name in IANA's registry "TLS Supported Groups".
pub fn group_name(number: u16) -> String {
    name_of(number, GROUPS)
}

/// Whether a handshake with this outcome is one that current clients no longer make: below TLS 1.2 (RFC 8996 §4, §5), or
/// without forward secrecy by elliptic curves and authenticated encryption (RFC 9325 §4.2).
pub fn is_obsolete(version: u16, cipher_suite: u16) -> bool {
    version < 0x0303
        || !matches!(
            cipher_suite,
            0x1301..=0x1303 | 0xC02B | 0xC02C | 0xC02F | 0xC030 | 0xCCA8 | 0xCCA9
        )
}

fn name_of(number: u16, names: &[(u16, &str)]) -> String {
    names
        .iter()
        .find_map(|&(known, name)| (known == number).then(|| name.to_owned()))
        .unwrap_or_else(|| hexadecimal(number))
}

fn hexadecimal(number: u16) -> String {
    format!("0x{number:04X}")
}

/// Every suite that a mail server may be found with: those of rustls, and what the hand-made hello offers.
const CIPHER_SUITES: &[(u16, &str)] = &[
    // TLS 1.3 (RFC 8446 §B.4)
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0x1304, "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256"),
    // ECDHE with authenticated encryption (RFC 5289 §3.2, RFC 7905 §3)
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xC0AD, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    // ECDHE with CBC
    (0xC007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xC008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xC011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xC012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    // finite-field Diffie-Hellman
    (0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    // RSA key transport
    (0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x000A, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003D, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
];

const GROUPS: &[(u16, &str)] = &[
    (0x0017, "secp256r1"),
    (0x0018, "secp384r1"),
    (0x0019, "secp521r1"),
    (0x001D, "x25519"),
    (0x001E, "x448"),
    (0x001A, "brainpoolP256r1"),
    (0x001B, "brainpoolP384r1"),
    (0x001C, "brainpoolP512r1"),
    (0x0100, "ffdhe2048"),
    (0x0101, "ffdhe3072"),
    (0x0102, "ffdhe4096"),
    (0x0103, "ffdhe6144"),
    (0x0104, "ffdhe8192"),
    (0x0200, "MLKEM512"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (0x11EB, "SecP256r1MLKEM768"),
    (0x11EC, "X25519MLKEM768"),
    (0x11ED, "SecP384r1MLKEM1024"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registry() {
        for (why, got, expected) in [
            ("version", version_name(0x0304), "TLS 1.3"),
            ("obsolete version", version_name(0x0301), "TLS 1.0"),
            ("unknown version", version_name(0x7F1C), "0x7F1C"),
            (
                "TLS 1.3 suites name no key exchange",
                cipher_suite_name(0x1302),
                "TLS_AES_256_GCM_SHA384",
            ),
            (
                "RSA key transport",
                cipher_suite_name(0x000A),
                "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
            ),
            ("unknown suite", cipher_suite_name(0xFFFE), "0xFFFE"),
            ("hybrid group", group_name(0x11EC), "X25519MLKEM768"),
            ("registered in lower case", group_name(0x001D), "x25519"),
            ("unknown group", group_name(0x0A0A), "0x0A0A"),
        ] {
            assert_eq!(got, expected, "{why}");
        }
    }

    #[test]
    fn knows_what_is_obsolete() {
        for (why, version, suite, expected) in [
            ("TLS 1.3", 0x0304, 0x1301, false),
            ("TLS 1.2 as it should be", 0x0303, 0xC02F, false),
            ("a good suite's number in TLS 1.0", 0x0301, 0xC02F, true),
            ("CBC", 0x0303, 0xC013, true),
            ("RSA key transport", 0x0303, 0x009C, true),
            ("finite field", 0x0303, 0x009E, true),
        ] {
            assert_eq!(is_obsolete(version, suite), expected, "{why}");
        }
    }

    #[test]
    fn no_number_stands_twice() {
        for table in [CIPHER_SUITES, GROUPS] {
            let mut numbers: Vec<u16> = table.iter().map(|&(number, _)| number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), table.len());
        }
    }
}
