//! Questions to models, and what is done with models.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mantlet_types::{
    Alias, ModelName, ModelRef, ProjectId, Sha256, UserId, VersionRef, digest::DigestError,
    limits::BACKGROUND_ROWS_MAX,
};

use super::signing::{Sign, Verify};
use crate::{cli::exit::Failure, config::env_vars};

/// A model, or one version of it.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The model, or one version of it as NAME@VERSION or NAME@ALIAS
    pub model: ModelRef,
    /// A particular version: its number, an alias, or `live`
    #[arg(long, value_name = "VERSION")]
    pub version_number: Option<VersionRef>,
}

impl Which {
    /// What is meant.
    ///
    /// # Errors
    /// If the version is named twice.
    pub fn reference(&self) -> Result<ModelRef, Failure> {
        let Self { model: ModelRef { model, version }, version_number } = self.clone();
        if version.is_some() && version_number.is_some() {
            return Err(Failure::new("the version is named twice").hint("leave out --version-number"));
        }
        Ok(ModelRef { model, version: version.or(version_number) })
    }
}

/// A question to a model, and the way to it.
#[derive(Debug, Args)]
pub struct Asking {
    /// The model, and which version of it.
    #[command(flatten)]
    pub which: Which,
    /// A JSON file: `{"features": …}`, or the features alone; `-` reads standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// The CA certificate to trust, instead of the home's
    #[arg(long, env = env_vars::CA.name, value_name = "PEM")]
    pub ca: Option<PathBuf>,
}

/// `mantlet predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// What to ask, and where.
    #[command(flatten)]
    pub asking: Asking,
}

/// `mantlet explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// What to ask, and where.
    #[command(flatten)]
    pub asking: Asking,
    /// Evaluations of the model to sample with, where it cannot be explained exactly [default: 2000, or as many as the
    /// limit has left]
    #[arg(long, value_name = "COUNT")]
    pub evaluations: Option<u32>,
}

/// `mantlet evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// A package directory, which needs no server, or else a registered model, or a version as NAME@VERSION or NAME@ALIAS
    #[arg(value_name = "MODEL|DIR")]
    pub model: PathBuf,
    /// Rows with the truth, as CSV or Parquet
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The column with the truth
    #[arg(long, value_name = "COLUMN", default_value = "target")]
    pub target: String,
    /// A column by whose values the figures are given as well; repeat for several
    #[arg(long = "slice", value_name = "COLUMN")]
    pub slices: Vec<String>,
    /// Attach the report to the version of a registered model: a fact for approvers and for conditions of going live
    #[arg(long)]
    pub attach: bool,
    /// Write the report as one HTML page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// A particular version of a registered model: its number, an alias, or `live`
    #[arg(long, value_name = "VERSION")]
    pub version_number: Option<VersionRef>,
    /// The CA certificate to trust, instead of the home's
    #[arg(long, env = env_vars::CA.name, value_name = "PEM")]
    pub ca: Option<PathBuf>,
}

