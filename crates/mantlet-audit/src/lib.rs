//! The transparency log, and a verifier that shares no code with the writer.
