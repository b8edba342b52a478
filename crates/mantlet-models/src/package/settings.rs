//! `mantlet-model.toml`: what a package's author says about the model. Everything but the name has a default, and
//! every default is the cautious choice; an unknown key is an error, because a misspelled limit is no limit.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use mantlet_types::{
    ModelName,
    contract::{Disclosure, Fallback, SENSITIVITY_MAX, SENSITIVITY_OPEN},
    limits::{BATCH_ROWS_MAX, FEATURES_MAX, TEXT_CHARS_MAX},
};
use serde::Deserialize;
use toml::Spanned;

use super::declared::{Declared, FileBackend, FileDeclared, FileServedAs, FileTensor};

/// Longest label, feature name, option name or fallback text, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Most classes.
const LABELS_MAX: usize = 10_000;

/// Most options in the allowlist.
const OPTIONS_MAX: usize = 64;

/// Widths of its reference range that a number may lie outside of it, on either side.
///
/// The check is for broken and foreign rows: another unit, a code for "missing", swapped columns. Honest data leave the
/// range of a few hundred reference rows too, above all where the tail is long: of the 16,381 test rows of five public data
/// sets one width would refuse 284 honest ones, two widths none. Three leave room for data not met yet.
const MARGIN_DEFAULT: f64 = 3.0;

/// Decimals beyond which rounding an IEEE double changes nothing.
const DECIMALS_MAX: u8 = 15;

/// What is wrong with `mantlet-model.toml`, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SettingsError {
    /// What is wrong, lower-case, with the offending key.
    pub message: String,
    /// Byte range in the file, where one is known.
    pub span: Option<Range<usize>>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The author's statement, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model's name.
    pub name: ModelName,
    /// Names of the columns, in the model's order; `None` takes the profile's, else the model's own.
    pub features: Option<Vec<Arc<str>>>,
    /// Text for each class, in the order of the probability columns; `None` takes the model's own values.
    pub labels: Option<Vec<Arc<str>>>,
    /// How confidence is computed; `None` where nothing is stated.
    pub confidence: Option<ConfidenceRule>,
    /// Least confidence of a served answer.
    pub threshold: f64,
    /// A conformal interval wider than this is withheld.
    pub width_max: Option<f64>,
    /// What stands in the place of a withheld answer.
    pub fallback: Fallback,
    /// How much of an answer leaves.
    pub disclosure: Disclosure,
    /// Most rows in one request.
    pub batch_rows_max: usize,
    /// What becomes of numbers outside the reference data.
    pub range: RangeRule,
    /// Options that a request may carry.
    pub options: Vec<Box<str>>,
    /// Text inputs by name, with their greatest length in characters.
    pub text: BTreeMap<String, usize>,
    /// How sensitive features are, by name, where it is not [`SENSITIVITY_OPEN`].
    pub sensitivity: BTreeMap<String, u8>,
    /// What is declared of a model that runs elsewhere; `None` for one that runs here.
    pub declared: Option<Declared>,
}

/// How confidence is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfidenceRule {
    /// The largest class probability, after temperature scaling. The default for classifiers.
    Probability,
    /// A conformal interval from calibration rows. The default for regression.
    Interval,
    /// None, and the author says so: answers carry `null`.
    None,
}

/// What becomes of numbers outside the reference data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RangeRule {
    /// Rejected when further outside than `margin` widths of the feature's range. The default, with a margin of 3.
    Reject {
        /// In widths of the feature's range in the reference data, on either side.
        margin: f64,
    },
    /// Taken, and remarked on.
    Annotate,
    /// Taken without a word.
    Off,
}

