//! The notation of one DNS upstream: `192.0.2.1`, `[2001:db8::1]:53`, `tls://9.9.9.9#dns.quad9.net`,
//! `https://dns.example/dns-query`.

use std::io;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::str::FromStr;

use crate::config::DnsServer;

/// RFC 1035 §4.2.
const PLAIN_PORT: u16 = 53;
/// RFC 7858 §3.1.
const TLS_PORT: u16 = 853;
/// RFC 8484 §5: that of HTTPS.
const HTTPS_PORT: u16 = 443;

/// Why a text names no DNS server.
#[derive(Debug, thiserror::Error)]
pub enum DnsServerError {
    /// None of the notations.
    #[error(
        "{0:?} is not a DNS server: write 192.0.2.1, 192.0.2.1:5353, [2001:db8::1]:53, tls://9.9.9.9#dns.quad9.net or https://dns.example/dns-query"
    )]
    Notation(String),
    /// Neither `tls:` nor `https:`.
    #[error("{scheme}:// is not spoken to DNS servers: an address alone, tls:// and https:// are")]
    Scheme {
        /// What stood before the `://`.
        scheme: String,
    },
    /// The host of a `tls:` or `https:` server has no address.
    #[error("the operating system cannot look up {host}: {source}")]
    Host {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
}

impl FromStr for DnsServer {
    type Err = DnsServerError;

    /// Asks the operating system for the address of an upstream that is given by name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let notation = || DnsServerError::Notation(text.to_owned());
        match text.split_once("://") {
            None => {
                let (host, port) = split_port(text).ok_or_else(notation)?;
                let address = literal(host).ok_or_else(notation)?;
                Ok(Self::Plain(SocketAddr::new(
                    address,
                    port.unwrap_or(PLAIN_PORT),
                )))
            }
            Some(("tls", rest)) => {
                let (place, name) = match rest.split_once('#') {
                    Some((place, name)) => (place, Some(name)),
                    None => (rest, None),
                };
                let (host, port) = split_port(place).ok_or_else(notation)?;
                let name = name.unwrap_or(host).to_owned();
                if !is_host(&name) {
                    return Err(notation());
                }
                let address = look_up(host, port.unwrap_or(TLS_PORT), notation)?;
                Ok(Self::Tls { address, name })
            }
            Some(("https", rest)) => {
                let (place, path) = match rest.find('/') {
                    Some(at) => rest.split_at(at),
                    None => (rest, "/dns-query"),
                };
                // A query is how RFC 8484 §4.1 asks with GET, a fragment is never sent: neither belongs here.
                if path
                    .contains(|c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '{' | '}'))
                {
                    return Err(notation());
                }
                let (host, port) = split_port(place).ok_or_else(notation)?;
                let address = look_up(host, port.unwrap_or(HTTPS_PORT), notation)?;
                Ok(Self::Https {
                    address,
                    name: host.to_owned(),
                    path: path.to_owned(),
                })
            }
            Some((scheme, _)) => Err(DnsServerError::Scheme {
                scheme: scheme.to_owned(),
            }),
        }
    }
}

/// Host without brackets, and port. An IPv6 address needs its brackets only before a port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (
                host,
                rest.strip_prefix(':')
                    .or_else(|| rest.is_empty().then_some(""))?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    if host.is_empty() || (text.ends_with(':') && port.is_empty()) {
        return None;
    }
    match port {
        "" => Some((host, None)),
        port => Some((host, Some(port.parse().ok().filter(|&port| port != 0)?))),
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

fn is_host(text: &str) -> bool {
    let is_name = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    !text.is_empty() && (literal(text).is_some() || is_name(text))
}

fn look_up(
    host: &str,
    port: u16,
    notation: impl Fn() -> DnsServerError,
) -> Result<SocketAddr, DnsServerError> {
    if let Some(address) = literal(host) {
        return Ok(SocketAddr::new(address, port));
    }
    if !is_host(host) {
        return Err(notation());
    }
    let failed = |source| DnsServerError::Host {
        host: host.to_owned(),
        source,
    };
    (host, port)
        .to_socket_addrs()
        .map_err(failed)?
        .next()
        .ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotFound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_notation() {
        let plain = |address: &str| DnsServer::Plain(address.parse().unwrap());
        let tls = |address: &str, name: &str| DnsServer::Tls {
            address: address.parse().unwrap(),
            name: name.to_owned(),
        };
        let https = |address: &str, name: &str, path: &str| DnsServer::Https {
            address: address.parse().unwrap(),
            name: name.to_owned(),
            path: path.to_owned(),
        };
        for (text, expected) in [
            ("192.0.2.1", plain("192.0.2.1:53")),
            ("192.0.2.1:5353", plain("192.0.2.1:5353")),
            ("2001:db8::1", plain("[2001:db8::1]:53")),
            ("[2001:db8::1]", plain("[2001:db8::1]:53")),
            ("[2001:db8::1]:5353", plain("[2001:db8::1]:5353")),
            (
                "tls://9.9.9.9#dns.quad9.net",
                tls("9.9.9.9:853", "dns.quad9.net"),
            ),
            (
                "tls://9.9.9.9:8853#dns.quad9.net",
                tls("9.9.9.9:8853", "dns.quad9.net"),
            ),
            ("tls://9.9.9.9", tls("9.9.9.9:853", "9.9.9.9")),
            (
                "tls://[2620:fe::fe]#dns.quad9.net",
                tls("[2620:fe::fe]:853", "dns.quad9.net"),
            ),
            (
                "https://192.0.2.1/dns-query",
                https("192.0.2.1:443", "192.0.2.1", "/dns-query"),
            ),
            (
                "https://192.0.2.1",
                https("192.0.2.1:443", "192.0.2.1", "/dns-query"),
            ),
            ("https://[::1]:8443/q", https("[::1]:8443", "::1", "/q")),
        ] {
            assert_eq!(text.parse::<DnsServer>().unwrap(), expected, "{text}");
        }
        assert!(matches!(
            "https://localhost/dns-query".parse::<DnsServer>().unwrap(),
            DnsServer::Https { address, .. } if address.ip().is_loopback()
        ));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            " 192.0.2.1",
            "192.0.2.1:",
            "192.0.2.1:0",
            "192.0.2.1:65536",
            "[2001:db8::1]:",
            "[192.0.2.1]:53",
            "2001:db8::1:",
            "dns.example",
            "192.0.2.1/32",
            "udp://192.0.2.1",
            "tls://",
            "tls://9.9.9.9#",
            "tls://9.9.9.9#a b",
            "https://",
            "https:///dns-query",
            "https://me@192.0.2.1/dns-query",
            "https://192.0.2.1/dns query",
            "https://192.0.2.1/dns-query?dns=x",
            "https://no such host/dns-query",
        ] {
            assert!(text.parse::<DnsServer>().is_err(), "{text:?}");
        }
    }
}
