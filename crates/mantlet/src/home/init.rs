//! Making a home: everything in a directory beside the place where it will be, then one rename. A home that could not
//! be finished was never there.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use mantlet_models::artifact;
use mantlet_types::UserId;
use zeroize::Zeroizing;

use super::{Authority, Home, HomeError, HomeId, LAYOUT, RootKey, RootKeySource, files};

/// What a new home should be like.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// What the server will be called by its clients, beside `localhost`. The certificate authority can vouch for these
    /// names and for no others, ever.
    pub names: Vec<String>,
    /// As whom the owner of the files acts at the control socket.
    pub owner: Option<UserId>,
    /// A laptop's home: duties may meet in one person, and the root key may lie inside.
    pub single_person: bool,
    /// Where to keep the root key. By default inside a one-person home, and outside a team's, in
    /// `$XDG_CONFIG_HOME/mantlet/`. A key that is named must not exist yet if it is a file; a credential or a
    /// variable must.
    pub root_key: Option<RootKeySource>,
}

/// A home in the making. Removes everything it made unless [`NewHome::finish`] is called.
#[derive(Debug)]
pub struct NewHome {
    home: Home,
    root: RootKey,
    source: RootKeySource,
    target: PathBuf,
    /// What to remove if nothing comes of it.
    unfinished: Vec<PathBuf>,
}

