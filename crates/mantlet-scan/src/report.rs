//! What a scan says: a verdict, and for every reason against the file a finding that names its rule and its place.

use serde::Serialize;

/// Whether a file may be opened by what it is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every part was recognized, and none can do more than carry data.
    Safe,
    /// Some part was not recognized; nothing was found in the others.
    Unknown,
    /// At least one finding.
    Unsafe,
}

/// A rule of some format: what a file must not contain.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable identifier, such as `pickle/name`.
    pub id: &'static str,
    /// The kind of harm, such as `pickle-code` or `safetensors-malformed`; scripts group by it.
    pub class: &'static str,
    /// What the rule demands, in one sentence for a report's list of rules.
    pub demands: &'static str,
}

/// One reason against a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's [`Rule::id`].
    pub rule: &'static str,
    /// The rule's [`Rule::class`].
    pub class: &'static str,
    /// The rule's [`Rule::demands`].
    #[serde(skip)]
    pub demands: &'static str,
    /// Position in bytes, within the member if there is one and within the file otherwise.
    pub offset: Option<u64>,
    /// The member of a container, as a path through nested containers (`a.zip!data.pkl`).
    pub member: Option<String>,
    /// What was found, for the person who must decide. Text from the file is shortened and has no control characters.
    pub why: String,
}

/// What content was recognized as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Python's pickle, joblib's included.
    Pickle,
    /// A PyTorch archive (`torch.save`).
    Torch,
    /// One NumPy array.
    Npy,
    /// A zip archive of members of other formats.
    Zip,
    /// A tar archive.
    Tar,
    /// A 7z archive.
    SevenZip,
    /// A gzip, zlib, bzip2, xz or lz4 stream.
    Compressed,
    /// Safetensors.
    Safetensors,
    /// GGUF.
    Gguf,
    /// ONNX.
    Onnx,
    /// A Keras 3 archive.
    Keras,
    /// HDF5.
    Hdf5,
    /// A TensorFlow SavedModel.
    SavedModel,
    /// XGBoost's own formats.
    Xgboost,
    /// LightGBM's text.
    Lightgbm,
    /// A skops archive.
    Skops,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Text of no further meaning: documentation, vocabularies, tables.
    Text,
    /// Bytes that another member refers to as data of tensors.
    TensorData,
    /// A directory of files that make one model.
    Folder,
    /// Native code or a script.
    Executable,
    /// Nothing that is known here.
    Unrecognized,
}

/// Everything a scan of one path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// The outermost format.
    pub format: Format,
    /// Whether the format can carry code at all, so that a clean file of it is still not served.
    pub can_carry_code: bool,
    /// Every reason against the file, in the order of the content; at most [`crate::Limits::findings`] of them.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The report on a path that cannot be read.
    #[must_use]
    pub fn unreadable(error: &std::io::Error) -> Self {
        let finding = Finding {
            rule: "scan/io",
            class: "unknown",
            demands: "the path can be read",
            offset: None,
            member: None,
            why: error.to_string(),
        };
        Self {
            verdict: Verdict::Unknown,
            format: Format::Unrecognized,
            can_carry_code: false,
            findings: vec![finding],
        }
    }
}
