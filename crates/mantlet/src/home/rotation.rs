//! Replacing the root key, so that a process that ends on the way leaves a home that can be gone on with.
//!
//! First the root key, while the home keeps its keys:
//! 1. The new root key is kept beside the present one, or where it was said that it is.
//! 2. The home gets a ring with the keys that it has, which either root key opens.
//! 3. The new root key takes the present one's place, and is read from there again.
//!
//! Then the home's key, which the former root key must never open:
//! 4. The former root key's slot goes, and the home gets a new key, in one rename.
//! 5. Everything that is sealed under the former key of the home is sealed under the new one.
//! 6. The home's former key goes.
//!
//! Each of these can be done again. Until the fourth either root key opens the home, and it can be abandoned; from then on
//! the new one does, and nothing but this goes on before the sixth: a former key of the home is believed nowhere else.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    Home, HomeError, RootKey, RootKeySource, files,
    ring::{self, Content, Ring, Secret},
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
    /// A key is offered that was let go.
    #[error("the key in `{0}` was this home's root key before, or was to be, and was let go")]
    Retired(RootKeySource),
    /// Another rotation is under way, to another key than the one that was named.
    #[error("the root key is on its way to another place")]
    UnderWay,
    /// Nothing to abandon.
    #[error("the root key is not being replaced")]
    NotUnderWay,
    /// The former root key opens nothing any more, or the new one is where the configuration says.
    #[error("the new root key is in its place, and cannot be abandoned any more")]
    TooLate,
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
            Self::SameKey(_) | Self::Retired(_) => Some("put a new key there: openssl rand -hex 32".into()),
            Self::UnderWay => Some(
                "say `[store] root_key` where the new key is and run the command again without --to, or give the change \
                 up: mantlet root key rotate --abandon"
                    .into(),
            ),
            Self::NotUnderWay => None,
            Self::TooLate => Some("go on: mantlet root key rotate".into()),
            Self::Home(error) => error.hint(),
        }
    }
}

/// How far a rotation is.
enum Stage {
    /// Either root key opens the home. The new one waits in the first file, and its place is the second.
    Waiting(PathBuf, PathBuf),
    /// Either root key opens the home. The configuration has to say where the new one is.
    Unnamed,
    /// Either root key opens the home. The new one is where the configuration says.
    Placed,
    /// The new root key alone opens the home, which has a new key and the former one.
    Resealing,
}

/// A root key on its way to being another.
pub struct Rotation<'a> {
    home: &'a Home,
    source: RootKeySource,
    new: Secret,
    content: Content,
    stage: Stage,
}

impl std::fmt::Debug for Rotation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rotation(…)")
    }
}

