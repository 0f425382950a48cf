//! Where a check may connect to: the guard against a cluster being made to reach what only its nodes can reach.
//!
//! It judges the address that is about to be connected to, never a name: what a name resolves to, and where a redirect
//! leads, is judged again each time.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use thiserror::Error;

/// Addresses that no check may connect to unless they are listed, each with the kind that errors name. The registries
/// of special-purpose addresses (RFC 6890 and its successors), and the metadata services of clouds.
const DENIED: [(&str, &str); 38] = [
    ("0.0.0.0/8", "unspecified"),
    ("100.100.100.200/32", "a metadata service"),
    ("127.0.0.0/8", LOOPBACK),
    ("168.63.129.16/32", "a metadata service"),
    ("169.254.0.0/16", "link-local, where metadata services are"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "for documentation"),
    ("192.88.99.0/24", "a relay of 6to4"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::1/128", LOOPBACK),
    ("::/96", "an IPv4-compatible form that is out of use"),
    ("::ffff:0:0:0/96", "a translated form of IPv4"),
    ("64:ff9b:1::/48", "a translated form of IPv4"),
    ("100::/64", "discarded"),
    ("100:0:0:1::/64", "reserved"),
    ("2001::/32", "a tunnel (Teredo)"),
    ("2001:2::/48", "for benchmarks"),
    ("2001:10::/28", "no place (ORCHID)"),
    ("2001:20::/28", "no place (ORCHID)"),
    ("2001:db8::/32", "for documentation"),
    ("2002::/16", "a tunnel (6to4)"),
    ("3fff::/20", "for documentation"),
    ("5f00::/16", "a segment of routing"),
    ("fd00:42::42/128", "a metadata service"),
    ("fd00:100::100:200/128", "a metadata service"),
    ("fd00:a9fe:a9fe::1/128", "a metadata service"),
    ("fd00:c1::a9fe:a9fe/128", "a metadata service"),
    ("fd00:ec2::254/128", "a metadata service"),
    ("fd20:ce::254/128", "a metadata service"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local, which is out of use"),
    ("ff00::/8", "multicast"),
];

/// What is denied only while the node itself can be reached from elsewhere.
const LOOPBACK: &str = "loopback";

/// Translates IPv4 for networks that have IPv6 alone (RFC 6052): the last 32 bits say who is meant.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// What an operator says of where checks may connect to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GuardConfig {
    /// Whether loopback may be checked; for nodes whose gossip and API are bound to loopback, and so are no way in for
    /// anyone else.
    pub loopback: bool,
    /// Networks that may be checked, whatever is denied by default.
    pub allow: Vec<IpNet>,
    /// Networks that may not be checked. Where a network of `allow` is as narrow or wider, this counts.
    pub deny: Vec<IpNet>,
    /// Ports that may be checked; all when there are none.
    pub ports: Vec<RangeInclusive<u16>>,
}

/// Judges addresses that a check is about to connect to.
#[derive(Clone, Debug)]
pub struct Guard {
    denied: Vec<(IpNet, &'static str)>,
    config: GuardConfig,
}

/// An address that a check must not connect to, and why.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Forbidden {
    /// It is of a kind that is denied unless listed.
    #[error("{addr} must not be checked: it is {kind}; the node's list of allowed networks may name it")]
    Kind {
        /// Where the check was to connect to.
        addr: SocketAddr,
        /// What kind of address it is.
        kind: &'static str,
    },
    /// The operator denies its network.
    #[error("{addr} must not be checked: the node's operator denies {network}")]
    Network {
        /// Where the check was to connect to.
        addr: SocketAddr,
        /// The network as the operator wrote it.
        network: IpNet,
    },
    /// The operator does not allow its port.
    #[error("{addr} must not be checked: its port is not among those that the node's operator allows")]
    Port {
        /// Where the check was to connect to.
        addr: SocketAddr,
    },
}

impl Guard {
    /// A guard that judges as its operator says.
    #[must_use]
    pub fn new(config: GuardConfig) -> Self {
        // A test reads every entry of the table.
        let parsed = |(net, kind): &(&str, &'static str)| net.parse().ok().map(|net| (net, *kind));
        Self { denied: DENIED.iter().filter_map(parsed).collect(), config }
    }

    /// Judges an address.
    ///
    /// # Errors
    /// When it must not be connected to.
    pub fn judge(&self, addr: SocketAddr) -> Result<(), Forbidden> {
        let is_open = |ports: &RangeInclusive<u16>| ports.contains(&addr.port());
        if !self.config.ports.is_empty() && !self.config.ports.iter().any(is_open) {
            return Err(Forbidden::Port { addr });
        }
        let ip = addr.ip().to_canonical();
        let width = |nets: &[IpNet]| narrowest(nets, ip);
        match (width(&self.config.allow), width(&self.config.deny)) {
            (Some(allowed), Some(denied)) if allowed.prefix_len() > denied.prefix_len() => Ok(()),
            (_, Some(network)) => Err(Forbidden::Network { addr, network }),
            (Some(_), None) => Ok(()),
            (None, None) => self.judge_meant(addr, ip),
        }
    }

    /// Judges an unlisted address by its kind, and by that of the IPv4 address that it stands for.
    fn judge_meant(&self, addr: SocketAddr, ip: IpAddr) -> Result<(), Forbidden> {
        let kinds = self.denied.iter().filter(|(net, _)| net.contains(&ip));
        match kinds.max_by_key(|(net, _)| net.prefix_len()) {
            Some(&(_, LOOPBACK)) if self.config.loopback => return Ok(()),
            Some(&(_, kind)) => return Err(Forbidden::Kind { addr, kind }),
            None => {}
        }
        match ip {
            IpAddr::V6(ip) => match meant(ip) {
                Some(ip) => self
                    .judge(SocketAddr::new(ip.into(), addr.port()))
                    .map_err(|forbidden| forbidden.of(addr)),
                None => Ok(()),
            },
            IpAddr::V4(_) => Ok(()),
        }
    }
}

impl Forbidden {
    /// The same, of the address as it was written.
    fn of(self, addr: SocketAddr) -> Self {
        match self {
            Self::Kind { kind, .. } => Self::Kind { addr, kind },
            Self::Network { network, .. } => Self::Network { addr, network },
            Self::Port { .. } => Self::Port { addr },
        }
    }
}

/// The narrowest network that an address is in.
fn narrowest(nets: &[IpNet], ip: IpAddr) -> Option<IpNet> {
    // A network may be written in the mapped form as well.
    let canonical = |net: &IpNet| match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_canonical() {
            IpAddr::V4(ip) => IpNet::new(ip.into(), v6.prefix_len() - 96).unwrap_or(*net),
            IpAddr::V6(_) => *net,
        },
        _ => *net,
    };
    nets.iter().map(canonical).filter(|net| net.contains(&ip)).max_by_key(IpNet::prefix_len)
}

/// The IPv4 address to which a gateway would pass on what is sent to this one.
fn meant(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let words = ip.segments();
    let is_isatap = matches!(words[4], 0 | 0x200) && words[5] == 0x5efe;
    let [.., a, b, c, d] = ip.octets();
    (words[..6] == NAT64 || is_isatap).then(|| Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::{Endpoint, Host};
    use proptest::prelude::*;

    fn usual() -> Guard {
        Guard::new(GuardConfig::default())
    }

    fn on_loopback() -> Guard {
        Guard::new(GuardConfig { loopback: true, ..GuardConfig::default() })
    }

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn judge(guard: &Guard, ip: &str) -> Result<(), String> {
        guard.judge(SocketAddr::new(ip.parse().unwrap(), 80)).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn denied(ip: &str, kind: &str) {
        for guard in [usual(), on_loopback()] {
            let error = judge(&guard, ip).unwrap_err();
            let addr = SocketAddr::new(ip.parse().unwrap(), 80).to_string();
            assert!(error.contains(kind) && error.contains(&addr), "{ip}: {error}");
        }
    }

    #[track_caller]
    fn allowed(ip: &str) {
        assert_eq!(judge(&usual(), ip), Ok(()), "{ip}");
    }

    #[test]
    fn every_entry_of_the_table_is_a_network() {
        let guard = usual();
        assert_eq!(guard.denied.len(), DENIED.len());
        for (net, _) in guard.denied {
            assert_eq!(net, net.trunc());
        }
    }

    #[test]
    fn metadata_services_are_denied() {
        denied("169.254.169.254", "metadata");
        denied("fd00:ec2::254", "metadata");
        denied("fd20:ce::254", "metadata");
        denied("100.100.100.200", "metadata");
        denied("168.63.129.16", "metadata");
        denied("192.0.0.192", "protocols");
    }

    #[test]
    fn metadata_services_of_scaleway_and_oracle_and_others_among_private_ipv6_are_denied() {
        denied("fd00:42::42", "metadata");
        denied("fd00:c1::a9fe:a9fe", "metadata");
        denied("fd00:a9fe:a9fe::1", "metadata");
        denied("fd00:100::100:200", "metadata");
        allowed("fd00:42::43");
    }

    #[test]
    fn link_local_multicast_unspecified_broadcast_and_special_addresses_are_denied() {
        denied("169.254.0.1", "link-local");
        denied("fe80::1", "link-local");
        denied("fec0::1", "site-local");
        denied("224.0.0.1", "multicast");
        denied("239.255.255.250", "multicast");
        denied("ff02::1", "multicast");
        denied("0.0.0.0", "unspecified");
        denied("0.1.2.3", "unspecified");
        denied("::", "unspecified");
        denied("255.255.255.255", "broadcast");
        denied("240.0.0.1", "reserved");
        denied("198.18.0.1", "benchmarks");
        denied("198.19.255.255", "benchmarks");
        denied("2001:2::1", "benchmarks");
        denied("192.0.2.7", "documentation");
        denied("198.51.100.7", "documentation");
        denied("203.0.113.7", "documentation");
        denied("2001:db8::7", "documentation");
        denied("3fff::7", "documentation");
        denied("100::7", "discarded");
    }

    #[test]
    fn private_and_public_addresses_are_allowed() {
        for ip in ["10.0.0.7", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::7", "fc00::1"] {
            allowed(ip);
        }
        for ip in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "169.253.255.255", "169.255.0.0", "198.17.0.1"] {
            allowed(ip);
        }
    }

    #[test]
    fn loopback_is_denied_unless_the_node_itself_is_on_loopback_alone() {
        for ip in ["127.0.0.1", "127.255.0.1", "::1"] {
            assert!(judge(&usual(), ip).unwrap_err().contains("loopback"), "{ip}");
            assert_eq!(judge(&on_loopback(), ip), Ok(()), "{ip}");
        }
    }

    #[test]
    fn ipv4_mapped_into_ipv6_is_judged_as_ipv4() {
        denied("::ffff:169.254.169.254", "metadata");
        denied("::ffff:a9fe:a9fe", "metadata");
        assert!(judge(&usual(), "::ffff:127.0.0.1").unwrap_err().contains("loopback"));
        assert_eq!(judge(&on_loopback(), "::ffff:127.0.0.1"), Ok(()));
        allowed("::ffff:10.0.0.7");
    }

    #[test]
    fn ipv4_compatible_ipv6_is_denied() {
        denied("::169.254.169.254", "IPv4-compatible");
        denied("::127.0.0.1", "IPv4-compatible");
        denied("::10.0.0.7", "IPv4-compatible");
    }

    #[test]
    fn nat64_is_judged_by_the_ipv4_address_that_it_stands_for() {
        denied("64:ff9b::169.254.169.254", "metadata");
        assert!(judge(&usual(), "64:ff9b::127.0.0.1").unwrap_err().contains("loopback"));
        allowed("64:ff9b::1.1.1.1");
        denied("64:ff9b:1::1.1.1.1", "translated");
        denied("::ffff:0:1.1.1.1", "translated");
        let strict = Guard::new(GuardConfig { deny: nets(&["1.0.0.0/8"]), ..GuardConfig::default() });
        assert!(judge(&strict, "64:ff9b::1.1.1.1").unwrap_err().contains("denies 1.0.0.0/8"));
    }

    #[test]
    fn tunnels_are_denied() {
        denied("2002:a9fe:a9fe::1", "6to4");
        denied("2002:7f00:1::", "6to4");
        denied("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo");
        denied("2606:4700::5efe:169.254.169.254", "metadata");
        denied("2606:4700::200:5efe:a9fe:a9fe", "metadata");
        denied("192.88.99.1", "6to4");
    }

    #[test]
    fn addresses_in_hex_octal_and_decimal_are_judged_as_what_they_are() {
        for host in [
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "0xa9.0xfe.0xa9.0xfe",
            "169.16689662",
            "169.254.43518",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        ] {
            for url in [format!("http://{host}/latest/meta-data"), format!("tcp://{host}:80")] {
                let endpoint = Endpoint::parse(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
                let Host::Ip(ip) = endpoint.host else { panic!("{url} is no address") };
                let judged = usual().judge(SocketAddr::new(ip, endpoint.port));
                assert!(matches!(judged, Err(Forbidden::Kind { .. })), "{url}: {judged:?}");
            }
        }
    }

    #[test]
    fn what_is_listed_is_allowed_whatever_is_denied_by_default() {
        let allow = nets(&["127.0.0.0/8", "169.254.169.254/32", "2002::/16", "::ffff:192.0.2.0/120"]);
        let guard = Guard::new(GuardConfig { allow, ..GuardConfig::default() });
        for ip in ["127.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "2002:a00:1::", "192.0.2.7"] {
            assert_eq!(judge(&guard, ip), Ok(()), "{ip}");
        }
        for ip in ["169.254.169.253", "::1", "192.0.3.0"] {
            assert_eq!(judge(&guard, ip), judge(&usual(), ip), "{ip}");
        }
    }

    #[test]
    fn the_narrower_network_decides_between_what_is_allowed_and_what_is_denied() {
        let config = GuardConfig {
            allow: nets(&["10.0.0.0/8", "192.168.7.0/24"]),
            deny: nets(&["0.0.0.0/0", "::/0", "10.9.0.0/16", "192.168.7.0/24"]),
            ..GuardConfig::default()
        };
        let guard = Guard::new(config);
        assert_eq!(judge(&guard, "10.0.0.7"), Ok(()));
        assert!(judge(&guard, "10.9.0.7").unwrap_err().contains("denies 10.9.0.0/16"));
        assert!(judge(&guard, "192.168.7.7").unwrap_err().contains("denies 192.168.7.0/24"));
        assert!(judge(&guard, "1.1.1.1").unwrap_err().contains("denies 0.0.0.0/0"));
        assert!(judge(&guard, "2606:4700::1111").unwrap_err().contains("denies ::/0"));
    }

    #[test]
    fn ports_that_are_not_listed_are_denied_once_some_are() {
        let ports = vec![80..=80, 8_000..=8_999];
        let allow = nets(&["10.0.0.0/8"]);
        let guard = Guard::new(GuardConfig { ports, allow, ..GuardConfig::default() });
        for (port, is_open) in [(80, true), (8_000, true), (8_999, true), (22, false), (9_000, false)] {
            let judged = guard.judge(SocketAddr::new([10, 0, 0, 7].into(), port));
            assert_eq!(judged.is_ok(), is_open, "{port}");
        }
        assert!(usual().judge("10.0.0.7:22".parse().unwrap()).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(403),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn no_form_of_an_address_gets_past_what_its_plain_form_does_not(bits in any::<u32>()) {
            let plain = Ipv4Addr::from(bits);
            let [a, b, c, d] = plain.octets();
            let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            let guard = usual();
            let is_allowed = |ip: IpAddr| guard.judge(SocketAddr::new(ip, 443)).is_ok();
            let verdict = is_allowed(plain.into());
            prop_assert_eq!(is_allowed(plain.to_ipv6_mapped().into()), verdict);
            prop_assert_eq!(is_allowed(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()), verdict);
            if bits != 1 {
                prop_assert!(!is_allowed(Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low).into()));
            }
            prop_assert!(!is_allowed(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into()));
        }
    }
}
