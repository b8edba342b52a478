//! National numbers of digits alone, by their length. Each line says how a number is written, what checks it, and how
//! much must stand before it to be believed.

mod valid;

use super::{code::Cut, context::Told, kind::Kind, lettered};

/// What must be beside a number that passes its check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// Nothing: chance passes too seldom to matter.
    Always,
    /// No word that speaks against it.
    Undenied,
    /// The number is written in groups and no word speaks against it; otherwise a word for it.
    Grouped,
    /// A word for it.
    Never,
}

/// One number of one country.
struct Spec {
    kind: Kind,
    /// How it is written in groups; without separators it may always be written.
    shapes: &'static [&'static str],
    valid: fn(&[u8]) -> bool,
    alone: Alone,
    words: &'static [&'static str],
}

const fn id(
    shapes: &'static [&'static str],
    valid: fn(&[u8]) -> bool,
    alone: Alone,
    words: &'static [&'static str],
) -> Spec {
    Spec { kind: Kind::NationalId, shapes, valid, alone, words }
}

/// Names of tax numbers of persons and firms in many languages.
const TAX: &[&str] = &["tin", "tax", "nif", "vat", "fiscal", "tax id", "taxpayer"];

const EIGHT: &[Spec] = &[id(&["2-3-3", "3 3 2"], valid::au_tfn, Alone::Never, &["tfn", "tax file"])];

const NINE: &[Spec] = &[
    id(
        &["3-2-4", "3 2 4"],
        valid::us_ssn,
        Alone::Grouped,
        &["ssn", "social security", "social", "ss#", "soc sec"],
    ),
    id(&["3-2-4", "3 2 4"], valid::us_itin, Alone::Grouped, &["itin", "taxpayer", "tax id", "tin"]),
    id(
        &["2-7"],
        valid::us_ein,
        Alone::Never,
        &["ein", "fein", "employer identification", "employer id", "tax id"],
    ),
    id(&["3~3~3"], valid::ca_sin, Alone::Grouped, &["sin", "social insurance", "nas", "assurance sociale"]),
    id(&["3~3~3"], valid::au_tfn, Alone::Grouped, &["tfn", "tax file"]),
    id(&["3~3~3"], valid::au_acn, Alone::Never, &["acn", "company number"]),
    id(
        &["4.2.3", "3.3.3", "3 3 3"],
        valid::nl_bsn,
        Alone::Never,
        &["bsn", "burgerservicenummer", "sofi", "sofinummer", "citizen service"],
    ),
    id(&["3~3~3"], valid::pt_nif, Alone::Never, &["nif", "contribuinte", "nipc", "tax"]),
    id(
        &["1-4-4", "8-1"],
        valid::il_id,
        Alone::Never,
        &["teudat", "teudat zehut", "israeli", "israel", "זהות"],
    ),
    id(&["6/3"], valid::cz_old, Alone::Never, &["rodné číslo", "rodne cislo", "birth number"]),
    Spec {
        kind: Kind::BankAccount,
        shapes: &["4-4-1"],
        valid: valid::us_routing,
        alone: Alone::Never,
        words: &["routing", "aba", "rtn", "routing number"],
    },
];

const TEN: &[Spec] = &[
    id(&["3 3 4", "3-3-4"], valid::uk_nhs, Alone::Never, &["nhs", "nhs number", "chi"]),
    id(
        &["6-4", "6+4"],
        valid::se_personnummer,
        Alone::Grouped,
        &["personnummer", "samordningsnummer", "personal identity", "pnr"],
    ),
    id(&["6-4"], valid::dk_cpr, Alone::Never, &["cpr", "cpr-nummer", "personnummer", "cpr number"]),
    id(
        &["6/4"],
        valid::cz_birth,
        Alone::Grouped,
        &["rodné číslo", "rodne cislo", "birth number", "rč", "rodné"],
    ),
    id(
        &["6-4", "6+4"],
        lettered::is_hetu_of,
        Alone::Grouped,
        &["hetu", "henkilötunnus", "personal identity"],
    ),
    id(&[], valid::bg_egn, Alone::Never, &["egn", "егн"]),
    id(
        &["4 6", "4-6"],
        valid::at_svnr,
        Alone::Grouped,
        &["svnr", "sv-nummer", "sozialversicherungsnummer", "vsnr"],
    ),
    id(
        &["4 5 1", "4-5-1", "4 5-1", "4 5/1"],
        valid::au_medicare,
        Alone::Grouped,
        &["medicare", "medicare number"],
    ),
    id(&["3-3-2-2", "3-2-2-3"], valid::pl_nip, Alone::Grouped, &["nip"]),
    id(&["6-4"], valid::is_kennitala, Alone::Grouped, &["kennitala", "kt"]),
];

