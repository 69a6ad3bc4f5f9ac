//! Where a request comes from.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::error::{Error, Result};

/// Reverse proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Vec<IpAddr>);

/// The client's address and what it calls itself.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address, behind trusted proxies the one that they name.
    pub ip: String,
    /// `User-Agent`, at most 512 characters.
    pub user_agent: String,
}

impl FromRequest for Client {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let trusted =
            request.app_data::<Data<TrustedProxies>>().map(|data| data.0.as_slice()).unwrap_or_default();
        let ip = request.peer_addr().map(|peer| address(peer.ip(), forwarded(request), trusted).to_string());
        ready(Ok(Self {
            ip: ip.unwrap_or_default(),
            user_agent: user_agent.unwrap_or_default().chars().take(512).collect(),
        }))
    }
}

/// With or without a port; `None` for a hop that is no address.
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

/// Each proxy appends the address that it heard from, so the list is read from its end for as long as proxies of ours
/// wrote it. What stands before is the client's own claim.
fn address(peer: IpAddr, forwarded: Vec<Option<IpAddr>>, trusted: &[IpAddr]) -> IpAddr {
    let mut address = peer.to_canonical();
    for hop in forwarded.into_iter().rev() {
        let Some(hop) = hop.filter(|_| trusted.contains(&address)) else { break };
        address = hop.to_canonical();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let seen = |peer, forwarded: &[&str], trusted: &[&str]| {
            let forwarded = forwarded.iter().map(|text| text.parse().ok()).collect();
            let trusted: Vec<_> = trusted.iter().map(|text| ip(text)).collect();
            address(ip(peer), forwarded, &trusted).to_string()
        };
        assert_eq!(seen("9.9.9.9", &["1.1.1.1"], &[]), "9.9.9.9");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1"], &["10.0.0.1"]), "1.1.1.1");
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6", "1.1.1.1", "10.0.0.2"], &["10.0.0.1", "10.0.0.2"]),
            "1.1.1.1"
        );
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "nonsense"], &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", &["1.1.1.1"], &["10.0.0.1"]), "1.1.1.1");
    }
}
