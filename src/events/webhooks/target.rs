//! Which addresses a webhook may have: those that the whole internet can reach, so that Plaza gives no user access to systems
//! behind its firewall.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Maximum length of a webhook's URL, in characters.
pub const URL_MAX: usize = 2048;

/// The IPv4 addresses that are not public: IANA's special-purpose registry, all multicast and reserved addresses, and addresses
/// elsewhere that clouds use internally.
const V4: [Ipv4Net; 17] = [
    // "This network": on Linux, its first address is the local machine.
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    // Shared by the customers of a carrier, and by the services of some clouds.
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // Link-local. Clouds give their machines secrets there.
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    // Protocol assignments. Two of the addresses are anycast, but no webhook.
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    // Relays of 6to4, which lead into IPv6.
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
    v4([255, 255, 255, 255], 32),
    // Azure's internal service for its machines, at an address that looks public.
    v4([168, 63, 129, 16], 32),
];

/// The IPv6 addresses that are assigned as global unicast. Loopback, private, link-local, site-local, discard-only,
/// segment-routing and multicast addresses are all outside.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// The global unicast addresses that are not public, by IANA's special-purpose registry.
const V6: [Ipv6Net; 3] = [
    // Protocol assignments: Teredo, benchmarking, identifiers that are not addresses.
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0xdb8, 0], 32),
    v6([0x3fff, 0, 0], 20),
];

/// IPv6 addresses whose last 32 bits are an IPv4 address: compatible, mapped, and with NAT64's well-known prefix.
const V4_AT_THE_END: [Ipv6Net; 3] = [
    v6([0, 0, 0], 96),
    Ipv6Net::new_assert(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96),
    v6([0x64, 0xff9b, 0], 96),
];

/// 6to4: the IPv4 address follows the prefix.
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0], 16);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c]: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// Whether the whole internet can reach this address, and it belongs to one machine. An address that contains an IPv4 address is
/// judged by that.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !V4.iter().any(|net| net.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [.., a, b, c, d] = address.octets();
    if V4_AT_THE_END.iter().any(|net| net.contains(&address)) {
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    if SIX_TO_FOUR.contains(&address) {
        let [_, _, a, b, c, d, ..] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    GLOBAL_V6.contains(&address) && !V6.iter().any(|net| net.contains(&address))
}

/// Why a webhook cannot have a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It is longer than [`URL_MAX`], as given or as normalized.
    #[error("must have at most 2048 characters")]
    TooLong,
    /// It is not a URL, or not an http or https URL with a host.
    #[error("must be an http or https URL")]
    NoUrl,
    /// It contains a user or a password, which would be visible in the list of webhooks.
    #[error("must not contain a user or a password")]
    Credentials,
    /// It has a fragment, which a client never sends.
    #[error("must not have a fragment")]
    Fragment,
    /// Its host is an address that is not public.
    #[error("must not point to a private address")]
    Private,
}

/// Parse the URL of a webhook. The result is normalized by the URL Standard: a host such as `2130706433` or `0x7f.1` becomes the
/// address that it means. Names are not looked up: what a name means today says nothing about tomorrow, so the client checks it.
pub fn parse(text: &str, allow_private: bool) -> Result<Url, UrlFault> {
    // Checked before anything whose cost grows with the length of the text.
    if text.chars().nth(URL_MAX).is_some() {
        return Err(UrlFault::TooLong);
    }
    let url = Url::parse(text).map_err(|_| UrlFault::NoUrl)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(UrlFault::NoUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlFault::Credentials);
    }
    if url.fragment().is_some() {
        return Err(UrlFault::Fragment);
    }
    if url.as_str().len() > URL_MAX {
        return Err(UrlFault::TooLong);
    }
    if !allow_private && names_private_address(&url) {
        return Err(UrlFault::Private);
    }
    Ok(url)
}

