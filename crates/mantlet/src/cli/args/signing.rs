//! Signing and verifying models.

use std::{num::NonZeroU64, path::PathBuf};

use clap::{ArgGroup, Args};
use mantlet_models::artifact::HashType;

/// `mantlet model sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The model's directory, or the one file that it is
    pub dir: PathBuf,
    /// The private key: ECDSA on P-256, P-384 or P-521
    #[arg(long, value_name = "PEM")]
    pub key: PathBuf,
    /// A file with the passphrase of an encrypted key
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The key's certificate, followed by those above it: others then verify by an authority that they trust
    #[arg(long, value_name = "PEM")]
    pub certificate: Option<PathBuf>,
    /// How files are hashed: sha256, blake2b or blake3
    #[arg(long, value_name = "HASH", default_value = "sha256")]
    pub hash: HashType,
    /// Hash files in pieces of so many bytes, which verify on several cores even if the file is one
    #[arg(long, value_name = "BYTES")]
    pub shard_size: Option<NonZeroU64>,
    /// The signature file [default: DIR/model.sig, or FILE.sig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
}

/// `mantlet model verify`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("trust").required(true).multiple(true)))]
pub struct Verify {
    /// The model's directory, or the one file that it is
    pub dir: PathBuf,
    /// The signature file [default: DIR/model.sig, or FILE.sig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// The signer's public key; repeat for several
    #[arg(long, value_name = "PEM", group = "trust")]
    pub public_key: Vec<PathBuf>,
    /// An authority whose certificates say who may sign; repeat for several
    #[arg(long, value_name = "PEM", group = "trust")]
    pub trusted_ca: Vec<PathBuf>,
    /// Sigstore's authorities and logs (trusted_root.json), for a signature by an account; nothing is fetched
    #[arg(long, value_name = "FILE", group = "trust", requires_all = ["account", "provider"])]
    pub trust_root: Option<PathBuf>,
    /// The account that must have signed
    #[arg(long = "identity", value_name = "ACCOUNT", requires = "trust_root")]
    pub account: Option<String>,
    /// The provider of identities that knows the account
    #[arg(long = "issuer", value_name = "URL", requires = "trust_root")]
    pub provider: Option<String>,
    /// Accept files that the signature does not cover; they are listed and never load
    #[arg(long)]
    pub ignore_unsigned_files: bool,
    /// Follow symbolic links to files, if the signer did as well
    #[arg(long)]
    pub allow_symlinks: bool,
}
