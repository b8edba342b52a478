//! The checks of national numbers of digits alone. Each takes as many digits as its table says.

use crate::output::redact::checks::{
    is_birth, is_date, is_short_date, is_uniform, luhn, mod_11_2, mod_11_10, mod_97, number, part, verhoeff,
    weighted,
};

fn digit(text: &[u8], index: usize) -> i32 {
    text.get(index).map_or(-1, |byte| i32::from(*byte) - i32::from(b'0'))
}

/// Year of two digits, month and day at the start.
fn ymd(text: &[u8]) -> Option<(u32, u32, u32)> {
    Some((part(text, 0, 2)?, part(text, 2, 4)?, part(text, 4, 6)?))
}

/// US Social Security number: no area 000, 666 or from 900, no group 00, no serial 0000 (SSA, POMS RM 10201).
pub(super) fn us_ssn(text: &[u8]) -> bool {
    let (area, group, serial) = (part(text, 0, 3), part(text, 3, 5), part(text, 5, 9));
    area.is_some_and(|area| area != 0 && area != 666 && area < 900) && group != Some(0) && serial != Some(0)
}

/// US Individual Taxpayer Identification Number: area from 900, groups 50–65, 70–88, 90–92, 94–99 (IRS, Publication 1915).
pub(super) fn us_itin(text: &[u8]) -> bool {
    part(text, 0, 3).is_some_and(|area| area >= 900)
        && part(text, 3, 5).is_some_and(|group| matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99))
}

/// US Employer Identification Number: a prefix that the IRS assigns.
pub(super) fn us_ein(text: &[u8]) -> bool {
    part(text, 0, 2).is_some_and(
        |prefix| !matches!(prefix, 0 | 7..=9 | 17..=19 | 28..=29 | 49 | 69..=70 | 78..=79 | 89 | 96..=97),
    )
}

/// Routing number of the American Bankers Association: weights 3, 7, 1 and a district of the Federal Reserve.
pub(super) fn us_routing(text: &[u8]) -> bool {
    let district = part(text, 0, 2).is_some_and(|prefix| matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80));
    district
        && !is_uniform(text)
        && weighted(text, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_some_and(|sum| sum % 10 == 0)
}

/// Canadian Social Insurance Number: Luhn; none begins with 0 or 8.
pub(super) fn ca_sin(text: &[u8]) -> bool {
    !matches!(text.first(), Some(b'0' | b'8')) && luhn(text)
}

/// Australian Tax File Number of 8 or 9 digits (weights of the ATO, modulus 11).
pub(super) fn au_tfn(text: &[u8]) -> bool {
    let weights: &[i32] =
        if text.len() == 8 { &[10, 7, 8, 4, 6, 3, 5, 1] } else { &[1, 4, 3, 7, 5, 8, 6, 9, 10] };
    !is_uniform(text) && weighted(text, weights).is_some_and(|sum| sum % 11 == 0)
}

/// Australian Company Number.
pub(super) fn au_acn(text: &[u8]) -> bool {
    weighted(text, &[8, 7, 6, 5, 4, 3, 2, 1]).is_some_and(|sum| (10 - sum % 10) % 10 == digit(text, 8))
}

/// Australian Business Number: one less in the first digit, weights 10, 1, 3, …, modulus 89.
pub(super) fn au_abn(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| *byte != b'0')
        && weighted(text, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_some_and(|sum| (sum - 10) % 89 == 0)
}

/// Australian Medicare number: first digit 2–6, weights 1, 3, 7, 9, then the issue.
pub(super) fn au_medicare(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'2'..=b'6'))
        && weighted(text, &[1, 3, 7, 9, 1, 3, 7, 9]).is_some_and(|sum| sum % 10 == digit(text, 8))
        && digit(text, 9) != 0
}

/// Dutch burgerservicenummer: the test of eleven, with −1 for the last digit.
pub(super) fn nl_bsn(text: &[u8]) -> bool {
    !is_uniform(text) && weighted(text, &[9, 8, 7, 6, 5, 4, 3, 2, -1]).is_some_and(|sum| sum % 11 == 0)
}

