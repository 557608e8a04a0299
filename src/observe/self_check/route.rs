//! `ipv6_route`: whether this host knows a way to the IPv6 Internet. Connecting a datagram socket looks the route up and
//! sends nothing, so that it can be asked as often as one likes.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;

/// Global unicast (RFC 4291 §2.4), of a root server: no packet is sent there.
const SOMEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0x500, 0x2, 0, 0, 0, 0, 0xc);

/// Whether there is a route to the IPv6 Internet.
pub(super) fn has_ipv6() -> bool {
    has_route(SOMEWHERE.into())
}

/// Whether this host knows a way there at all; else an IPv6 address looks unreachable from every host without IPv6.
pub(in crate::observe) fn has_route(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The port plays no part.
    UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect(SocketAddr::new(address, 53)))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_known_without_a_packet() {
        assert!(has_route(Ipv4Addr::LOCALHOST.into()));
    }
}