/// Whether the host is an address, rather than a name, that is not public.
pub fn names_private_address(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_public_v4(address),
        Some(Host::Ipv6(address)) => !is_public_v6(address),
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address before a block, its first and its last address, and the address after it.
    type Block<'a> = (&'a str, &'a str, &'a str, &'a str);

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    /// Check that only the blocks are not public. `-` stands for an address that does not exist, or that is in another block.
    fn assert_blocks(blocks: &[Block]) {
        for (before, first, last, after) in blocks {
            assert!(!public(first), "{first}");
            assert!(!public(last), "{last}");
            for beside in [before, after].into_iter().filter(|address| **address != "-") {
                assert!(public(beside), "{beside}");
            }
        }
    }

    #[test]
    fn special_blocks_of_ipv4_are_refused_to_their_last_address() {
        assert_blocks(&[
            ("-", "0.0.0.0", "0.255.255.255", "1.0.0.0"),
            ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
            ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
            ("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
            ("168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"),
            ("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
            ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
            ("191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
            ("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
            ("192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"),
            ("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
            ("198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
            ("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
            ("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
            ("223.255.255.255", "224.0.0.0", "239.255.255.255", "-"),
            ("-", "240.0.0.0", "255.255.255.255", "-"),
        ]);
        for inside in ["127.0.0.1", "169.254.169.254", "100.100.100.200", "192.0.0.9", "255.255.255.254"] {
            assert!(!public(inside), "{inside}");
        }
        for outside in ["1.1.1.1", "8.8.8.8", "93.184.215.14", "192.31.196.1", "192.175.48.1"] {
            assert!(public(outside), "{outside}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn special_blocks_of_ipv6_are_refused_to_their_last_address() {
        assert_blocks(&[
            ("-", "::", "::0.255.255.255", "::1.0.0.0"),
            ("-", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "-"),
            ("-", "100::", "100::ffff:ffff:ffff:ffff", "-"),
            ("-", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "-"),
            (
                "-",
                "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "2000::",
            ),
            (
                "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001:200::",
            ),
            (
                "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001:db9::",
            ),
            (
                "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                "3fff:1000::",
            ),
            (
                "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "4000::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "-",
            ),
            ("-", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-"),
            ("-", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-"),
            ("-", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-"),
            ("-", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-"),
            ("-", "ff00::", "ff02::1", "-"),
        ]);
        for inside in ["::1", "::ffff:0:127.0.0.1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fd00:ec2::254"] {
            assert!(!public(inside), "{inside}");
        }
        for outside in
            ["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::1", "2620:4f:8000::1"]
        {
            assert!(public(outside), "{outside}");
        }
    }

    #[test]
    fn an_address_within_an_address_counts() {
        let forms: [fn([u8; 4]) -> Ipv6Addr; 4] = [
            |v4| Ipv4Addr::from(v4).to_ipv6_mapped(),
            |v4| Ipv4Addr::from(v4).to_ipv6_compatible(),
            |[a, b, c, d]| format!("64:ff9b::{a}.{b}.{c}.{d}").parse().unwrap(),
            |[a, b, c, d]| format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1").parse().unwrap(),
        ];
        for form in forms {
            for inside in [[0, 0, 0, 0], [127, 0, 0, 1], [10, 255, 255, 255], [169, 254, 169, 254], [255; 4]]
            {
                assert!(!is_public(form(inside).into()), "{}", form(inside));
            }
            for outside in [[8, 8, 8, 8], [11, 0, 0, 0], [192, 167, 255, 255]] {
                assert!(is_public(form(outside).into()), "{}", form(outside));
            }
        }
        // The neighbouring blocks contain no IPv4 address.
        for beside in ["::1:0:0", "::fffe:8.8.8.8", "::1:0:808:808", "64:ff9b::1:808:808", "64:ff9a::808:808"]
        {
            assert!(!public(beside), "{beside}");
        }
        assert!(public("2003::7f00:1") && !public("2002:7f00:1::"));
    }

    #[test]
    fn urls_are_those_of_the_web_without_credentials_and_fragment() {
        for (text, url) in [
            ("https://example.com", "https://example.com/"),
            ("http://Example.com:8080/Hooks?key=a%20b", "http://example.com:8080/Hooks?key=a%20b"),
            ("https://bücher.example/é", "https://xn--bcher-kva.example/%C3%A9"),
            ("https://@example.com/", "https://example.com/"),
            ("http://[2606:4700:4700::1111]/", "http://[2606:4700:4700::1111]/"),
            ("http://134744072/", "http://8.8.8.8/"),
            // It is looked up only when it is called.
            ("http://localhost/", "http://localhost/"),
        ] {
            assert_eq!(parse(text, false).map(String::from), Ok(url.to_owned()));
        }
        for (text, fault) in [
            ("", UrlFault::NoUrl),
            ("example.com", UrlFault::NoUrl),
            ("/hooks", UrlFault::NoUrl),
            ("http://", UrlFault::NoUrl),
            ("https://:443/", UrlFault::NoUrl),
            ("https://exa mple.com/", UrlFault::NoUrl),
            ("https://example.com:65536/", UrlFault::NoUrl),
            ("http://1.2.3.256/", UrlFault::NoUrl),
            ("http://[fe80::1%25eth0]/", UrlFault::NoUrl),
            ("ftp://example.com/", UrlFault::NoUrl),
            ("file:///etc/passwd", UrlFault::NoUrl),
            ("ws://example.com/", UrlFault::NoUrl),
            ("data:,x", UrlFault::NoUrl),
            ("https://ana@example.com/", UrlFault::Credentials),
            ("https://:pass@example.com/", UrlFault::Credentials),
            ("https://example.com/#", UrlFault::Fragment),
            ("https://example.com/#x", UrlFault::Fragment),
        ] {
            assert_eq!(parse(text, true), Err(fault), "{text}");
        }
    }

    #[test]
    fn an_address_for_a_host_is_judged_however_it_is_written() {
        for text in [
            "http://127.0.0.1/",
            "https://127.0.0.1:8443/x",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://127.1/",
            "http://0/",
            "http://127.0.0.1./",
            "http://127%2E0.0.1/",
            "http://１２７.0.0.1/",
            "http:\\\\127.0.0.1\\",
            "http:127.0.0.1",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[fd00::1]/",
        ] {
            assert_eq!(parse(text, false), Err(UrlFault::Private), "{text}");
            assert!(parse(text, true).is_ok_and(|url| names_private_address(&url)), "{text}");
        }
    }

    #[test]
    fn urls_have_at_most_2048_characters() {
        let url = |characters: usize, fill: &str| {
            let start = "https://example.com/";
            format!("{start}{}", fill.repeat(characters - start.len()))
        };
        assert!(parse(&url(2048, "x"), false).is_ok_and(|url| url.as_str().len() == 2048));
        assert_eq!(parse(&url(2049, "x"), false), Err(UrlFault::TooLong));
        // Each character becomes six.
        assert_eq!(parse(&url(2048, "é"), false), Err(UrlFault::TooLong));
        assert_eq!(parse(&" ".repeat(2049), false), Err(UrlFault::TooLong));
        assert_eq!(UrlFault::TooLong.to_string(), format!("must have at most {URL_MAX} characters"));
    }
}
