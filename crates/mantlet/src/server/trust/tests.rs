//! Certificates of every wrong kind.
