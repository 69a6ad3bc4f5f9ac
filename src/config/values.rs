//! Types and parsers of settings that are neither numbers nor durations.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use ipnet::{IpNet, Ipv4Net};
use url::Url;

/// A setting that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Enabled.
    On,
    /// Disabled.
    Off,
}

impl Switch {
    /// Return whether the setting is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// The error of a setting that names something unusable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that a `…_FILE` setting names cannot be read.
    #[error("cannot read {path}, which {setting} names: {source}")]
    SecretFile {
        /// The name of the setting.
        setting: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The cause of the failure.
        source: std::io::Error,
    },
}

/// Return a secret, from the setting itself or from the file that another setting names. Line breaks at the end of the file are
/// removed.
pub(super) fn secret(
    setting: &'static str,
    value: Option<&String>,
    file: Option<&PathBuf>,
) -> Result<Option<String>, ConfigError> {
    match (value, file) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(path)) => std::fs::read_to_string(path)
            .map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned()))
            .map_err(|source| ConfigError::SecretFile { setting, path: path.clone(), source }),
        (None, None) => Ok(None),
    }
}

/// Parse a base URL: an `http` or `https` URL without query and fragment. A slash at its end is ignored.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim_end_matches('/')).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.has_host() && url.query().is_none() && url.fragment().is_none() => Ok(url),
        _ => Err("must be an http or https URL without a query".into()),
    }
}

/// Parse an origin as browsers send it in `Origin`: scheme, host and port, without a path. `*` is allowed, too.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let is_origin =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
    if text == "*" || Url::parse(text).is_ok_and(|url| is_origin(&url)) {
        Ok(text.to_owned())
    } else {
        Err("must be * or an origin such as https://app.example, without a slash at the end".into())
    }
}

/// Parse a network, or an address, which becomes a network of that address alone. An IPv4-mapped IPv6 address becomes an IPv4
/// address, as peers' addresses do.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => {
            text.parse().map_err(|_| "must be an IP address, or a network such as 10.0.0.0/8".to_owned())?
        }
    };
    let mapped = |network: &IpNet| match network {
        IpNet::V6(v6) => {
            let length = v6.prefix_len().checked_sub(96)?;
            Ipv4Net::new(v6.network().to_ipv4_mapped()?, length).ok()
        }
        IpNet::V4(_) => None,
    };
    Ok(mapped(&network).map_or(network, IpNet::V4))
}