/// Portuguese NIF: weights 9 to 2, modulus 11.
pub(super) fn pt_nif(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'1'..=b'3' | b'5'..=b'9'))
        && weighted(text, &[9, 8, 7, 6, 5, 4, 3, 2])
            .is_some_and(|sum| (11 - sum % 11) % 11 % 10 == digit(text, 8))
}

/// Israeli identity number: Luhn over nine digits.
pub(super) fn il_id(text: &[u8]) -> bool {
    !is_uniform(text) && luhn(text)
}

/// Czech and Slovak birth numbers of nine digits, without a check, up to 1953.
pub(super) fn cz_old(text: &[u8]) -> bool {
    czech_date(text).is_some_and(|(year, month, day)| year < 54 && is_date(1900 + year, month, day))
}

/// Czech and Slovak birth numbers: divisible by 11, or the first nine digits leave ten and the last is 0.
pub(super) fn cz_birth(text: &[u8]) -> bool {
    let Some((year, month, day)) = czech_date(text) else { return false };
    let year = if year >= 54 { 1900 + year } else { 2000 + year };
    let (Some(all), Some(nine)) = (number(text), text.get(..9).and_then(number)) else { return false };
    is_date(year, month, day) && (all % 11 == 0 || nine % 11 == 10 && all % 10 == 0)
}

/// The date of a Czech birth number: women have 50 added to the month, and 20 when a day's numbers ran out.
fn czech_date(text: &[u8]) -> Option<(u32, u32, u32)> {
    let (year, month, day) = ymd(text)?;
    let month = month % 50;
    Some((year, if month > 20 { month - 20 } else { month }, day))
}

/// British NHS number, and the Scottish CHI: weights 10 to 2, modulus 11.
pub(super) fn uk_nhs(text: &[u8]) -> bool {
    !is_uniform(text)
        && weighted(text, &[10, 9, 8, 7, 6, 5, 4, 3, 2])
            .is_some_and(|sum| (11 - sum % 11) % 11 == digit(text, 9))
}

/// Swedish personnummer of ten digits: a date (day + 60 for coordination numbers) and Luhn.
pub(super) fn se_personnummer(text: &[u8]) -> bool {
    ymd(text)
        .is_some_and(|(year, month, day)| is_short_date(year, month, if day > 60 { day - 60 } else { day }))
        && luhn(text)
}

/// Swedish personnummer with the century.
pub(super) fn se_personnummer_long(text: &[u8]) -> bool {
    let (Some(year), Some(month), Some(day)) = (part(text, 0, 4), part(text, 4, 6), part(text, 6, 8)) else {
        return false;
    };
    is_birth(year, month, if day > 60 { day - 60 } else { day }) && text.get(2..).is_some_and(luhn)
}

/// Danish CPR: a date. Its check was given up in 2007.
pub(super) fn dk_cpr(text: &[u8]) -> bool {
    dmy(text).is_some_and(|(year, month, day)| is_short_date(year, month, day))
}

/// Day, month and year of two digits at the start.
fn dmy(text: &[u8]) -> Option<(u32, u32, u32)> {
    Some((part(text, 4, 6)?, part(text, 2, 4)?, part(text, 0, 2)?))
}

/// Bulgarian EGN: a date (month + 20 before 1900, + 40 from 2000) and a weighted sum.
pub(super) fn bg_egn(text: &[u8]) -> bool {
    let Some((year, month, day)) = ymd(text) else { return false };
    let (year, month) = match month {
        41.. => (2000 + year, month - 40),
        21.. => (1800 + year, month - 20),
        _ => (1900 + year, month),
    };
    is_date(year, month, day)
        && weighted(text, &[2, 4, 8, 5, 10, 9, 7, 3, 6]).is_some_and(|sum| sum % 11 % 10 == digit(text, 9))
}

