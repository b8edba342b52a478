//! Conditions of statements: operators, keys and values, as written. What they mean is the evaluator's and the
//! decision procedure's to say, each by itself.

use super::pattern::Pattern;
use crate::tree::Place;

/// One operator over one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Where the key stands.
    pub place: Place,
    /// The operator.
    pub operator: Operator,
    /// The key, lower-case: keys are compared so.
    pub key: String,
    /// What it is compared with.
    pub values: Vec<Pattern>,
}

/// An operator with its qualifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Over which of several values.
    pub quantifier: Option<Quantifier>,
    /// Holds where the key is absent.
    pub if_exists: bool,
    /// The comparison.
    pub test: Test,
    /// The comparison must not hold.
    pub negated: bool,
}

/// Over which of several values of a key a comparison is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// Each must satisfy it; none do so trivially.
    All,
    /// One must satisfy it.
    Any,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Whether the key is absent.
    Null,
    /// Equal texts.
    Text,
    /// Equal texts but for case.
    TextIgnoreCase,
    /// Texts by wildcards.
    TextLike,
    /// ARNs by wildcards, field by field.
    Arn,
    /// Numbers.
    Number(Order),
    /// Moments.
    Date(Order),
    /// `true` or `false`.
    Bool,
    /// Bytes in Base64.
    Binary,
    /// Addresses in networks.
    Address,
}

/// How two values of an ordered kind are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Equal.
    Equal,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
}

impl Order {
    /// Whether it holds between values that compare so.
    #[must_use]
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }
}

impl Operator {
    /// The operator of this name (AWS IAM, "IAM JSON policy elements: Condition operators"); case does not matter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (quantifier, rest) = match name.split_once(':') {
            Some(("forallvalues", rest)) => (Some(Quantifier::All), rest),
            Some(("foranyvalue", rest)) => (Some(Quantifier::Any), rest),
            Some(_) => return None,
            None => (None, name.as_str()),
        };
        let (if_exists, rest) = match rest.strip_suffix("ifexists") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (test, negated) = test(rest)?;
        // There is nothing that `Null` of several values or of an absent key could mean.
        if test == Test::Null && (if_exists || quantifier.is_some()) {
            return None;
        }
        Some(Self { quantifier, if_exists, test, negated })
    }

    /// Whether `*` and `?` of its values are wildcards.
    #[must_use]
    pub fn has_wildcards(self) -> bool {
        matches!(self.test, Test::TextLike | Test::Arn)
    }
}

fn test(name: &str) -> Option<(Test, bool)> {
    Some(match name {
        "null" => (Test::Null, false),
        "stringequals" => (Test::Text, false),
        "stringnotequals" => (Test::Text, true),
        "stringequalsignorecase" => (Test::TextIgnoreCase, false),
        "stringnotequalsignorecase" => (Test::TextIgnoreCase, true),
        "stringlike" => (Test::TextLike, false),
        "stringnotlike" => (Test::TextLike, true),
        "arnequals" | "arnlike" => (Test::Arn, false),
        "arnnotequals" | "arnnotlike" => (Test::Arn, true),
        "numericequals" => (Test::Number(Order::Equal), false),
        "numericnotequals" => (Test::Number(Order::Equal), true),
        "numericlessthan" => (Test::Number(Order::Less), false),
        "numericlessthanequals" => (Test::Number(Order::LessEqual), false),
        "numericgreaterthan" => (Test::Number(Order::Greater), false),
        "numericgreaterthanequals" => (Test::Number(Order::GreaterEqual), false),
        "dateequals" => (Test::Date(Order::Equal), false),
        "datenotequals" => (Test::Date(Order::Equal), true),
        "datelessthan" => (Test::Date(Order::Less), false),
        "datelessthanequals" => (Test::Date(Order::LessEqual), false),
        "dategreaterthan" => (Test::Date(Order::Greater), false),
        "dategreaterthanequals" => (Test::Date(Order::GreaterEqual), false),
        "bool" => (Test::Bool, false),
        "binaryequals" => (Test::Binary, false),
        "ipaddress" => (Test::Address, false),
        "notipaddress" => (Test::Address, true),
        _ => return None,
    })
}
