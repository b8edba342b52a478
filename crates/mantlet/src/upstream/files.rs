//! The files that an upstream's section names, read once: what they hold is part of what the upstream is, so that a
//! renewed certificate is taken on by a reload.

use std::{fs::File, io::Read, path::Path};

use zeroize::Zeroizing;

use crate::{config, egress::ClientIdentity};

/// A chain of certificates or a bundle of authorities: the system's whole bundle has a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What an upstream's files hold.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    /// Authorities, in PEM.
    pub(super) ca: Option<Vec<u8>>,
    /// The own chain and its key, in PEM.
    identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn read(settings: &config::Upstream) -> Result<Self, String> {
        let identity = match &settings.certificate {
            Some(files) => Some((read(&files.certificate)?, Zeroizing::new(read(&files.key)?))),
            None => None,
        };
        Ok(Self { ca: settings.ca.as_deref().map(read).transpose()?, identity })
    }

    pub(super) fn identity(&self) -> Result<Option<ClientIdentity>, String> {
        let Some((chain, key)) = &self.identity else { return Ok(None) };
        ClientIdentity::from_pem(chain, key).map(Some).map_err(|error| error.to_string())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("`{}` has more than {FILE_BYTES_MAX} bytes", path.display()));
    }
    Ok(bytes)
}
