//! Kinds of values: addresses, numbers, words, paths, networks, names. Each notes an error at its place and goes on
//! with a value that nobody will see.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
};

use ipnet::IpNet;
use mantlet_gate::perimeter::{self, NetworkError};

use super::{
    error::ConfigError,
    file::{Given, Source},
    nearest::nearest,
    resolve::{LISTEN_DEFAULT, Resolver},
};

impl Resolver<'_> {
    pub(super) fn fail(&mut self, source: &Source, message: impl Into<String>, hint: impl Into<String>) {
        let error = match source {
            Source::File(span) => ConfigError::new(message).at(span.clone()).within(&self.file.text),
            Source::Env(name) => ConfigError::new(format!("`{name}`: {}", message.into())),
            Source::Flag(name) => ConfigError::new(format!("`{name}`: {}", message.into())),
        };
        self.errors.push(error.hint(hint));
    }

    pub(super) fn address(&mut self, key: &str, typed: &Given<String>) -> SocketAddr {
        typed.value.parse().unwrap_or_else(|_| {
            let hint = "write an address and a port: `127.0.0.1:8443`, `[::1]:8443`";
            self.fail(&typed.source, format!("`{key}` is not an address"), hint);
            LISTEN_DEFAULT
        })
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        typed: Option<&Given<i64>>,
        default: i64,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let value = typed.map_or(default, |typed| typed.value);
        match u32::try_from(value) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                if let Some(typed) = typed {
                    let hint = format!("a whole number from {} to {}", range.start(), range.end());
                    self.fail(&typed.source, format!("`{key}` is out of range"), hint);
                }
                *range.start()
            }
        }
    }

    pub(super) fn size(
        &mut self,
        key: &str,
        typed: Option<&Given<i64>>,
        default: usize,
        range: RangeInclusive<u32>,
    ) -> usize {
        let default = i64::try_from(default).unwrap_or(i64::MAX);
        usize::try_from(self.number(key, typed, default, range)).unwrap_or(usize::MAX)
    }

    pub(super) fn word<T: Copy>(
        &mut self,
        key: &str,
        typed: Option<&Given<String>>,
        words: &[&str],
        parse: fn(&str) -> Option<T>,
        default: T,
    ) -> T {
        let Some(typed) = typed else { return default };
        parse(&typed.value).unwrap_or_else(|| {
            let hint = match nearest(&typed.value, words.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of `{}`", words.join("`, `")),
            };
            self.fail(&typed.source, format!("`{key}` has no such choice"), hint);
            default
        })
    }

    pub(super) fn path(&mut self, key: &str, typed: &Given<String>) -> PathBuf {
        let path = PathBuf::from(&typed.value);
        if !path.is_absolute() {
            let hint = "write the whole path: a server does not know where it will be started";
            self.fail(&typed.source, format!("`{key}` is not an absolute path"), hint);
        }
        path
    }

    pub(super) fn networks(&mut self, key: &str, typed: &[Given<String>]) -> Vec<IpNet> {
        let mut networks = Vec::with_capacity(typed.len());
        for network in typed {
            match perimeter::parse_network(&network.value) {
                Ok(parsed) => networks.push(parsed),
                Err(NetworkError::HostBits(meant)) => {
                    let address = network.value.split('/').next().unwrap_or_default();
                    let hint = format!("`{meant}`, or `{address}` for the address alone");
                    self.fail(&network.source, format!("`{key}` has an address inside a network"), hint);
                }
                Err(NetworkError::Form) => {
                    let hint = "write networks such as `10.0.0.0/8`, `2001:db8::/32` or single addresses";
                    self.fail(&network.source, format!("`{key}` has something that is no network"), hint);
                }
            }
        }
        networks
    }

    pub(super) fn proxies(&mut self, typed: &[Given<String>]) -> Vec<IpNet> {
        for network in typed {
            if network.value.parse::<IpNet>().is_ok_and(|network| network.prefix_len() == 0) {
                let hint = "name the proxies' own addresses";
                self.fail(&network.source, "everybody could choose the address to be seen as", hint);
            }
        }
        self.networks("server.trusted_proxies", typed)
    }

    pub(super) fn host_names(&mut self, typed: &[Given<String>]) -> Vec<String> {
        for name in typed {
            if !is_host_name(&name.value) {
                let hint = "names such as `gate.example.com`, or addresses";
                self.fail(&name.source, "`server.names` has something that is no host name", hint);
            }
        }
        typed.iter().map(|name| name.value.clone()).collect()
    }
}

/// Whether clients may call a server by this: a host name (RFC 1123, section 2.1) or an address.
#[must_use]
pub fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    (text.len() <= 253 && text.split('.').all(label)) || text.parse::<IpAddr>().is_ok()
}
