//! L1: attacks by their words: hashed n-grams over windows, phrase families, reserved tokens, gibberish.
