//! Replacing the root key, so that a process that ends on the way leaves a home that opens.
//!
//! 1. The new root key is kept beside the present one, or where it was said that it is.
//! 2. The home gets a new key of its own, and a ring that either root key opens.
//! 3. Everything that is sealed under a former key of the home is sealed under the new one.
//! 4. The new root key takes the present one's place.
//! 5. The former root key's slot goes, and with it the home's former keys.
//!
//! Each of these can be done again. Until the fifth either root key opens the home, and everything in it opens with one
//! of the home's keys.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Home, HomeError, RootKey, RootKeySource, files,
    ring::{Ring, Secret},
    root_key,
};

/// What stands in the way of replacing the root key.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A key in a variable or a credential cannot be replaced from here.
    #[error("a root key in `{0}` cannot be replaced where it is")]
    NotOurs(RootKeySource),
    /// The place is the present one.
    #[error("the root key is in `{0}` already")]
    SamePlace(RootKeySource),
    /// The present key is offered as the new one.
    #[error("the key in `{0}` is the present root key")]
    SameKey(RootKeySource),
    /// Another rotation is under way, to another key than the one that was named.
    #[error("the root key is on its way to another place")]
    UnderWay,
    /// A file, or a key.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl RotationError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotOurs(_) => {
                Some("put a new key into another variable or credential, and name it by --to".into())
            }
            Self::SamePlace(_) => Some("leave out --to, and the key is replaced in its place".into()),
            Self::SameKey(_) => Some("put a new key there: openssl rand -hex 32".into()),
            Self::UnderWay => Some(
                "say `[store] root_key` where the new key is and run the command again, or name that place by --to".into(),
            ),
            Self::Home(error) => error.hint(),
        }
    }
}

/// A root key on its way to being another.
pub struct Rotation<'a> {
    home: &'a Home,
    new: Secret,
    keys: Vec<Secret>,
    /// Where the new key waits, and where it is to be. None where the configuration has to say so.
    placing: Option<(PathBuf, PathBuf)>,
    /// Whether the configuration names the new key.
    named: bool,
}

impl std::fmt::Debug for Rotation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rotation(…)")
    }
}

impl<'a> Rotation<'a> {
    /// Begins, or goes on with what an earlier process began. When this returns, either root key opens the home.
    ///
    /// # Errors
    /// If the present key cannot be had, or the new one cannot be made or is not there.
    pub fn begin(
        home: &'a Home,
        source: &RootKeySource,
        to: Option<&RootKeySource>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, RotationError> {
        if to == Some(source) {
            return Err(RotationError::SamePlace(source.clone()));
        }
        let present = root_key::secret(source, home, &env).map_err(HomeError::from)?;
        let ring = Ring::open(home, &present)?;
        let placing = match to {
            None => home.root_key_path(source).map(|place| (beside(&place), place)),
            Some(_) => None,
        };
        if ring.roots > 1 && ring.newest_root {
            return Ok(Self { home, new: present, keys: ring.keys, placing: None, named: true });
        }
        if ring.roots > 1 {
            let new = match (&placing, to) {
                (_, Some(to)) => root_key::secret(to, home, &env).map_err(HomeError::from)?,
                (Some((waiting, _)), None) if waiting.exists() => {
                    root_key::read_secret(waiting).map_err(HomeError::from)?
                }
                _ => return Err(RotationError::UnderWay),
            };
            if !Ring::open(home, &new).is_ok_and(|ring| ring.newest_root) {
                return Err(RotationError::UnderWay);
            }
            return Ok(Self { home, new, keys: ring.keys, placing, named: false });
        }
        let new = match (&placing, to) {
            (Some((waiting, _)), None) => root_key::make_secret(waiting)?,
            (None, None) => return Err(RotationError::NotOurs(source.clone())),
            (_, Some(to)) => match home.root_key_path(to) {
                Some(place) if !place.exists() => root_key::make_secret(&place)?,
                _ => root_key::secret(to, home, &env).map_err(HomeError::from)?,
            },
        };
        if new == present {
            return Err(RotationError::SameKey(to.unwrap_or(source).clone()));
        }
        let mut fresh: Secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(fresh.as_mut_slice()).map_err(|_| HomeError::Provider)?;
        let mut keys = vec![fresh];
        keys.extend(ring.keys);
        Ring::put(home, &keys, &[&new, &present])?;
        Ok(Self { home, new, keys, placing, named: false })
    }

    /// What everything in the home opens by: its newest key, and those before it.
    ///
    /// # Errors
    /// None while there are keys.
    pub fn root(&self) -> Result<RootKey, RotationError> {
        Ok(RootKey::of(&self.keys, self.home.id()).ok_or(HomeError::Provider)?)
    }

    /// What is left once the former keys are gone.
    ///
    /// # Errors
    /// None while there are keys.
    pub fn newest(&self) -> Result<RootKey, RotationError> {
        let newest = self.keys.get(..1).unwrap_or_default();
        Ok(RootKey::of(newest, self.home.id()).ok_or(HomeError::Provider)?)
    }

    /// Seals the home's key files under its newest key. They are replaced one by one, each whole or not at all.
    ///
    /// # Errors
    /// If one does not open, or the disk fails.
    pub fn reseal_files(&self) -> Result<(), RotationError> {
        let (dir, root) = (self.home.keys_dir(), self.root()?);
        let unreadable = |source| HomeError::io(&dir, source);
        for entry in fs::read_dir(&dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            // What an interrupted replacement left is replaced with the file itself.
            let sealed = path.is_file() && path.extension().is_some_and(|ending| ending == "key");
            if sealed && files::is_sealed(&path)? {
                files::replace_sealed(&path, &root, &files::read_sealed(&path, &root)?)?;
            }
        }
        Ok(())
    }

    /// Whether the configuration has to be changed before the former key can go.
    #[must_use]
    pub fn waits_for_configuration(&self) -> bool {
        self.placing.is_none() && !self.named
    }

    /// Puts the new key in the former one's place.
    ///
    /// # Errors
    /// If the disk fails; then it is where it was.
    pub fn place(&self) -> Result<(), RotationError> {
        if let Some((waiting, place)) = &self.placing {
            fs::rename(waiting, place).map_err(|source| HomeError::io(place, source))?;
            files::sync_dir(place.parent().unwrap_or(Path::new("/")))?;
        }
        Ok(())
    }

    /// Takes the former root key's slot and the home's former keys away. Nothing may be sealed under them any more.
    ///
    /// # Errors
    /// If the disk fails; then either root key opens the home.
    pub fn finish(self) -> Result<(), RotationError> {
        let newest = self.keys.get(..1).ok_or(HomeError::Provider)?;
        Ok(Ring::put(self.home, newest, &[&self.new])?)
    }
}

/// Where a new key waits until it takes its place.
fn beside(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
