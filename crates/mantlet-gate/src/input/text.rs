//! Cleaning of text inputs.
