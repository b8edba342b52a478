//! L0: texts as a reader sees them, and what they decode to, each with its place in the original.