/// Austrian social insurance number: the fourth digit checks the others; then day, month and year.
pub(super) fn at_svnr(text: &[u8]) -> bool {
    let birth = || Some((part(text, 8, 10)?, part(text, 6, 8)?, part(text, 4, 6)?));
    birth().is_some_and(|(year, month, day)| is_short_date(year, month, day))
        && text.first() != Some(&b'0')
        && weighted(text, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]).is_some_and(|sum| sum % 11 == digit(text, 3))
}

/// Polish tax number: weights 6, 5, 7, 2, 3, 4, 5, 6, 7, modulus 11.
pub(super) fn pl_nip(text: &[u8]) -> bool {
    !is_uniform(text)
        && weighted(text, &[6, 5, 7, 2, 3, 4, 5, 6, 7]).is_some_and(|sum| sum % 11 == digit(text, 9))
}

/// Icelandic kennitala: a date and a weighted sum; the last digit is the century.
pub(super) fn is_kennitala(text: &[u8]) -> bool {
    let Some((year, month, day)) = dmy(text) else { return false };
    let day = if day > 40 { day - 40 } else { day };
    let century = match text.get(9) {
        Some(b'8') => 1800,
        Some(b'9') => 1900,
        Some(b'0') => 2000,
        _ => return false,
    };
    is_date(century + year, month, day)
        && weighted(text, &[3, 2, 7, 6, 5, 4, 3, 2]).is_some_and(|sum| (11 - sum % 11) % 11 == digit(text, 8))
}

/// German tax identification number: among the first ten digits one stands twice or thrice and no other does; MOD 11,10.
pub(super) fn de_steuer_id(text: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for byte in text.iter().take(10).filter(|byte| byte.is_ascii_digit()) {
        counts[usize::from(byte - b'0')] += 1;
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let most = counts.iter().max().copied().unwrap_or_default();
    text.first() != Some(&b'0') && repeated == 1 && most <= 3 && mod_11_10(text)
}

/// Belgian national number and bis number: 97 less the remainder of the rest, with a 2 before it from 2000 on.
pub(super) fn be_nn(text: &[u8]) -> bool {
    let (Some((year, month, day)), Some(rest), Some(check)) =
        (ymd(text), text.get(..9).and_then(number), text.get(9..).and_then(number))
    else {
        return false;
    };
    let month = month % 20;
    // Unknown days and months are 0.
    let dated = is_short_date(year, month, day) || month == 0 || day == 0;
    let sound = |rest: u64| 97 - rest % 97 == check;
    dated && month <= 12 && day <= 31 && (sound(rest) || sound(rest + 2_000_000_000))
}

/// Polish PESEL: a date with the century in the month, weights 1, 3, 7, 9.
pub(super) fn pl_pesel(text: &[u8]) -> bool {
    let Some((year, month, day)) = ymd(text) else { return false };
    let (century, month) = match month {
        81..=92 => (1800, month - 80),
        41..=60 => return false,
        21..=32 => (2000, month - 20),
        1..=12 => (1900, month),
        _ => return false,
    };
    is_date(century + year, month, day)
        && weighted(text, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3])
            .is_some_and(|sum| (10 - sum % 10) % 10 == digit(text, 10))
}

/// Norwegian fødselsnummer and D-number: a date and two check digits.
pub(super) fn no_fnr(text: &[u8]) -> bool {
    let Some((year, month, day)) = dmy(text) else { return false };
    let day = if day > 40 { day - 40 } else { day };
    let month = if month > 40 { month - 40 } else { month };
    is_short_date(year, month, day)
        && weighted(text, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_some_and(|sum| sum % 11 == 0)
        && weighted(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_some_and(|sum| sum % 11 == 0)
}

/// Brazilian CPF: two check digits by modulus 11.
pub(super) fn br_cpf(text: &[u8]) -> bool {
    let check = |weights: &[i32]| weighted(text, weights).map(|sum| sum * 10 % 11 % 10);
    !is_uniform(text)
        && check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]) == Some(digit(text, 9))
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == Some(digit(text, 10))
}

