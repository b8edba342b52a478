//! Payment cards: issuer ranges (ISO/IEC 7812), lengths and Luhn.

use super::{checks, code::Cut, context::Told};

/// Words that speak for a card where its form alone is weak.
pub(super) const WORDS: &[&str] = &[
    "card",
    "visa",
    "maestro",
    "mastercard",
    "amex",
    "credit",
    "debit",
    "cc",
    "pan",
    "payment",
    "karte",
    "carte",
    "tarjeta",
];

/// How numbers of cards are grouped.
const SHAPES: &[&str] = &["4~4~4~4", "4~6~5", "4~6~4", "4~4~4~4~3", "4~4~4~1", "4~4~4", "4.4.4.4", "4/4/4/4"];

/// Whether the cut is a card's number.
pub(super) fn judge(cut: &Cut<'_>, context: &Told<'_>) -> bool {
    let text = cut.text;
    let single = cut.groups.len() == text.len() && cut.is_even();
    let written = cut.groups.len() == 1 || single || SHAPES.iter().any(|shape| cut.has_shape(shape));
    if !written || checks::is_uniform(text) || !checks::luhn(text) {
        return false;
    }
    match strength(text) {
        Strength::None => false,
        Strength::Strong => true,
        Strength::Weak => cut.groups.len() > 3 || context.get().says(WORDS),
    }
}

/// What length and issuer say.
enum Strength {
    None,
    /// Possible, but many other numbers look the same.
    Weak,
    Strong,
}

/// Judges the issuer's digits against the length.
fn strength(text: &[u8]) -> Strength {
    let prefix = |length| checks::part(text, 0, length).unwrap_or_default();
    let (one, two, three, four) = (prefix(1), prefix(2), prefix(3), prefix(4));
    let visa = one == 4;
    let mastercard = matches!(two, 51..=55) || matches!(four, 2221..=2720);
    let amex = matches!(two, 34 | 37);
    let diners = matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39);
    let jcb = matches!(four, 3528..=3589);
    let discover = four == 6011 || two == 65 || matches!(three, 644..=649);
    let unionpay = two == 62 || two == 81;
    let maestro = matches!(two, 50 | 56..=58 | 63 | 67) || four == 604;
    let mir = matches!(four, 2200..=2204);
    let rupay = matches!(two, 60 | 82) || three == 508;
    match text.len() {
        16 if visa || mastercard || jcb || discover || unionpay || mir || rupay || maestro => {
            Strength::Strong
        }
        16 if diners || two == 35 => Strength::Strong,
        15 if amex || matches!(four, 2131 | 1800) => Strength::Strong,
        14 if diners => Strength::Strong,
        17..=19 if two == 62 => Strength::Strong,
        17..=19 if visa && text.len() == 19 || unionpay || maestro || discover || jcb => Strength::Weak,
        13 if visa => Strength::Weak,
        12..=15 if maestro || four == 604 => Strength::Weak,
        _ => Strength::None,
    }
}
