//! Keys and tokens of services by their prefixes and checksums, web tokens, addresses of cryptocurrencies.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{coin, find::Found, kind::Kind};
use crate::output::{
    scan::Until,
    window::{AHEAD, Window},
};

/// How a service's key goes on after its prefix.
struct Form {
    prefix: &'static [u8],
    /// The fewest and the most characters after the prefix.
    length: (usize, usize),
    /// Whether hyphens may stand in it.
    hyphens: bool,
    check: Check,
}

/// What the format has for a check.
#[derive(Clone, Copy)]
enum Check {
    None,
    /// Six digits of base 62 at the end: the CRC32 of the body between prefix and checksum.
    Crc,
    /// Six digits of base 62 at the end: the CRC32 of everything before them, the prefix too.
    CrcOfAll,
}

const fn form(prefix: &'static str, least: usize, most: usize) -> Form {
    Form { prefix: prefix.as_bytes(), length: (least, most), hyphens: false, check: Check::None }
}

const fn long(prefix: &'static str, least: usize, most: usize) -> Form {
    Form { prefix: prefix.as_bytes(), length: (least, most), hyphens: true, check: Check::None }
}

const fn checked(prefix: &'static str, length: usize, check: Check) -> Form {
    Form { prefix: prefix.as_bytes(), length: (length, length), hyphens: false, check }
}

/// The formats, by their makers' documentation. A prefix stands before every longer one that begins with it only if
/// both accept different lengths; the first that fits is taken.
const FORMS: &[Form] = &[
    // Ours: twelve characters of key id, an underscore, 43 of secret and six of checksum.
    checked("mtk_live_", 62, Check::CrcOfAll),
    checked("mtk_test_", 62, Check::CrcOfAll),
    // GitHub.
    checked("ghp_", 36, Check::Crc),
    checked("gho_", 36, Check::Crc),
    checked("ghu_", 36, Check::Crc),
    checked("ghs_", 36, Check::Crc),
    form("ghr_", 36, 76),
    form("github_pat_", 22, 93),
    // npm has GitHub's checksum.
    checked("npm_", 36, Check::Crc),
    // GitLab.
    long("glpat-", 20, 60),
    long("gldt-", 20, 60),
    long("glrt-", 20, 60),
    long("glcbt-", 20, 60),
    long("glptt-", 40, 60),
    // AWS access keys; the secret is found by the words before it.
    form("AKIA", 16, 16),
    form("ASIA", 16, 16),
    form("ABIA", 16, 16),
    form("ACCA", 16, 16),
    // Google.
    long("AIza", 35, 35),
    long("GOCSPX-", 28, 28),
    // OpenAI, Anthropic and others who copied the form.
    long("sk-ant-", 24, 200),
    long("sk-proj-", 20, 200),
    long("sk-svcacct-", 20, 200),
    long("sk-admin-", 20, 200),
    long("sk-or-v1-", 32, 100),
    long("sk-", 20, 200),
    form("gsk_", 40, 80),
    form("hf_", 30, 40),
    form("api_org_", 30, 40),
    form("r8_", 30, 45),
    form("pplx-", 32, 64),
    form("xai-", 40, 100),
    form("nvapi-", 40, 90),
    // Stripe.
    form("sk_live_", 16, 200),
    form("sk_test_", 16, 200),
    form("rk_live_", 16, 200),
    form("rk_test_", 16, 200),
    form("whsec_", 24, 100),
    // Slack.
    long("xoxb-", 20, 200),
    long("xoxp-", 20, 200),
    long("xoxa-", 20, 200),
    long("xoxr-", 20, 200),
    long("xoxs-", 20, 200),
    long("xapp-", 20, 200),
    // Package registries and clouds.
    long("pypi-AgEI", 50, 300),
    form("dop_v1_", 64, 64),
    form("doo_v1_", 64, 64),
    form("dckr_pat_", 27, 36),
    form("shpat_", 32, 32),
    form("shpca_", 32, 32),
    form("shpss_", 32, 32),
    form("rubygems_", 48, 48),
    form("lin_api_", 40, 40),
    form("ntn_", 40, 60),
    form("secret_", 43, 43),
    form("sntrys_", 40, 300),
    form("glsa_", 41, 50),
    form("phc_", 40, 50),
    form("pat_", 40, 80),
    form("tfp_", 40, 60),
    form("dapi", 32, 34),
    form("key-", 32, 32),
    long("SG.", 66, 66),
    long("hvs.", 24, 200),
    long("hvb.", 24, 300),
    long("atlasv1.", 60, 70),
    long("ATATT3", 100, 250),
    long("EAAC", 100, 300),
    form("sq0csp-", 43, 43),
    form("AGE-SECRET-KEY-1", 58, 58),
];

