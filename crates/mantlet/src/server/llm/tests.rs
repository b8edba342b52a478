//! Requests and answers of the protocol.
