//! Addresses as the core and as the system write them.

use heck_core::id::Addr;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The core's form of a socket address: IPv4 is mapped into IPv6, so that a peer has one address whichever
/// socket it is seen through. The scope of a link-local IPv6 address is lost; do not advertise such a one.
#[must_use]
pub fn to_core(addr: SocketAddr) -> Addr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    Addr { ip: ip.octets(), port: addr.port() }
}

/// The system's form of an address: mapped IPv4 becomes IPv4 again.
#[must_use]
pub fn from_core(addr: Addr) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::from(addr.ip).to_canonical(), addr.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_and_ipv4_is_the_same_through_both_kinds_of_socket() {
        for text in ["127.0.0.1:7400", "[::1]:7400", "[2001:db8::7]:1"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(from_core(to_core(addr)), addr);
        }
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:7400".parse().unwrap();
        assert_eq!(to_core(mapped), to_core("127.0.0.1:7400".parse().unwrap()));
    }
}