/// Brazilian CNPJ: two check digits by modulus 11.
pub(super) fn br_cnpj(text: &[u8]) -> bool {
    let check = |weights: &[i32]| weighted(text, weights).map(|sum| sum * 10 % 11 % 10);
    !is_uniform(text)
        && check(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == Some(digit(text, 12))
        && check(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]) == Some(digit(text, 13))
}

/// Estonian and Lithuanian personal codes: century, date, and one of two weighted sums.
pub(super) fn ee_isikukood(text: &[u8]) -> bool {
    let (Some(year), Some(month), Some(day)) = (part(text, 1, 3), part(text, 3, 5), part(text, 5, 7)) else {
        return false;
    };
    let century = match text.first() {
        Some(b'1' | b'2') => 1800,
        Some(b'3' | b'4') => 1900,
        Some(b'5' | b'6') => 2000,
        _ => return false,
    };
    let check = |weights: &[i32]| weighted(text, weights).map(|sum| sum % 11);
    let check = match check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) {
        Some(10) => check(&[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]).map(|check| check % 10),
        check => check,
    };
    is_date(century + year, month, day) && check == Some(digit(text, 10))
}

/// Turkish identity number: two check digits.
pub(super) fn tr_tckn(text: &[u8]) -> bool {
    let (Some(odd), Some(even)) =
        (weighted(text, &[1, 0, 1, 0, 1, 0, 1, 0, 1]), weighted(text, &[0, 1, 0, 1, 0, 1, 0, 1]))
    else {
        return false;
    };
    text.first() != Some(&b'0')
        && (odd * 7 - even).rem_euclid(10) == digit(text, 9)
        && (odd + even + digit(text, 9)) % 10 == digit(text, 10)
}

/// Argentine CUIT: a type and modulus 11.
pub(super) fn ar_cuit(text: &[u8]) -> bool {
    let known =
        part(text, 0, 2).is_some_and(|kind| matches!(kind, 20 | 23 | 24 | 27 | 30 | 33 | 34 | 50 | 51 | 55));
    known
        && weighted(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]).is_some_and(|sum| match 11 - sum % 11 {
            11 => digit(text, 10) == 0,
            10 => digit(text, 10) == 9,
            check => digit(text, 10) == check,
        })
}

/// Greek AMKA: a date and Luhn.
pub(super) fn gr_amka(text: &[u8]) -> bool {
    dmy(text).is_some_and(|(year, month, day)| is_short_date(year, month, day)) && luhn(text)
}

/// Croatian OIB: MOD 11,10.
pub(super) fn hr_oib(text: &[u8]) -> bool {
    !is_uniform(text) && mod_11_10(text)
}

/// Latvian personal code: from 2017 on it begins with 32 and has no check; before, a date and a weighted sum.
pub(super) fn lv_code(text: &[u8]) -> bool {
    if text.starts_with(b"32") {
        return true;
    }
    let birth = || Some((part(text, 4, 6)?, part(text, 2, 4)?, part(text, 0, 2)?));
    birth().is_some_and(|(year, month, day)| is_short_date(year, month, day))
        && weighted(text, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])
            .is_some_and(|sum| (1 + sum) % 11 % 10 == digit(text, 10))
}

/// Indian Aadhaar: Verhoeff; none begins with 0 or 1 or reads the same backwards.
pub(super) fn in_aadhaar(text: &[u8]) -> bool {
    let palindrome = text.iter().eq(text.iter().rev());
    !matches!(text.first(), Some(b'0' | b'1')) && !palindrome && verhoeff(text)
}

/// Japanese My Number: weights 6 to 2, 7 to 2, modulus 11.
pub(super) fn jp_my_number(text: &[u8]) -> bool {
    !is_uniform(text)
        && weighted(text, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])
            .is_some_and(|sum| (11 - sum % 11) % 11 % 10 == digit(text, 11))
}

/// Malaysian NRIC: a date and a place of birth.
pub(super) fn my_nric(text: &[u8]) -> bool {
    ymd(text).is_some_and(|(year, month, day)| is_short_date(year, month, day))
        && part(text, 6, 8)
            .is_some_and(|place| !matches!(place, 0 | 17..=20 | 69..=70 | 73 | 80..=81 | 94..=97))
}

