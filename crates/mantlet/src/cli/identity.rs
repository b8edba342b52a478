//! A person's identity as a directory: what `init`, `user invite` and `user certify` hand out, and what `--as` acts by.
//!
//! There is one form of it, so that what one command writes every other one reads:
//!
//! | file | what |
//! |---|---|
//! | `key` | the personal API key |
//! | `certificate.pem` | the certificate that is the second factor |
//! | `certificate.key` | its private key |
//! | `ca.pem` | whom to trust as the server; without it, the system's authorities |
//! | `url` | where the server is |
//!
//! All that `--as` presents comes from the directory alone. A key from the environment would let somebody act as another
//! person than the one they named, and an authority from there would choose who gets to see the key.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use http::{HeaderValue, Request, header};
use mantlet_types::Kid;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

use super::{
    exit::{Exit, Failure},
    transport::{self, Reply, Trust},
};
use crate::home::UserCertificate;

/// The personal API key.
pub const KEY_FILE: &str = "key";
/// The certificate that is the second factor.
pub const CERTIFICATE_FILE: &str = "certificate.pem";
/// The certificate's private key.
pub const CERTIFICATE_KEY_FILE: &str = "certificate.key";
/// The authority of the server's certificate.
const CA_FILE: &str = "ca.pem";
/// Where the server is.
const URL_FILE: &str = "url";

/// A key that `key rotate` has made, until it is in its place.
const NEW_KEY_FILE: &str = "key.new";

/// What is in an identity's files; none is longer than a certificate chain.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// A person, as somebody who has their files acts.
pub struct Identity {
    dir: PathBuf,
    key: Zeroizing<String>,
    url: String,
}

/// Where a server is, and whom to trust there.
pub struct Place {
    /// `https://host:port`.
    pub url: String,
    /// The authority's certificate in PEM, unless the system knows the server's authority.
    pub ca_pem: Option<String>,
}

impl Identity {
    /// Reads a directory; `url` replaces the one that stands there.
    pub fn open(dir: &Path, url: Option<String>) -> Result<Self, Failure> {
        if !dir.is_dir() {
            return Err(Failure::new(format!("`{}` is no directory with an identity", dir.display())).hint(
                "`mantlet init`, `mantlet user invite` and `mantlet user certify` write one to hand over",
            ));
        }
        let key = secret(dir, KEY_FILE)?.ok_or_else(|| {
            let failure = Failure::new(format!("there is no `{}`", dir.join(KEY_FILE).display()));
            Failure { exit: Exit::Unauthenticated, ..failure }
                .hint("put the person's API key there, in a file that only its owner reads (mode 0600)")
        })?;
        let key = Zeroizing::new(key.trim().to_owned());
        let url = match url {
            Some(url) => url,
            None => text(dir, URL_FILE)?
                .map(|url| url.trim().to_owned())
                .filter(|url| !url.is_empty())
                .ok_or_else(|| {
                    Failure::new(format!("`{}` does not say where the server is", dir.display()))
                        .hint("name it with --url https://host:port")
                })?,
        };
        Ok(Self { dir: dir.to_owned(), key, url: url.trim_end_matches('/').to_owned() })
    }

    /// Where the server is, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The public id of the key that is presented.
    pub fn kid(&self) -> Result<Kid, Failure> {
        let kid = self.key.split('_').nth(2).and_then(|kid| kid.parse().ok());
        kid.ok_or_else(|| Failure::new(format!("`{}` holds no API key", self.dir.join(KEY_FILE).display())))
    }

    /// Sends a request as this person: their key, and their certificate where there is one.
    pub async fn send(&self, mut request: Request<bytes::Bytes>) -> Result<Reply, Failure> {
        let bearer = bearer(&self.key).ok_or_else(|| {
            Failure::new(format!("`{}` holds no API key", self.dir.join(KEY_FILE).display()))
        })?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let trust = match text(&self.dir, CA_FILE)? {
            Some(pem) => Trust::pem(pem, &self.dir.join(CA_FILE)),
            None => Trust::system(),
        };
        transport::tls(&self.url, trust, self.certificate()?, request).await
    }

    /// The certificate and its private key. Without both the person comes with the key alone, which opens less.
    pub fn certificate(&self) -> Result<Option<transport::ClientCertificate>, Failure> {
        let (chain, key) = (text(&self.dir, CERTIFICATE_FILE)?, secret(&self.dir, CERTIFICATE_KEY_FILE)?);
        let (Some(chain), Some(key)) = (chain, key) else { return Ok(None) };
        let bad = |file: &str, error: rustls_pki_types::pem::Error| {
            Failure::new(format!("`{}`: {error}", self.dir.join(file).display()))
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| bad(CERTIFICATE_FILE, error))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| bad(CERTIFICATE_KEY_FILE, error))?;
        Ok(Some((chain, key)))
    }

    /// Makes room for the key that is going to replace this person's own. Before it is asked for: a key that cannot be
    /// written down must not be made, since the old one may end at once.
    pub fn make_room(&self) -> Result<NewKey, Failure> {
        let path = self.dir.join(NEW_KEY_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(&path, &error)),
            _ => {}
        }
        let file = private().create_new(true).open(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(NewKey { dir: self.dir.clone(), file, placed: false })
    }
}