/// What is typed, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    backend: FileBackend,
    served_as: Option<Spanned<FileServedAs>>,
    input: Option<Spanned<Vec<FileTensor>>>,
    output: Option<Spanned<Vec<FileTensor>>>,
    label_values: Option<Spanned<Vec<i64>>>,
    features: Option<Spanned<Vec<Spanned<String>>>>,
    labels: Option<Spanned<Vec<Spanned<String>>>>,
    confidence: Option<ConfidenceRule>,
    threshold: Option<Spanned<f64>>,
    width_max: Option<Spanned<f64>>,
    batch_rows_max: Option<Spanned<usize>>,
    #[serde(default)]
    options: Vec<Spanned<String>>,
    #[serde(default)]
    fallback: FileFallback,
    #[serde(default)]
    disclosure: FileDisclosure,
    #[serde(default)]
    range: FileRange,
    #[serde(default)]
    text: BTreeMap<String, FileText>,
    #[serde(default)]
    sensitivity: BTreeMap<String, Spanned<usize>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileFallback {
    result: Option<Spanned<String>>,
    action: Option<Spanned<String>>,
    number: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileDisclosure {
    decimals: Option<Spanned<u8>>,
    top_k: Option<Spanned<usize>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileRange {
    #[serde(default)]
    policy: FilePolicy,
    margin: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum FilePolicy {
    #[default]
    Reject,
    Annotate,
    Off,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    chars_max: Spanned<usize>,
}

impl Settings {
    /// How sensitive a feature is.
    #[must_use]
    pub fn sensitivity_of(&self, feature: &str) -> u8 {
        self.sensitivity.get(feature).copied().unwrap_or(SENSITIVITY_OPEN)
    }

    /// Reads `mantlet-model.toml`.
    ///
    /// # Errors
    /// Not UTF-8, not TOML, an unknown key, or a value outside its bounds; with the place where one is known.
    pub fn parse(bytes: &[u8]) -> Result<Self, SettingsError> {
        let text = std::str::from_utf8(bytes).map_err(|cause| SettingsError {
            message: "the file is not UTF-8".into(),
            span: Some(cause.valid_up_to()..cause.valid_up_to()),
            hint: None,
        })?;
        let numbered = |error: SettingsError| match &error.span {
            Some(span) => {
                let message = format!("line {}: {}", line(text, span.start), error.message);
                SettingsError { message, ..error }
            }
            None => error,
        };
        let parsed: Result<File, _> = toml::from_str(text).map_err(|cause| SettingsError {
            message: cause.message().to_owned(),
            span: cause.span(),
            hint: cause.message().contains("missing field `name`").then(|| {
                "the least that a package must say is its name, as in `name = \"fraud\"`".to_owned()
            }),
        });
        parsed.and_then(File::check).map_err(numbered)
    }
}

/// The number of the line with this byte, from 1.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

impl File {
    fn check(self) -> Result<Settings, SettingsError> {
        let name: ModelName =
            self.name.get_ref().parse().map_err(|cause| at(&self.name, format!("`name`: {cause}")))?;
        let declared = FileDeclared {
            served_as: self.served_as,
            input: self.input,
            output: self.output,
            label_values: self.label_values,
        };
        let declared = declared.check(self.backend, name.as_str())?;
        let features = self.features.map(|list| names("features", &list, FEATURES_MAX)).transpose()?;
        let labels = self.labels.map(|list| names("labels", &list, LABELS_MAX)).transpose()?;
        let threshold = self.threshold.map_or(Ok(0.7), |value| within("threshold", &value, 0.0, 1.0))?;
        let width_max = self
            .width_max
            .map(|value| within("width_max", &value, f64::MIN_POSITIVE, f64::MAX))
            .transpose()?;
        let batch_rows_max = self
            .batch_rows_max
            .map_or(Ok(BATCH_ROWS_MAX), |value| count("batch_rows_max", &value, 1, BATCH_ROWS_MAX))?;
        if self.options.len() > OPTIONS_MAX {
            return Err(plain(format!("`options` has more than {OPTIONS_MAX} entries")));
        }
        let options = self
            .options
            .iter()
            .map(|option| phrase("options", option).map(Into::into))
            .collect::<Result<_, _>>()?;
        Ok(Settings {
            name,
            features,
            labels,
            confidence: self.confidence,
            threshold,
            width_max,
            fallback: self.fallback.check()?,
            disclosure: self.disclosure.check()?,
            batch_rows_max,
            range: self.range.check()?,
            options,
            text: texts(&self.text)?,
            sensitivity: sensitivities(&self.sensitivity)?,
            declared,
        })
    }
}

impl FileFallback {
    fn check(&self) -> Result<Fallback, SettingsError> {
        let default = Fallback::default();
        let text = |key, value: &Option<Spanned<String>>, default: Arc<str>| {
            value.as_ref().map_or(Ok(default), |value| phrase(key, value).map(Into::into))
        };
        Ok(Fallback {
            result: text("fallback.result", &self.result, default.result)?,
            action: text("fallback.action", &self.action, default.action)?,
            number: self
                .number
                .as_ref()
                .map(|value| within("fallback.number", value, f64::MIN, f64::MAX))
                .transpose()?,
        })
    }
}

impl FileDisclosure {
    fn check(&self) -> Result<Disclosure, SettingsError> {
        let default = Disclosure::default();
        let decimals = match &self.decimals {
            Some(value) if *value.get_ref() > DECIMALS_MAX => {
                return Err(at(value, format!("`disclosure.decimals` is 0 to {DECIMALS_MAX}")));
            }
            Some(value) => *value.get_ref(),
            None => default.decimals,
        };
        let top_k =
            self.top_k.as_ref().map(|value| count("disclosure.top_k", value, 1, LABELS_MAX)).transpose()?;
        Ok(Disclosure { decimals, top_k })
    }
}

impl FileRange {
    fn check(&self) -> Result<RangeRule, SettingsError> {
        match (&self.policy, &self.margin) {
            (FilePolicy::Reject, None) => Ok(RangeRule::Reject { margin: MARGIN_DEFAULT }),
            (FilePolicy::Reject, Some(margin)) => {
                Ok(RangeRule::Reject { margin: within("range.margin", margin, 0.0, 1e6)? })
            }
            (_, Some(margin)) => Err(SettingsError {
                hint: Some("remove it, or set `policy = \"reject\"`".into()),
                ..at(margin, "`range.margin` means something only where numbers are rejected")
            }),
            (FilePolicy::Annotate, None) => Ok(RangeRule::Annotate),
            (FilePolicy::Off, None) => Ok(RangeRule::Off),
        }
    }
}

fn texts(texts: &BTreeMap<String, FileText>) -> Result<BTreeMap<String, usize>, SettingsError> {
    if texts.len() > FEATURES_MAX {
        return Err(plain(format!("`text` has more than {FEATURES_MAX} entries")));
    }
    texts
        .iter()
        .map(|(name, text)| Ok((name.clone(), count("chars_max", &text.chars_max, 1, TEXT_CHARS_MAX)?)))
        .collect()
}

fn sensitivities(stated: &BTreeMap<String, Spanned<usize>>) -> Result<BTreeMap<String, u8>, SettingsError> {
    if stated.len() > FEATURES_MAX {
        return Err(plain(format!("`sensitivity` has more than {FEATURES_MAX} entries")));
    }
    let checked = |(name, value): (&String, &Spanned<usize>)| {
        let level = count("sensitivity", value, 0, SENSITIVITY_MAX.into())?;
        Ok((name.clone(), u8::try_from(level).unwrap_or(SENSITIVITY_MAX)))
    };
    stated.iter().map(checked).collect()
}

/// Distinct, non-empty, printable names.
fn names(
    key: &str,
    list: &Spanned<Vec<Spanned<String>>>,
    max: usize,
) -> Result<Vec<Arc<str>>, SettingsError> {
    let values = list.get_ref();
    if values.is_empty() || values.len() > max {
        return Err(at(list, format!("`{key}` has 1 to {max} entries")));
    }
    let mut seen = std::collections::BTreeSet::new();
    values
        .iter()
        .map(|value| {
            let text = phrase(key, value)?;
            if !seen.insert(text) {
                return Err(at(value, format!("`{key}` names `{text}` twice")));
            }
            Ok(text.into())
        })
        .collect()
}

pub(super) fn phrase<'a>(key: &str, value: &'a Spanned<String>) -> Result<&'a str, SettingsError> {
    let text = value.get_ref().as_str();
    let ok = !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control);
    if ok {
        Ok(text)
    } else {
        Err(at(
            value,
            format!("a text in `{key}` has 1 to {TEXT_BYTES_MAX} bytes without control characters"),
        ))
    }
}

fn within(key: &str, value: &Spanned<f64>, min: f64, max: f64) -> Result<f64, SettingsError> {
    let number = *value.get_ref();
    // False for NaN, so that NaN is refused as well.
    if min <= number && number <= max {
        return Ok(number);
    }
    let message = match (min, max) {
        (0.0, _) => format!("`{key}` is a number from 0 to {max}"),
        (f64::MIN, _) => format!("`{key}` is a finite number"),
        _ => format!("`{key}` is a number above 0"),
    };
    Err(at(value, message))
}

fn count(key: &str, value: &Spanned<usize>, min: usize, max: usize) -> Result<usize, SettingsError> {
    let number = *value.get_ref();
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(at(value, format!("`{key}` is a whole number from {min} to {max}")))
    }
}

fn at<T>(place: &Spanned<T>, message: impl Into<String>) -> SettingsError {
    SettingsError { message: message.into(), span: Some(place.span()), hint: None }
}

fn plain(message: String) -> SettingsError {
    SettingsError { message, span: None, hint: None }
}
