//! Where the process may connect to, as an operator wrote it.

use std::net::IpAddr;

use http::Uri;

/// One host and port, and the path under which everything is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    host: Host,
    port: u16,
    secure: bool,
    authority: String,
    base_path: String,
}

/// A host as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A name, to be resolved, and the resolution to be checked.
    Name(String),
    /// An address, which is what was meant.
    Address(IpAddr),
}

/// Why a URL is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// It is no URL, or none with a host.
    #[error("not a URL with a host")]
    NotAUrl,
    /// Another scheme.
    #[error("only `https://` and, where it is allowed, `http://`")]
    Scheme,
    /// A name or password before the host, or something behind the path.
    #[error("no user, password, query or fragment can be part of it")]
    Extra,
    /// A path with empty or dotted segments.
    #[error("its path must not have empty segments, `.` or `..`")]
    Path,
}

impl Destination {
    /// Reads `https://host[:port][/base]`, or the same with `http://`.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(url: &str) -> Result<Self, DestinationError> {
        // The parser of URIs passes over a fragment in silence.
        if url.contains(['#', '?']) {
            return Err(DestinationError::Extra);
        }
        let uri: Uri = url.parse().map_err(|_| DestinationError::NotAUrl)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(DestinationError::Scheme),
            None => return Err(DestinationError::NotAUrl),
        };
        let authority = uri.authority().ok_or(DestinationError::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(DestinationError::Extra);
        }
        let host = host(authority.host()).ok_or(DestinationError::NotAUrl)?;
        // A port that is no number would otherwise become the default one.
        let written = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !written => {
                if secure {
                    443
                } else {
                    80
                }
            }
            _ => return Err(DestinationError::NotAUrl),
        };
        let base_path = uri.path().trim_end_matches('/').to_owned();
        let odd = |segment: &str| matches!(segment, "" | "." | "..");
        if base_path.split('/').skip(1).any(odd) || base_path.contains('%') {
            return Err(DestinationError::Path);
        }
        Ok(Self { host, port, secure, authority: authority.as_str().to_owned(), base_path })
    }

    /// The path under which everything is asked for: empty, or with a slash before it and none behind.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// The host as it was written, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it can only be this very machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => is_localhost(name),
            Host::Address(address) => address.is_loopback(),
        }
    }

    pub(super) fn place(&self) -> &Host {
        &self.host
    }

    /// The URI of a path below the destination's own.
    pub(super) fn uri(&self, path: &str) -> Option<Uri> {
        let whole = path.starts_with('/').then(|| format!("{}{path}", self.base_path))?;
        let scheme = if self.secure { "https" } else { "http" };
        Uri::builder().scheme(scheme).authority(self.authority.as_str()).path_and_query(whole).build().ok()
    }
}

/// The one name that means an address by itself (RFC 6761).
pub(super) fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

fn host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']')?.parse().ok().map(|address| Host::Address(IpAddr::V6(address)));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Host::Address(address));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    // `2130706433`, `0x7f.1` and their like are addresses to some resolvers: a name's last label is no number.
    let numeric = |label: &str| {
        label.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
            && label.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'))
    };
    let named =
        name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_none_or(numeric);
    named.then(|| Host::Name(text.to_owned()))
}