const ELEVEN: &[Spec] = &[
    id(
        &["2 3 3 3"],
        valid::de_steuer_id,
        Alone::Grouped,
        &[
            "steuer-id",
            "steueridentifikationsnummer",
            "steuer-identifikationsnummer",
            "idnr",
            "steuernummer",
            "steuerliche identifikationsnummer",
            "tax id",
            "tin",
            "tax identification",
            "steuer",
        ],
    ),
    id(
        &["2.2.2-3.2", "2.2.2-3-2", "6-3-2", "2 2 2 3 2", "6 3 2"],
        valid::be_nn,
        Alone::Undenied,
        &["rijksregisternummer", "registre national", "national register", "insz", "niss", "numéro national"],
    ),
    id(&[], valid::pl_pesel, Alone::Undenied, &["pesel"]),
    id(
        &["6 5", "6-5"],
        valid::no_fnr,
        Alone::Undenied,
        &["fødselsnummer", "fodselsnummer", "fnr", "personnummer"],
    ),
    id(&["3.3.3-2", "3.3.3.2", "9-2", "3 3 3 2", "3-3-3-2"], valid::br_cpf, Alone::Undenied, &["cpf"]),
    id(&["2 3 3 3"], valid::au_abn, Alone::Undenied, &["abn", "business number"]),
    id(&[], valid::ee_isikukood, Alone::Undenied, &["isikukood", "asmens kodas", "personal code"]),
    id(&[], valid::tr_tckn, Alone::Undenied, &["tckn", "tc kimlik", "kimlik", "t.c."]),
    id(&["2-8-1"], valid::ar_cuit, Alone::Undenied, &["cuit", "cuil"]),
    id(&[], valid::gr_amka, Alone::Never, &["amka", "αμκα"]),
    id(&[], valid::hr_oib, Alone::Never, &["oib"]),
    id(&["6-5"], valid::lv_code, Alone::Never, &["personas kods", "personal code"]),
];

const TWELVE: &[Spec] = &[
    id(&["4~4~4"], valid::in_aadhaar, Alone::Grouped, &["aadhaar", "aadhar", "uidai", "uid", "आधार"]),
    id(
        &["4~4~4"],
        valid::jp_my_number,
        Alone::Grouped,
        &["my number", "mynumber", "individual number", "マイナンバー", "個人番号"],
    ),
    id(
        &["8-4", "8+4"],
        valid::se_personnummer_long,
        Alone::Undenied,
        &["personnummer", "samordningsnummer", "personal identity"],
    ),
    id(&["6-2-4"], valid::my_nric, Alone::Grouped, &["nric", "mykad", "ic number", "kad pengenalan"]),
];

const THIRTEEN: &[Spec] = &[
    id(
        &["6-7"],
        valid::kr_rrn_unchecked,
        Alone::Grouped,
        &["rrn", "resident registration", "주민등록번호", "주민번호"],
    ),
    id(
        &["6-7"],
        valid::kr_rrn,
        Alone::Undenied,
        &["rrn", "resident registration", "주민등록번호", "주민번호", "외국인등록번호"],
    ),
    id(&[], valid::ro_cnp, Alone::Never, &["cnp", "cod numeric personal"]),
    id(
        &["6 4 2 1", "6 4 3"],
        valid::za_id,
        Alone::Undenied,
        &["south african", "sa id", "id number", "rsa id"],
    ),
    id(
        &["3.4.4.2", "3 4 4 2", "3-4-4-2"],
        valid::ch_ahv,
        Alone::Undenied,
        &["ahv", "avs", "ahv-nummer", "sozialversicherungsnummer"],
    ),
    id(
        &["1-4-5-2-1", "1 4 5 2 1"],
        valid::th_id,
        Alone::Grouped,
        &["thai", "thai id", "บัตรประชาชน", "เลขประจำตัวประชาชน"],
    ),
    id(&[], valid::yu_jmbg, Alone::Never, &["jmbg", "emšo", "emso"]),
];

const FOURTEEN: &[Spec] =
    &[id(&["2.3.3/4-2", "2.3.3.4-2", "8/4-2"], valid::br_cnpj, Alone::Undenied, &["cnpj"])];

const FIFTEEN: &[Spec] = &[id(
    &["1 2 2 2 3 3 2", "13 2", "1-2-2-2-3-3-2", "1.2.2.2.3.3.2", "1 2 2 5 3 2"],
    valid::fr_nir,
    Alone::Undenied,
    &["sécurité sociale", "securite sociale", "nir", "insee", "numéro de sécu"],
)];

const EIGHTEEN: &[Spec] = &[id(&["6 8 4", "6-8-4"], valid::cn_ric, Alone::Always, &["身份证", "id card"])];

const fn of_length(length: usize) -> &'static [Spec] {
    match length {
        8 => EIGHT,
        9 => NINE,
        10 => TEN,
        11 => ELEVEN,
        12 => TWELVE,
        13 => THIRTEEN,
        14 => FOURTEEN,
        15 => FIFTEEN,
        18 => EIGHTEEN,
        _ => &[],
    }
}

/// The words of all lines.
pub(super) fn word_lists() -> Vec<&'static [&'static str]> {
    let specs =
        [EIGHT, NINE, TEN, ELEVEN, TWELVE, THIRTEEN, FOURTEEN, FIFTEEN, EIGHTEEN].into_iter().flatten();
    specs.map(|spec| spec.words).chain([TAX]).collect()
}

/// The kind of number that a cut of digits is, if it is one.
pub(super) fn judge(cut: &Cut<'_>, isolated: bool, context: &Told<'_>) -> Option<Kind> {
    let grouped = cut.groups.len() > 1;
    let mut believed = None;
    for spec in of_length(cut.text.len()) {
        let written = !grouped || spec.shapes.iter().any(|shape| cut.has_shape(shape));
        if !written || !(spec.valid)(cut.text) {
            continue;
        }
        let context = context.get();
        if context.says(spec.words) || context.last_of(TAX).is_some() && context.says(TAX) {
            return Some(spec.kind);
        }
        let alone = match spec.alone {
            Alone::Always => true,
            Alone::Undenied => isolated && !context.denies(),
            Alone::Grouped => grouped && isolated && !context.denies(),
            Alone::Never => false,
        };
        if alone {
            believed = believed.or(Some(spec.kind));
        }
    }
    believed
}
