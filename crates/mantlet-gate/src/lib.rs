//! The request path and every check on it. No HTTP, no disk, no model runtime.