impl<'a> Rotation<'a> {
    /// Begins, or goes on with what an earlier process began. When this returns, either root key opens the home, or the
    /// new one does already.
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
        let Ring { content, newest_root, roots } = Ring::open(home, &present)?;
        let at = |new, content, stage| Self { home, source: source.clone(), new, content, stage };
        let stage = match (content.keys.len(), roots, newest_root) {
            (1, 0 | 1, _) => None,
            (1, _, false) => return Self::go_on(home, source, to, env),
            (1, _, true) => Some(Stage::Placed),
            _ => Some(Stage::Resealing),
        };
        if let Some(stage) = stage {
            // Whoever names another place now would wait for a change that is not made.
            return if to.is_some() { Err(RotationError::UnderWay) } else { Ok(at(present, content, stage)) };
        }
        let place = home.root_key_path(source);
        let (new, stage) = match (place, to) {
            (Some(place), None) => {
                let waiting = beside(&place);
                (root_key::replace_secret(home, source, &waiting, &env)?, Stage::Waiting(waiting, place))
            }
            (None, None) => return Err(RotationError::NotOurs(source.clone())),
            (_, Some(to)) => (made_or_found(home, to, &env)?, Stage::Unnamed),
        };
        if new == present {
            return Err(RotationError::SameKey(to.unwrap_or(source).clone()));
        }
        let digest = |root| ring::digest(root, home.id()).ok_or(HomeError::Provider);
        if content.has_retired(digest(&new)?) {
            return Err(RotationError::Retired(to.unwrap_or(source).clone()));
        }
        // Whichever of the two is left in the end, the other must not come back.
        let (mut for_new, mut for_present) = (content.clone(), content);
        for_new.retire(digest(&present)?);
        for_present.retire(digest(&new)?);
        Ring::put(home, &[(&new, &for_new), (&present, &for_present)])?;
        Ok(at(new, for_new, stage))
    }

    /// The configuration names the former key still: finds the new one.
    fn go_on(
        home: &'a Home,
        source: &RootKeySource,
        to: Option<&RootKeySource>,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, RotationError> {
        let place = home.root_key_path(source);
        let (new, stage) = match (place, to) {
            (_, Some(to)) => (root_key::secret(to, home, &env).map_err(HomeError::from)?, Stage::Unnamed),
            (Some(place), None) if beside(&place).exists() => {
                let waiting = beside(&place);
                (
                    root_key::read_secret(home, source, &waiting, &env).map_err(HomeError::from)?,
                    Stage::Waiting(waiting, place),
                )
            }
            _ => return Err(RotationError::UnderWay),
        };
        match Ring::open(home, &new) {
            Ok(Ring { content, newest_root: true, roots: 2 }) => {
                Ok(Self { home, source: source.clone(), new, content, stage })
            }
            _ => Err(RotationError::UnderWay),
        }
    }

    /// Gives up a change of the root key: the present one stays, and the one that was to come is not taken again.
    ///
    /// # Errors
    /// If none is under way, or the new key is in its place.
    pub fn abandon(
        home: &Home,
        source: &RootKeySource,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(), RotationError> {
        let present = root_key::secret(source, home, &env).map_err(HomeError::from)?;
        let ring = Ring::open(home, &present)?;
        match (ring.content.keys.len(), ring.roots, ring.newest_root) {
            (1, 0 | 1, _) => return Err(RotationError::NotUnderWay),
            (1, _, false) => {}
            _ => return Err(RotationError::TooLate),
        }
        let waiting = home.root_key_path(source).map(|place| beside(&place));
        let waiting = waiting.filter(|path| {
            let new = root_key::read_secret(home, source, path, &env);
            new.is_ok_and(|new| Ring::open(home, &new).is_ok_and(|ring| ring.newest_root))
        });
        Ring::put(home, &[(&present, &ring.content)])?;
        match waiting {
            Some(path) => Ok(fs::remove_file(&path).map_err(|source| HomeError::io(&path, source))?),
            None => Ok(()),
        }
    }

    /// Whether the configuration has to be changed before this can go on.
    #[must_use]
    pub fn waits_for_configuration(&self) -> bool {
        matches!(self.stage, Stage::Unnamed)
    }

    /// Puts the new root key in the former one's place, if it is not there.
    ///
    /// # Errors
    /// If the disk fails; then it is where it was.
    pub fn place(&mut self) -> Result<(), RotationError> {
        if let Stage::Waiting(waiting, place) = &self.stage {
            fs::rename(waiting, place).map_err(|source| HomeError::io(place, source))?;
            files::sync_dir(place.parent().unwrap_or(Path::new("/")))?;
            self.stage = Stage::Placed;
        }
        Ok(())
    }

    /// Takes the former root key's slot away and gives the home a new key, which that root key has never opened.
    ///
    /// # Errors
    /// If the new root key, read from its place again, does not open the ring; then either root key opens the home as
    /// before.
    pub fn renew_home_key(&mut self, env: impl Fn(&str) -> Option<OsString>) -> Result<(), RotationError> {
        match self.stage {
            Stage::Resealing => return Ok(()),
            Stage::Placed => {}
            Stage::Waiting(..) | Stage::Unnamed => return Err(RotationError::UnderWay),
        }
        let new = root_key::secret(&self.source, self.home, &env).map_err(HomeError::from)?;
        let Ring { mut content, newest_root: true, roots: 2 } = Ring::open(self.home, &new)? else {
            return Err(RotationError::UnderWay);
        };
        let mut fresh: Secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(fresh.as_mut_slice()).map_err(|_| HomeError::Provider)?;
        content.keys.insert(0, fresh);
        Ring::put(self.home, &[(&new, &content)])?;
        (self.new, self.content, self.stage) = (new, content, Stage::Resealing);
        Ok(())
    }

    /// What everything in the home opens by: its newest key, and the one before it.
    ///
    /// # Errors
    /// None while there are keys.
    pub fn root(&self) -> Result<RootKey, RotationError> {
        Ok(RootKey::of(&self.content.keys, self.replaced(), self.home.id()).ok_or(HomeError::Provider)?)
    }

    /// What is left once the former key is gone.
    ///
    /// # Errors
    /// None while there are keys.
    pub fn newest(&self) -> Result<RootKey, RotationError> {
        let newest = self.content.keys.get(..1).unwrap_or_default();
        Ok(RootKey::of(newest, self.replaced(), self.home.id()).ok_or(HomeError::Provider)?)
    }

    /// How often the root key has been replaced, this time included once the home has a new key: from then on the log may have
    /// seen it.
    fn replaced(&self) -> u64 {
        self.content.completed.saturating_add(u64::from(self.content.keys.len() > 1))
    }

    /// Seals the home's key files under its newest key. They are replaced one by one, each whole or not at all.
    ///
    /// # Errors
    /// If one does not open, or the disk fails.
    pub fn reseal_files(&self) -> Result<(), RotationError> {
        let root = self.root()?;
        for path in self.sealed_files()? {
            files::replace_sealed(&path, &root, &files::read_sealed(&path, &root)?)?;
        }
        Ok(())
    }

    /// Opens every one of the home's key files by its newest key alone.
    ///
    /// # Errors
    /// If one does not open.
    pub fn check_files(&self) -> Result<(), RotationError> {
        let newest = self.newest()?;
        for path in self.sealed_files()? {
            files::read_sealed(&path, &newest)?;
        }
        Ok(())
    }

    fn sealed_files(&self) -> Result<Vec<PathBuf>, RotationError> {
        let dir = self.home.keys_dir();
        let unreadable = |source| HomeError::io(&dir, source);
        let mut sealed = Vec::new();
        for entry in fs::read_dir(&dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            // What an interrupted replacement left is replaced with the file itself.
            let key = path.is_file() && path.extension().is_some_and(|ending| ending == "key");
            if key && files::is_sealed(&path)? {
                sealed.push(path);
            }
        }
        Ok(sealed)
    }

    /// Takes the home's former key away. Nothing may be sealed under it any more.
    ///
    /// # Errors
    /// If the disk fails, or the ring is not the one that this began; then what was there is there.
    pub fn finish(mut self) -> Result<(), RotationError> {
        let there = Ring::open(self.home, &self.new)?;
        if !matches!(self.stage, Stage::Resealing) || there.content.keys != self.content.keys {
            return Err(RotationError::UnderWay);
        }
        self.content.keys.truncate(1);
        self.content.completed = self.content.completed.saturating_add(1);
        Ok(Ring::put(self.home, &[(&self.new, &self.content)])?)
    }
}

/// The key in a place: a file is made where there is none.
fn made_or_found(
    home: &Home,
    to: &RootKeySource,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, HomeError> {
    match home.root_key_path(to) {
        Some(place) if fs::symlink_metadata(&place).is_err() => root_key::make_secret(home, to, &place, env),
        _ => Ok(root_key::secret(to, home, env)?),
    }
}

/// Where a new key waits until it takes its place.
pub(super) fn beside(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
