//! What redaction knows by name.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares [`Kind`] with its names, so that a kind cannot be without one.
macro_rules! kinds {
    ($($variant:ident $name:literal $label:literal $doc:literal;)*) => {
        /// What kind of personal datum or secret a piece of text is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = $doc] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The kind's name for machines, in snake case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What stands in the place of a piece of this kind.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => concat!("[", $label, "]")),* }
            }

            /// The label without its brackets, as pseudonyms use it.
            #[must_use]
            pub const fn noun(self) -> &'static str {
                match self { $(Self::$variant => $label),* }
            }
        }
    };
}

kinds! {
    Email "email" "EMAIL" "An e-mail address.";
    Phone "phone" "PHONE" "A telephone number.";
    Card "card" "CARD" "The number of a payment card.";
    Iban "iban" "IBAN" "An international bank account number.";
    BankAccount "bank_account" "BANK_ACCOUNT" "A national account or routing number.";
    NationalId "national_id" "NATIONAL_ID" "A number by which a state knows a person or a firm.";
    Passport "passport" "PASSPORT" "The number of a passport or driving license.";
    BirthDate "birth_date" "BIRTH_DATE" "A date of birth.";
    Ip "ip" "IP" "An IPv4 or IPv6 address.";
    Mac "mac" "MAC" "The hardware address of a network card.";
    CryptoAddress "crypto_address" "CRYPTO_ADDRESS" "An address of a cryptocurrency.";
    ApiKey "api_key" "API_KEY" "A key or token of a service.";
    Jwt "jwt" "JWT" "A JSON Web Token.";
    PrivateKey "private_key" "PRIVATE_KEY" "A private key, from its header to its footer.";
    ConnectionString "connection_string" "CONNECTION_STRING" "An address with a password in it.";
    Password "password" "PASSWORD" "What follows the word password, token or key.";
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

/// There is no kind of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no kind of that name")]
pub struct UnknownKind;

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// Every kind.
    pub const STRUCTURED: Self = Self((1 << Kind::ALL.len()) - 1);

    /// The set and one kind more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// The set without a kind.
    #[must_use]
    pub const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    /// Whether a kind is in the set.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}