/// Room for a new key beside the old one.
pub struct NewKey {
    dir: PathBuf,
    file: File,
    placed: bool,
}

impl NewKey {
    /// Puts the new key in the old one's place, in one step and durably.
    pub fn place(mut self, key: &str) -> Result<PathBuf, Failure> {
        let path = self.dir.join(KEY_FILE);
        let written = self.file.write_all(key.as_bytes()).and_then(|()| self.file.sync_all());
        let moved = written.and_then(|()| fs::rename(self.dir.join(NEW_KEY_FILE), &path));
        moved.map_err(|error| unwritable(&path, &error))?;
        self.placed = true;
        // The rename is durable once the directory is. A file system that cannot sync one has done what it can.
        let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
        Ok(path)
    }
}

impl Drop for NewKey {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(self.dir.join(NEW_KEY_FILE));
        }
    }
}

/// Makes the directory of a new identity; nobody else reads it.
pub fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().mode(0o700).create(dir).map_err(|error| {
        Failure::new(format!("cannot make `{}`: {error}", dir.display()))
            .hint("name another place with --out")
    })
}

/// Writes a whole identity; without a key where it is shown in another way.
pub fn write(
    dir: &Path,
    key: Option<&str>,
    certificate: &UserCertificate,
    place: &Place,
) -> Result<(), Failure> {
    if let Some(key) = key {
        write_secret(&dir.join(KEY_FILE), key.as_bytes())?;
    }
    put(&dir.join(CERTIFICATE_KEY_FILE), certificate.key_pem.as_bytes())?;
    put(&dir.join(CERTIFICATE_FILE), certificate.certificate_pem.as_bytes())?;
    if let Some(pem) = &place.ca_pem {
        put(&dir.join(CA_FILE), pem.as_bytes())?;
    }
    put(&dir.join(URL_FILE), format!("{}\n", place.url).as_bytes())
}

/// Writes a file that only its owner reads, and that was not there before.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file = private().create_new(true).open(path).map_err(|error| unwritable(path, &error))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| unwritable(path, &error))
}

/// Writes a file that only its owner reads, in one step, whether or not there was one.
fn put(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    write_secret(&new, content)?;
    fs::rename(&new, path).map_err(|error| unwritable(path, &error))
}

/// A key as a request carries it; `None` if it has characters that no key has.
pub fn bearer(key: &str) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write `{}`: {error}", path.display()))
}

/// A file that nobody else may read, because whoever did would be this person.
fn secret(dir: &Path, name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let path = dir.join(name);
    match fs::metadata(&path) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            return Err(Failure::new(format!("others can read `{}`", path.display()))
                .hint(format!("chmod 600 {}", path.display())));
        }
        _ => {}
    }
    Ok(text(dir, name)?.map(Zeroizing::new))
}

/// A file's text, if there is such a file.
fn text(dir: &Path, name: &str) -> Result<Option<String>, Failure> {
    let path = dir.join(name);
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)
        .map_err(|error| unreadable(&error))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(key: &str, mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        dir
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let dir = directory("mtk_live_9x7zsnW6gsKe_x", 0o644);
        let failure = Identity::open(dir.path(), Some("https://a:1".into())).err().unwrap();
        assert!(failure.message.contains("others can read"), "{}", failure.message);
    }

    #[test]
    fn the_flag_says_where_the_server_is_before_the_file_does() {
        let dir = directory("mtk_live_9x7zsnW6gsKe_x\n", 0o600);
        assert!(Identity::open(dir.path(), None).is_err());
        fs::write(dir.path().join(URL_FILE), "https://a:1/\n").unwrap();
        assert_eq!(Identity::open(dir.path(), None).unwrap().url, "https://a:1");
        let other = Identity::open(dir.path(), Some("https://b:2".into())).unwrap();
        assert_eq!((other.url.as_str(), other.kid().unwrap().as_str()), ("https://b:2", "9x7zsnW6gsKe"));
    }

    #[test]
    fn a_new_key_takes_the_old_ones_place_or_leaves_it_there() {
        let dir = directory("mtk_live_9x7zsnW6gsKe_x", 0o600);
        let identity = Identity::open(dir.path(), Some("https://a:1".into())).unwrap();
        let now = || fs::read_to_string(dir.path().join(KEY_FILE)).unwrap();
        drop(identity.make_room().unwrap());
        assert_eq!(now(), "mtk_live_9x7zsnW6gsKe_x");
        identity.make_room().unwrap().place("new").unwrap();
        assert_eq!(now(), "new");
        assert_eq!(fs::metadata(dir.path().join(KEY_FILE)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