/// What begins with the word from `start` to `end`.
pub(super) fn judge(window: &Window<'_>, start: usize, end: usize) -> Option<Found> {
    let last = window.before(start);
    let escaped = window.before(start.saturating_sub(1)) == b'\\' && matches!(last, b'n' | b't' | b'r');
    if (last.is_ascii_alphanumeric() || last == b'_' || last == b'-') && !escaped {
        return None;
    }
    service(window, start).or_else(|| web_token(window, start)).or_else(|| coin::judge(window, start, end))
}

/// A byte of a token.
pub(crate) fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'+' | b'/' | b'~')
}

/// The bytes with which a prefix begins.
const FIRST: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < FORMS.len() {
        table[FORMS[index].prefix[0] as usize] = true;
        index += 1;
    }
    table
};

/// The key of a service.
fn service(window: &Window<'_>, start: usize) -> Option<Found> {
    // Most words are done with here, and most of the others at their second byte.
    if !FIRST[usize::from(window.at(start))] || !in_token(window.at(start + 12)) {
        return None;
    }
    FORMS.iter().filter(|form| window.starts_with(start, form.prefix)).find_map(|form| {
        let body = start + form.prefix.len();
        let dots = form.prefix.contains(&b'.');
        let end = window.run(body, |byte| {
            byte.is_ascii_alphanumeric()
                || byte == b'_'
                || form.hyphens && byte == b'-'
                || dots && byte == b'.'
        });
        let long = end == start + AHEAD;
        let (least, most) = form.length;
        // A mention such as `sk-your-api-key-goes-here` has no digit.
        let text = window.slice(body, end);
        let fits = (least..=most).contains(&text.len()) || long && most >= 200;
        let random = text.iter().any(u8::is_ascii_digit)
            || text.len() >= 30 && text.iter().any(u8::is_ascii_uppercase)
            || form.prefix == b"AKIA";
        let sound = fits && random && is_sound(form, window.slice(start, end));
        sound.then_some(Found { start, end, kind: Kind::ApiKey, until: long.then_some(Until::Token) })
    })
}

/// Whether the checksum of a key is right, where its format has one.
fn is_sound(form: &Form, key: &[u8]) -> bool {
    let Some(split) = key.len().checked_sub(6) else { return false };
    let (before, sum) = key.split_at(split);
    let body = match form.check {
        Check::None => return true,
        Check::Crc => before.get(form.prefix.len()..).unwrap_or_default(),
        Check::CrcOfAll => before,
    };
    sum == base_62(crc32fast::hash(body))
}

/// Six digits of base 62, by GitHub's alphabet, which is ours too.
fn base_62(mut value: u32) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(value % 62) as usize];
        value /= 62;
    }
    text
}

/// A JSON Web Token (RFC 7519): a header in base64url that is JSON with `alg`, a payload, perhaps a signature.
fn web_token(window: &Window<'_>, start: usize) -> Option<Found> {
    if !window.starts_with(start, b"eyJ") {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let header = window.run(start, is_part);
    let decoded = URL_SAFE_NO_PAD.decode(window.slice(start, header)).ok()?;
    let names_algorithm = decoded.windows(5).any(|name| name == b"\"alg\"" || name == b"\"enc\"");
    let payload = window.run(header + 1, is_part);
    if window.at(header) != b'.' || !names_algorithm || payload < header + 8 {
        return None;
    }
    let end = window.run(payload, in_token);
    let long = end >= start + AHEAD;
    // A full stop at the end of a sentence is no part of it.
    let end = if !long && window.before(end) == b'.' { end - 1 } else { end };
    Some(Found { start, end, kind: Kind::Jwt, until: long.then_some(Until::Token) })
}
