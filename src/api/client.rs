//! The client that sends a request.

use std::fmt;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use ipnet::IpNet;

use super::state::AppState;
use crate::error::{Error, Result};

/// The address and the `User-Agent` of a client.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address; behind trusted proxies, the one that they name.
    pub ip: String,
    /// `User-Agent`, at most 512 characters.
    pub user_agent: String,
}

/// The network within which a client is assumed to change its address freely: the /24 of an IPv4 address, the /64 of an IPv6
/// address. As text, it is for example `203.0.113.0/24` or `2001:db8::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(IpNet);

impl Prefix {
    /// Return the prefix of an address. IPv4 in IPv6 notation counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { 24 } else { 64 };
        Self(IpNet::new(address, length).expect("an address is longer than its prefix").trunc())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Client {
    /// Return the network of the client's address. Clients without an address share the prefix `0.0.0.0/24`.
    pub fn prefix(&self) -> Prefix {
        Prefix::of(self.ip.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into()))
    }
}

impl FromRequest for Client {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        ready(AppState::of(request).map(|app| {
            let trusted = &app.trusted_proxies;
            let ip =
                request.peer_addr().map(|peer| address(peer.ip(), forwarded(request), trusted).to_string());
            Self {
                ip: ip.unwrap_or_default(),
                user_agent: user_agent.unwrap_or_default().chars().take(512).collect(),
            }
        }))
    }
}

/// Return the hops of `X-Forwarded-For`, with or without a port. `None` stands for a hop that is not an address.
fn forwarded(request: &HttpRequest) -> Vec<Option<IpAddr>> {
    request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .map(|hop| hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip())))
        .collect()
}

/// Return the address of the client. Each proxy appends the address from which it received the request. So the list is read from
/// its end, as long as trusted proxies wrote it. The entries before that are the client's own claim.
fn address(peer: IpAddr, forwarded: Vec<Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    for hop in forwarded.into_iter().rev() {
        let is_trusted = trusted.iter().any(|network| network.contains(&address));
        let Some(hop) = hop.filter(|_| is_trusted) else { break };
        address = hop.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let forwarded = forwarded.iter().map(|text| text.parse().ok()).collect();
        let trusted: Vec<IpNet> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        address(peer.parse().unwrap(), forwarded, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let (one, both) = (["10.0.0.1/32"], ["10.0.0.1/32", "10.0.0.2/32"]);
        assert_eq!(seen("9.9.9.9", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1"], &one), "1.1.1.1");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "1.1.1.1", "10.0.0.2"], &both), "1.1.1.1");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "nonsense"], &one), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["1.1.1.1"], &one), "1.1.1.1");
    }

    #[test]
    fn proxies_of_a_trusted_network_are_believed() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(seen("10.200.3.4", &["1.1.1.1"], &trusted), "1.1.1.1");
        assert_eq!(seen("::ffff:10.200.3.4", &["1.1.1.1"], &trusted), "1.1.1.1");
        assert_eq!(seen("fd12::1", &["2001:db8::1"], &trusted), "2001:db8::1");
        assert_eq!(seen("fd12::1", &["6.6.6.6", "1.1.1.1", "10.9.9.9"], &trusted), "1.1.1.1");
        for outside in ["11.0.0.1", "9.255.255.255", "fe80::1", "::1"] {
            assert_eq!(seen(outside, &["1.1.1.1"], &trusted), outside);
        }
        // If every hop is trusted, the first one counts, since only trusted proxies wrote the list.
        assert_eq!(seen("10.0.0.1", &["10.0.0.3", "10.0.0.2"], &trusted), "10.0.0.3");
        // A network of IPv6 does not contain IPv4 addresses.
        assert_eq!(seen("10.0.0.1", &["1.1.1.1"], &["::/0"]), "10.0.0.1");
    }

    #[test]
    fn a_prefix_is_as_wide_as_what_one_client_can_have() {
        for (ip, prefix) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("203.0.113.255", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:0DB8::ffff:0:0", "2001:db8::/64"),
            ("::1", "::/64"),
            ("", "0.0.0.0/24"),
        ] {
            let client = Client { ip: ip.into(), user_agent: String::new() };
            assert_eq!(client.prefix().to_string(), prefix, "{ip}");
        }
        let prefix = |ip: &str| Prefix::of(ip.parse().unwrap());
        assert_eq!(prefix("203.0.113.1"), prefix("203.0.113.2"));
        assert_ne!(prefix("203.0.113.1"), prefix("203.0.114.1"));
    }
}
