//! What is known by the words before it: documents, accounts and dates of birth.

use super::{
    checks::{is_birth, is_short_date, part},
    code::Cut,
    context::Told,
    kind::Kind,
};

/// Words before the number of a passport or driving license.
pub(super) const PASSPORT: &[&str] = &[
    "passport",
    "passport no",
    "reisepass",
    "passnummer",
    "passeport",
    "pasaporte",
    "passaporto",
    "paspoort",
    "driver's license",
    "drivers license",
    "driver license",
    "driving licence",
    "driving license",
    "dl number",
    "licence number",
    "license number",
    "führerschein",
    "permis de conduire",
    "护照",
    "パスポート",
];

/// Words before a date of birth.
pub(super) const BORN: &[&str] = &[
    "born",
    "dob",
    "d.o.b",
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "geboren",
    "geburtsdatum",
    "né le",
    "née le",
    "date de naissance",
    "nacido",
    "nacida",
    "fecha de nacimiento",
    "nato il",
    "nata il",
    "data di nascita",
    "data de nascimento",
    "geboortedatum",
    "geboren op",
    "urodzony",
    "född",
    "出生日期",
    "生年月日",
    "생년월일",
];

/// Words before the number of an account.
pub(super) const ACCOUNT: &[&str] = &[
    "account number",
    "account no",
    "account #",
    "acct",
    "acct no",
    "bank account",
    "kontonummer",
    "account",
];

/// Documents by the words before them: at least five digits among six to twelve characters.
pub(super) fn judge(cut: &Cut<'_>, context: &Told<'_>) -> Option<Kind> {
    if is_written_date(cut) && context.get().says(BORN) {
        return Some(Kind::BirthDate);
    }
    let digits = cut.text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let length = cut.text.len();
    if cut.groups.len() > 4 || digits < 5 || !(6..=17).contains(&length) {
        return None;
    }
    let letters = length - digits;
    if length <= 15 && letters <= 4 && cut.groups.len() <= 4 && context.get().says(PASSPORT) {
        return Some(Kind::Passport);
    }
    (letters == 0 && length >= 7 && context.get().says(ACCOUNT)).then_some(Kind::BankAccount)
}

/// Whether the groups are a date in digits: year first, or day and month in either order.
fn is_written_date(cut: &Cut<'_>) -> bool {
    let text = cut.text;
    let [a, b, c] = [cut.length(0), cut.length(1), cut.length(2)];
    let value = |start, end| part(text, start, end).unwrap_or_default();
    if cut.groups.len() != 3 || !cut.is_even() || !cut.is_number() {
        return false;
    }
    let (first, second, third) = (value(0, a), value(a, a + b), value(a + b, a + b + c));
    match (a, b, c) {
        (4, 1 | 2, 1 | 2) => is_birth(first, second, third),
        (1 | 2, 1 | 2, 4) => is_birth(third, second, first) || is_birth(third, first, second),
        (2, 2, 2) => {
            is_short_date(third, second, first)
                || is_short_date(third, first, second)
                || is_short_date(first, second, third)
        }
        _ => false,
    }
}
