//! A value that must not be shown: a key of somebody else's service.

use std::fmt;

use zeroize::Zeroizing;

use crate::limits::SECRET_BYTES_MAX;

/// A secret's bytes. They are overwritten when it is dropped, and nothing prints, writes or compares them by accident:
/// there is no `Debug`, `Display`, `Serialize`, `Clone` or `PartialEq`. It is shared by an `Arc`.
///
/// ```compile_fail
/// fn shown(secret: &mantlet_types::Secret) -> String { format!("{secret:?}") }
/// ```
///
/// ```compile_fail
/// fn shown(secret: &mantlet_types::Secret) -> String { secret.to_string() }
/// ```
///
/// ```compile_fail
/// fn written(secret: mantlet_types::Secret) { fn take(_: impl serde::Serialize) {} take(secret) }
/// ```
///
/// ```compile_fail
/// fn doubled(secret: &mantlet_types::Secret) -> mantlet_types::Secret { secret.clone() }
/// ```
pub struct Secret(Zeroizing<Box<[u8]>>);

/// Why bytes are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretValueError {
    /// None.
    #[error("the secret is empty")]
    Empty,
    /// Too many.
    #[error("the secret has more than {SECRET_BYTES_MAX} bytes")]
    TooLong,
}

impl Secret {
    /// Takes the bytes over; the vector that they came in is overwritten.
    ///
    /// # Errors
    /// If there are none, or more than [`SECRET_BYTES_MAX`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretValueError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(SecretValueError::Empty),
            length if length > SECRET_BYTES_MAX => Err(SecretValueError::TooLong),
            _ => Ok(Self(Zeroizing::new(bytes.as_slice().into()))),
        }
    }

    /// As [`Secret::new`], without the line end that editors and `echo` put behind a value.
    ///
    /// # Errors
    /// As there.
    pub fn of_line(bytes: Vec<u8>) -> Result<Self, SecretValueError> {
        let bytes = Zeroizing::new(bytes);
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::new(line.to_vec())
    }

    /// The bytes, for whoever hands them to where they belong.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are text in UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether two secrets are the same, in a time that tells only their lengths.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(other.0.iter()).fold(0, |sum, (one, two)| sum | (one ^ two));
        self.0.len() == other.0.len() && std::hint::black_box(differing) == 0
    }
}

/// A type that holds a secret and derives `Debug` shows this.
#[derive(Clone, Copy)]
pub struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_is_no_part_of_a_secret() {
        for (given, kept) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a")]
        {
            let secret = Secret::of_line(given.into()).ok().unwrap();
            assert_eq!(secret.expose_str(), Some(kept), "{given:?}");
        }
        assert_eq!(Secret::of_line(b"\n".to_vec()).err(), Some(SecretValueError::Empty));
        assert_eq!(Secret::new(vec![0; SECRET_BYTES_MAX + 1]).err(), Some(SecretValueError::TooLong));
    }

    #[test]
    fn sameness_is_of_all_bytes() {
        let secret = |text: &str| Secret::new(text.into()).ok().unwrap();
        assert!(secret("abc").is(&secret("abc")));
        for other in ["abd", "ab", "abcd", "Abc"] {
            assert!(!secret("abc").is(&secret(other)));
        }
    }
}