/// South Korean resident registration number: a date, the century in the seventh digit, and a weighted sum.
pub(super) fn kr_rrn(text: &[u8]) -> bool {
    kr_rrn_unchecked(text)
        && weighted(text, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])
            .is_some_and(|sum| (11 - sum % 11) % 10 == digit(text, 12))
}

/// The same without the sum, which numbers given out since October 2020 have not.
pub(super) fn kr_rrn_unchecked(text: &[u8]) -> bool {
    let century = match text.get(6) {
        Some(b'1' | b'2' | b'5' | b'6') => 1900,
        Some(b'3' | b'4' | b'7' | b'8') => 2000,
        Some(b'9' | b'0') => 1800,
        _ => return false,
    };
    ymd(text).is_some_and(|(year, month, day)| is_birth(century + year, month, day))
}

/// Romanian CNP: sex and century, a date, and a weighted sum.
pub(super) fn ro_cnp(text: &[u8]) -> bool {
    let (Some(year), Some(month), Some(day)) = (part(text, 1, 3), part(text, 3, 5), part(text, 5, 7)) else {
        return false;
    };
    text.first() != Some(&b'0')
        && is_short_date(year, month, day)
        && weighted(text, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]).is_some_and(|sum| match sum % 11 {
            10 => digit(text, 12) == 1,
            check => digit(text, 12) == check,
        })
}

/// South African identity number: a date, the citizenship, an 8 or 9, and Luhn.
pub(super) fn za_id(text: &[u8]) -> bool {
    ymd(text).is_some_and(|(year, month, day)| is_short_date(year, month, day))
        && matches!(text.get(10), Some(b'0'..=b'2'))
        && matches!(text.get(11), Some(b'8' | b'9'))
        && luhn(text)
}

/// Swiss social insurance number: 756 and the check digit of EAN-13.
pub(super) fn ch_ahv(text: &[u8]) -> bool {
    text.starts_with(b"756")
        && weighted(text, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_some_and(|sum| sum % 10 == 0)
}

/// Thai identity number: weights 13 to 2, modulus 11.
pub(super) fn th_id(text: &[u8]) -> bool {
    !matches!(text.first(), Some(b'0' | b'9'))
        && weighted(text, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
            .is_some_and(|sum| (11 - sum % 11) % 10 == digit(text, 12))
}

/// The JMBG of former Yugoslavia, and the Slovenian EMŠO: a date with a year of three digits, and modulus 11.
pub(super) fn yu_jmbg(text: &[u8]) -> bool {
    let (Some(day), Some(month), Some(year)) = (part(text, 0, 2), part(text, 2, 4), part(text, 4, 7)) else {
        return false;
    };
    let year = if year < 800 { 2000 + year } else { 1000 + year };
    is_birth(year, month, day)
        && weighted(text, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])
            .is_some_and(|sum| (11 - sum % 11) % 11 == digit(text, 12))
}

/// French NIR: sex, year, month (from 20 on where it is unknown), and 97 less the remainder of the rest.
pub(super) fn fr_nir(text: &[u8]) -> bool {
    let month = part(text, 3, 5).is_some_and(|month| matches!(month, 1..=12 | 20..=42 | 50..=99));
    let rest = text.get(..13).and_then(|rest| mod_97(rest.iter().copied()));
    matches!(text.first(), Some(b'1'..=b'4' | b'7' | b'8'))
        && month
        && rest.is_some_and(|rest| Some(97 - rest) == part(text, 13, 15))
}

/// Chinese resident identity number: a province, a date, MOD 11-2.
pub(super) fn cn_ric(text: &[u8]) -> bool {
    let province = part(text, 0, 2).is_some_and(|province| {
        matches!(province, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
    });
    let birth = || Some((part(text, 6, 10)?, part(text, 10, 12)?, part(text, 12, 14)?));
    province && birth().is_some_and(|(year, month, day)| is_birth(year, month, day)) && mod_11_2(text)
}
