//! Networks against trying everything: all packets between chosen addresses. The oracle shares no code with what it judges.

#![expect(clippy::unwrap_used, reason = "whatever a test does not expect ends it")]

mod packets;
