//! What fetched bytes are, by their content: a package on the wire, an archive, or one file.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::{Files, IMPORT_BYTES_MAX, ImportError, Unpacked, tar, zip};
use crate::server::upload;

/// Takes bytes apart. What is no archive is one file of this name.
///
/// A gzip of a tar is what SageMaker keeps as `model.tar.gz`. Archives in archives stay what they are.
///
/// # Errors
/// If it is an archive that is not taken in.
pub fn unpack(bytes: Vec<u8>, name: &str) -> Result<Files, ImportError> {
    let mut unpacked = Unpacked::default();
    if bytes.starts_with(&[0x1F, 0x8B]) {
        let plain = gunzipped(&bytes)?;
        drop(bytes);
        if !tar::is_tar(&plain) {
            return Err(ImportError::Unknown("a gzip of something that is no tar archive"));
        }
        tar::unpack(&plain, &mut unpacked)?;
    } else if tar::is_tar(&bytes) {
        tar::unpack(&bytes, &mut unpacked)?;
    } else if zip::is_zip(&bytes) {
        zip::unpack(&bytes, &mut unpacked)?;
    } else if let Ok((_, files)) = upload::decode(&bytes) {
        drop(bytes);
        for (name, content) in files {
            unpacked.file(name.as_bytes(), content)?;
        }
    } else {
        unpacked.file(name.as_bytes(), bytes)?;
    }
    unpacked.finish()
}

/// One member, whole, with nothing behind it.
fn gunzipped(packed: &[u8]) -> Result<Vec<u8>, ImportError> {
    let mut decoder = GzDecoder::new(packed);
    let mut plain = Vec::new();
    // Within its bound as it comes: a bomb fills no memory that the bound has not.
    let read = Read::by_ref(&mut decoder).take(IMPORT_BYTES_MAX as u64 + 1).read_to_end(&mut plain);
    read.map_err(|_| ImportError::Malformed("the gzip is cut or damaged"))?;
    if plain.len() > IMPORT_BYTES_MAX {
        return Err(ImportError::TooLarge);
    }
    if decoder.into_inner().is_empty() {
        Ok(plain)
    } else {
        Err(ImportError::Malformed("there is something behind the gzip's end"))
    }
}
