//! What connections and requests may take: places, bytes and time, as the configuration says.

use std::time::Duration;

use mantlet_types::limits;

/// Bounds that hold from the start of the server to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most connections of clients at a time.
    pub connections_max: usize,
    /// Longest body of a question, as received and after decompression. At most [`limits::BODY_BYTES_MAX`], which
    /// decoders count on.
    pub body_bytes_max: usize,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// For a request's headers.
    pub header_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// For requests under way when the server is told to stop.
    pub drain_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            body_bytes_max: limits::BODY_BYTES_MAX,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            body_timeout: limits::BODY_TIMEOUT,
            drain_timeout: limits::DRAIN_TIMEOUT,
        }
    }
}