/// `mantlet model …`.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Register a package: it is served at once in a one-person home, a candidate in a team's
    #[command(visible_alias = "register")]
    Add {
        /// The package directory
        dir: PathBuf,
        /// The project
        #[arg(long, default_value = "home")]
        project: ProjectId,
        /// Who made the data that the model was trained on; repeat for several [default: whoever registers]
        #[arg(long = "data-author", value_name = "USER")]
        data_authors: Vec<UserId>,
        /// SHA-256 of a data set that the model was trained on; repeat for several
        #[arg(long = "data-digest", value_name = "SHA256", value_parser = digest)]
        data_digests: Vec<Sha256>,
    },
    /// List models and versions
    List,
    /// A model's features, and what its reference data were like
    Features {
        /// The model, and which version of it.
        #[command(flatten)]
        which: Which,
    },
    /// What a model has learned: tensors with statistics, or the values of one
    Weights {
        /// The model, and which version of it.
        #[command(flatten)]
        which: Which,
        /// The tensor whose values are wanted
        #[arg(long, value_name = "NAME")]
        tensor: Option<String>,
        /// The first value, or the first tensor of the list
        #[arg(long, default_value_t = 0)]
        offset: usize,
        /// At most so many [default: 1000]
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Take a model's signed package away, as it was registered
    Export {
        /// The model, and which version of it.
        #[command(flatten)]
        which: Which,
        /// A directory to make
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Have a URL signed that gives a version's package to whoever brings it, for a while
    Url(super::SignUrl),
    /// Put a version's package into a bucket
    Publish(super::Publish),
    /// Bring a model in from elsewhere, as a directory of files: nothing is executed, and archives are taken apart here
    Import(super::Import),
    /// Keys that sign URLs
    #[command(subcommand)]
    UrlKeys(super::UrlKeys),
    /// Register a new version, compare its answers with those of the live one, and put it in its place
    Update(Update),
    /// A version, how far it is, and what its comparison with the live one said
    Show(Step),
    /// Where a version comes from and who did what with it, each line held against the audit log
    History {
        /// The model, or one version of it as NAME@VERSION or NAME@ALIAS
        model: ModelRef,
    },
    /// A version's bill of materials, as CycloneDX 1.6
    Bom(Step),
    /// Where a version came from, as an in-toto statement with SLSA provenance
    Provenance {
        /// The version.
        #[command(flatten)]
        step: Step,
        /// Sign it with this key, as a DSSE envelope; the key goes nowhere
        #[arg(long, value_name = "PEM")]
        key: Option<PathBuf>,
    },
    /// Withdraw a version for good: it answers nobody, and nothing rolls back to it
    Retire(Step),
    /// Take away what the registry keeps and no version names, once it is a day old; the server must be stopped
    Collect {
        /// Say what it would be, and take nothing away
        #[arg(long)]
        dry_run: bool,
    },
    /// Names of versions
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Ask that a version go live, as an ML engineer
    Request(Step),
    /// Approve that a version go live, as somebody who neither made nor requested it
    Approve(Step),
    /// Make an approved version live, as an ML engineer
    Promote(Step),
    /// Make a version live again that was live before, as an ML engineer
    Rollback {
        /// The model
        model: ModelName,
        /// To which version [default: the one that was live before]
        #[arg(long, value_name = "VERSION")]
        to: Option<VersionRef>,
    },
    /// Stop a model: it answers nobody until it is enabled; as an ML engineer, or by break-glass
    Disable {
        /// The model
        model: ModelName,
    },
    /// Let a stopped model answer again
    Enable {
        /// The model
        model: ModelName,
    },
    /// Write profile.json: types, ranges, categories, calibration
    Profile {
        /// The package directory
        dir: PathBuf,
        /// Rows that the model was trained on, as CSV or Parquet
        #[arg(long, value_name = "FILE")]
        reference: PathBuf,
        /// Rows that the model has never seen, for calibration, as CSV or Parquet
        #[arg(long, value_name = "FILE")]
        calibration: Option<PathBuf>,
        /// The column with the truth [default: `target`, if there]
        #[arg(long, value_name = "COLUMN")]
        target: Option<String>,
        /// Coverage that intervals of a regression promise [default: 0.9]
        #[arg(long, value_name = "SHARE")]
        coverage: Option<f64>,
        /// Reference rows to keep in the profile for explanations, 0 to 100; whoever reads the package reads them
        #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = background)]
        background: usize,
    },
    /// Make a key pair for signing packages
    Keygen {
        /// Where to write the private key (0600); the public one goes beside it as .pub
        out: PathBuf,
    },
    /// Sign a model: a directory or one file (OpenSSF Model Signing)
    Sign(Sign),
    /// Say what model files may do to whoever opens them, without opening them
    Scan(Scan),
    /// Verify a model against its signature
    Verify(Verify),
}

/// `mantlet model scan`.
#[derive(Debug, Args)]
pub struct Scan {
    /// Files, or directories that hold one model each
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Print one SARIF 2.1.0 document
    #[arg(long)]
    pub sarif: bool,
}

/// `mantlet model update`.
///
/// Unless told to go on, it registers and compares, and changes nothing that callers see.
#[derive(Debug, Args)]
pub struct Update {
    /// The model
    pub model: ModelName,
    /// The package directory of the new version; or name a registered one by --version-number
    #[arg(value_name = "DIR", required_unless_present = "number", conflicts_with = "number")]
    pub dir: Option<PathBuf>,
    /// Rows to compare the answers on, with or without the truth, as CSV; thirty or more
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The column with the truth [default: `target`, if there]
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// A version that is registered already: its number or an alias
    #[arg(long = "version-number", value_name = "VERSION")]
    pub number: Option<VersionRef>,
    /// Go on, whatever the differences: in a team's home ask for approval, otherwise or once approved put it live
    #[arg(long, conflicts_with = "max_changed")]
    pub activate: bool,
    /// Go on if at most this share of the rows is answered differently, 0 to 1; otherwise end with status 1
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub max_changed: Option<f64>,
    /// Write the comparison, byte for byte as the log vouches for it
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The project
    #[arg(long, default_value = "home")]
    pub project: ProjectId,
    /// Who made the data that the version was trained on; repeat for several [default: whoever registers]
    #[arg(long = "data-author", value_name = "USER")]
    pub data_authors: Vec<UserId>,
    /// SHA-256 of a data set that the version was trained on; repeat for several
    #[arg(long = "data-digest", value_name = "SHA256", value_parser = digest)]
    pub data_digests: Vec<Sha256>,
}

/// A part of a whole.
fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// A version on its way to production.
#[derive(Clone, Debug, Args)]
pub struct Step {
    /// The model, or the version as NAME@VERSION
    pub model: ModelRef,
    /// The version, as `model list` shows it: its number, an alias, or `live`
    #[arg(value_name = "VERSION")]
    pub number: Option<VersionRef>,
}

/// `mantlet model alias …`.
#[derive(Debug, Subcommand)]
pub enum AliasCommand {
    /// Give a version an alias; whichever had it before has it no more
    #[command(disable_version_flag = true)]
    Set {
        /// The model
        model: ModelName,
        /// The alias; `live` is none, since that is whatever callers get
        alias: Alias,
        /// The version
        #[arg(long = "version", value_name = "VERSION")]
        number: VersionRef,
    },
    /// List aliases
    List {
        /// The model
        model: ModelName,
    },
    /// Take an alias away
    Remove {
        /// The model
        model: ModelName,
        /// The alias
        alias: Alias,
    },
}

/// A digest, with or without the `sha256:` before it.
fn digest(text: &str) -> Result<Sha256, DigestError> {
    text.strip_prefix("sha256:").unwrap_or(text).parse()
}

/// Rows of a background.
fn background(text: &str) -> Result<usize, String> {
    let expected = || format!("a number from 0 to {BACKGROUND_ROWS_MAX}");
    text.parse().ok().filter(|rows| *rows <= BACKGROUND_ROWS_MAX).ok_or_else(expected)
}
