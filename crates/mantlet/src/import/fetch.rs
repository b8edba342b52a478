//! Fetching one file over HTTPS, by the rules of [`crate::egress`]: the host that was named, no other unless it was named too.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use ipnet::IpNet;

use super::IMPORT_BYTES_MAX;
use crate::egress::{Destination, EgressError, Options, Outbound, Roots};

/// For finding the address, connecting and shaking hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// For all of a file: a gigabyte over a line of ten megabits a second.
const FETCH_TIMEOUT: Duration = Duration::from_secs(900);

/// Places on the way, the first included.
const HOPS_MAX: usize = 4;

/// What is allowed on the way.
#[derive(Debug, Default)]
pub struct Way {
    /// The authorities to trust; the system's if absent.
    pub ca: Option<Vec<u8>>,
    /// Networks beside the public internet that names may resolve to.
    pub networks: Vec<IpNet>,
    /// Hosts that may be redirected to, `HOST` or `HOST:PORT`.
    pub redirects: Vec<String>,
}

/// Why there is no file. A URL may be a secret, so none is repeated but for its host.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No URL that is fetched.
    #[error("not a URL that is fetched: `https://`, or `http://` on this machine, without user and fragment")]
    Url,
    /// No exchange.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Another answer than the file.
    #[error("`{host}` answered {status}")]
    Status {
        /// Who.
        host: String,
        /// What.
        status: u16,
    },
    /// Somewhere else, where nobody said that it may be.
    #[error("`{host}` redirects to `{to}`, which was not named")]
    Redirect {
        /// Who.
        host: String,
        /// To which host.
        to: String,
    },
    /// Round and round.
    #[error("there are more than {HOPS_MAX} places on the way")]
    Hops,
}

/// A URL taken apart: where to connect to, and what to ask for there.
fn split(url: &str) -> Result<(Destination, String, String), FetchError> {
    if url.contains('#') {
        return Err(FetchError::Url);
    }
    let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
    let (scheme, authority) =
        (uri.scheme_str().ok_or(FetchError::Url)?, uri.authority().ok_or(FetchError::Url)?);
    let destination = Destination::parse(&format!("{scheme}://{authority}")).map_err(|_| FetchError::Url)?;
    if !destination.is_secure() && !destination.is_loopback() {
        return Err(FetchError::Url);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok((destination, authority.to_string(), path))
}

fn outbound(destination: Destination, way: &Way) -> Result<Outbound, EgressError> {
    let options = Options {
        roots: way.ca.clone().map_or(Roots::System, Roots::Pem),
        identity: None,
        networks: way.networks.clone(),
        // Asked above: on this machine alone.
        plaintext: true,
        connect_timeout: CONNECT_TIMEOUT,
        reply_timeout: FETCH_TIMEOUT,
        reply_bytes_max: IMPORT_BYTES_MAX,
        idle_connections: 0,
    };
    Outbound::new(destination, options)
}

/// Fetches a file.
///
/// # Errors
/// If any place on the way is none that was named, or does not give the file, whole and in time.
pub async fn get(url: &str, way: &Way) -> Result<Bytes, FetchError> {
    let mut next = url.to_owned();
    for _ in 0..HOPS_MAX {
        let (destination, authority, path) = split(&next)?;
        let host = destination.host();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(&authority).map_err(|_| FetchError::Url)?);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let reply = outbound(destination, way)?.send(Method::GET, &path, headers, Bytes::new()).await?;
        let status = reply.status.as_u16();
        let location = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        next = match (status, location) {
            (200, _) => return Ok(reply.body),
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                let to = if location.starts_with('/') && !location.starts_with("//") {
                    format!(
                        "{}{location}",
                        next.get(..next.find(&authority).unwrap_or(0) + authority.len()).unwrap_or_default()
                    )
                } else {
                    location.to_owned()
                };
                let (_, named, _) = split(&to)?;
                if named != authority && !way.redirects.contains(&named) {
                    return Err(FetchError::Redirect { host, to: named });
                }
                to
            }
            _ => return Err(FetchError::Status { host, status }),
        };
    }
    Err(FetchError::Hops)
}

/// Puts bytes where a URL says, with headers that the place asks for.
///
/// # Errors
/// If the place is none that is connected to, or does not take them.
pub async fn put(
    url: &str,
    way: &Way,
    more: &[(&'static str, &'static str)],
    body: Bytes,
) -> Result<(), FetchError> {
    let (destination, authority, path) = split(url)?;
    let host = destination.host();
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(&authority).map_err(|_| FetchError::Url)?);
    for (name, value) in more {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    let reply = outbound(destination, way)?.send(Method::PUT, &path, headers, body).await?;
    match reply.status.as_u16() {
        200 | 201 | 204 => Ok(()),
        status => Err(FetchError::Status { host, status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_with_a_host_are_fetched_and_plain_ones_from_here_alone() {
        let (destination, authority, path) = split("https://example.com:8443/a%20b?x=1&y=2").unwrap();
        assert_eq!((destination.host().as_str(), destination.port()), ("example.com", 8443));
        assert_eq!((authority.as_str(), path.as_str()), ("example.com:8443", "/a%20b?x=1&y=2"));
        assert!(split("http://127.0.0.1:1/x").is_ok() && split("http://localhost/x").is_ok());
        for bad in [
            "http://example.com/x",
            "ftp://example.com/x",
            "file:///etc/passwd",
            "/x",
            "https://u:p@example.com/",
            "https://example.com/#x",
            "https://",
            "s3://models/x",
            "https://0x7f.1/",
            "http://169.254.169.254/latest",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