/// Makes a home's directories, keys, certificates and configuration, not yet in place. The store and the first
/// people are the caller's: their paths come from [`NewHome::home`], and must be closed before it is finished.
///
/// # Errors
/// If the place is taken, or something cannot be made; then nothing is left behind.
pub fn prepare(
    target: &Path,
    options: &InitOptions,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<NewHome, HomeError> {
    check_place(target)?;
    let id = HomeId::generate()?;
    let source = match &options.root_key {
        Some(RootKeySource::Inside) if !options.single_person => return Err(HomeError::RootKeyInside),
        Some(source) => source.clone(),
        None if options.single_person => RootKeySource::Inside,
        None => RootKeySource::File(outside(&id, &env)?),
    };
    let dir = beside(target, &id)?;
    files::make_dir(&dir)?;
    // From here on, leaving early removes what was made.
    let mut unfinished = vec![dir.clone()];
    match furnish(dir, id, &source, options, env, &mut unfinished) {
        Ok((home, root)) => Ok(NewHome { home, root, source, target: target.to_owned(), unfinished }),
        Err(error) => {
            remove(&unfinished);
            Err(error)
        }
    }
}

impl NewHome {
    /// The home, at its place for the time being.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its root key.
    #[must_use]
    pub fn root_key(&self) -> &RootKey {
        &self.root
    }

    /// Where its root key is kept.
    #[must_use]
    pub fn root_key_source(&self) -> &RootKeySource {
        &self.source
    }

    /// Puts the home in place.
    ///
    /// # Errors
    /// If the place was taken in the meantime; then nothing is left behind.
    pub fn finish(mut self) -> Result<(Home, RootKeySource), HomeError> {
        // Replaces an empty directory, fails on anything else: rename(2).
        fs::rename(self.home.dir(), &self.target).map_err(|source| HomeError::io(&self.target, source))?;
        self.unfinished.clear();
        files::sync_dir(self.target.parent().unwrap_or(Path::new(".")))?;
        Ok((Home::open(&self.target)?, self.source.clone()))
    }
}

impl Drop for NewHome {
    fn drop(&mut self) {
        remove(&self.unfinished);
    }
}

/// Best effort: what cannot be removed is closed to others and says by its name what it is.
fn remove(paths: &[PathBuf]) {
    for path in paths {
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

fn check_place(target: &Path) -> Result<(), HomeError> {
    let dir = target.to_owned();
    match fs::read_dir(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(HomeError::io(target, source)),
        Ok(_) if Home::is_home(target) => Err(HomeError::Exists { dir }),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(HomeError::NotEmpty { dir }),
        },
    }
}

/// On the same file system as the target, so that the rename is one step.
fn beside(target: &Path, id: &HomeId) -> Result<PathBuf, HomeError> {
    let name = target.file_name().ok_or_else(|| HomeError::NotEmpty { dir: target.to_owned() })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".unfinished-");
    hidden.push(&id.as_str()[..8]);
    let absolute = std::path::absolute(target).map_err(|source| HomeError::io(target, source))?;
    Ok(absolute.with_file_name(hidden))
}

/// `$XDG_CONFIG_HOME/mantlet/<home id>.key` (XDG Base Directory Specification: relative values are ignored).
fn outside(id: &HomeId, env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, HomeError> {
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    Ok(config.ok_or(HomeError::NoConfigDir)?.join("mantlet").join(format!("{id}.key")))
}

fn furnish(
    dir: PathBuf,
    id: HomeId,
    source: &RootKeySource,
    options: &InitOptions,
    env: impl Fn(&str) -> Option<OsString>,
    unfinished: &mut Vec<PathBuf>,
) -> Result<(Home, RootKey), HomeError> {
    let home = Home { dir, id };
    for part in [home.keys_dir(), home.trusted_signers_dir(), home.audit_dir(), home.registry_dir()] {
        files::make_dir(&part)?;
    }
    files::make_dir(&home.data_dir())?;
    files::make_dir(&home.run_dir())?;
    let root = make_root_key(&home, source, env, unfinished)?;
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| HomeError::Provider)?;
    files::replace_sealed(&home.audit_key_path(), &root, seed.as_slice())?;
    Authority::create(&home, &root, &options.names)?;
    if options.single_person {
        make_author(&home)?;
    }
    // Whatever backs up, copies or publishes directories passes over a home.
    files::make(&home.dir.join(".gitignore"), b"*\n")?;
    files::make(&home.dir.join(".dockerignore"), b"*\n")?;
    files::make(&home.config_path(), configuration(options, source).as_bytes())?;
    files::make(&home.dir.join("home.id"), format!("{LAYOUT} {}\n", home.id).as_bytes())?;
    Ok((home, root))
}

fn make_root_key(
    home: &Home,
    source: &RootKeySource,
    env: impl Fn(&str) -> Option<OsString>,
    unfinished: &mut Vec<PathBuf>,
) -> Result<RootKey, HomeError> {
    let Some(path) = home.root_key_path(source) else { return Ok(home.root_key(source, env)?) };
    super::root_key::make_secret(home, source, &path, &env)?;
    unfinished.push(path);
    Ok(home.root_key(source, env)?)
}

/// One person is author and owner: the key that signs, and the key that is trusted, are one.
fn make_author(home: &Home) -> Result<(), HomeError> {
    let (private, public) = artifact::generate_signing_key().map_err(|_| HomeError::Provider)?;
    files::make(&home.author_key_path(), private.as_bytes())?;
    files::make(&home.trusted_signers_dir().join("owner.pem"), public.as_bytes())
}

/// The first configuration: nothing but what differs from the defaults.
fn configuration(options: &InitOptions, source: &RootKeySource) -> String {
    let root_key = toml::Value::String(source.to_string());
    let owner = options
        .owner
        .as_ref()
        .map(|owner| format!("[identity]\nowner = \"{owner}\"\n\n"))
        .unwrap_or_default();
    let names = match options.names.as_slice() {
        [] => String::new(),
        names => format!("[server]\nnames = {}\n\n", toml::Value::from(names.to_vec())),
    };
    let danger = if options.single_person {
        "\n[danger]\n# One person may hold every duty. Every record and screen says so.\nsingle_person = true\n"
    } else {
        ""
    };
    format!(
        "# What is not written here has its safe default: mantlet config check\n\n\
         {names}{owner}[store]\nroot_key = {root_key}\n{danger}"
    )
}
