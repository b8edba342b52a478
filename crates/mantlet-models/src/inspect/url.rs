//! Signed URLs of packages: signing one, and giving what one is brought for.

use std::{net::IpAddr, sync::Arc};

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office, Petition},
    directory::Directory,
    identity::Principal,
    policy::Target,
    urls::{self, Signature, UrlTerms, UrlWish},
};
use mantlet_types::{
    Action, Code, Rejection, Sha256,
    entry::{Event, Token},
};

use super::{Opened, Room, SMALL_BYTES, Which};
use crate::{
    package::Package,
    register::Shelf,
    registry::{PackageDigest, RegistryError},
};

/// Length and SHA-256 of what a URL gives: of this file of the package, or of the whole package on the wire; `None` if the
/// package has no such file.
pub type Measure = fn(&Package, Option<&str>) -> Option<(u64, Sha256)>;

/// Has a URL signed for a version's package. The package is taken off the shelf and verified first: a URL for what cannot
/// be had is worth nothing, and whoever gets it is told what to expect.
pub struct SignUrl {
    /// Of which model.
    pub which: Which,
    /// What for.
    pub wish: UrlWish,
    /// What measures it.
    pub measure: Measure,
    /// Where packages are.
    pub shelf: Shelf,
}

/// A signed URL, and what it gives.
pub struct Signed {
    /// What it says.
    pub terms: UrlTerms,
    /// What shows that we said so.
    pub signature: Signature,
    /// Digest of the package's signed manifest: what audit entries name.
    pub digest: Sha256,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: Sha256,
}

impl Deed for SignUrl {
    type Reply = Signed;

    fn event(&self) -> Event {
        Event::UrlSign
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(lending(&self.which, caller, directory))
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&self.wish.id.to_string()))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Signed>, Rejection> {
        let Self { which, wish, measure, shelf } = self;
        let directory = &office.snapshot.directory;
        let version = which.version(directory)?;
        let record = directory.models.get(&which.model).and_then(|model| model.versions.get(&version));
        let record = record.ok_or(Code::NotFound)?;
        let (terms, signature) =
            urls::sign(office, (&which.model, version), PackageDigest(record.package).0, wish)?;
        let opened = which.package(&shelf, directory).await?;
        let (digest, bytes, sha256) = measured(opened, measure, terms.file.clone()).await?;
        Ok(Done::read(Signed { terms, signature, digest, bytes, sha256 }))
    }
}

/// The claim of whoever has a URL made, here or elsewhere. In person one may still see what answered once; a URL to what is
/// retired would be void at once here, and should be elsewhere.
pub(super) fn lending(which: &Which, caller: &Principal, directory: &Directory) -> Claims {
    let record = |version| directory.models.get(&which.model)?.versions.get(&version);
    let known = which.version(directory).ok().and_then(record);
    if known.is_some_and(|record| record.facts.retired.is_some()) {
        return Claims::All(vec![(Action::Export, Target::Unknown)]);
    }
    which.version_claim(Action::Export, caller, directory)
}

/// Digest of a package's manifest, and length and SHA-256 of what of it leaves: one file, or all.
pub(super) async fn measured(
    opened: Opened,
    measure: Measure,
    file: Option<Arc<str>>,
) -> Result<(Sha256, u64, Sha256), Rejection> {
    let measured = tokio::task::spawn_blocking(move || {
        let digest = opened.artifact.digest();
        Some((digest, measure(opened.artifact.package(), file.as_deref())?))
    });
    let measured = measured.await.map_err(|error| Rejection::unavailable(error.to_string()))?;
    let (digest, (bytes, sha256)) =
        measured.ok_or_else(|| Rejection::argument("the package has no such file"))?;
    Ok((digest, bytes, sha256))
}

/// A package that a signed URL was brought for, with the room that it takes.
pub struct Brought {
    shelf: Shelf,
    /// What the registry keeps it under.
    pub package: PackageDigest,
    /// What its signature calls it.
    pub subject: String,
    /// Its files: name, SHA-256 and bytes of each, in the order of the names.
    pub files: Vec<(String, Sha256, u64)>,
    room: Option<Room>,
}

impl Brought {
    fn of(shelf: Shelf, package: PackageDigest) -> Result<Self, RegistryError> {
        let subject = shelf.registry.subject(&package)?;
        let files = shelf.registry.files(&package)?;
        Ok(Self { shelf, package, subject, files, room: None })
    }

    /// Whether what is given of it may take more than needs no room. Whatever is wanted, all of it may have to be verified.
    fn is_large(&self) -> bool {
        self.files.iter().fold(0_u64, |sum, (_, _, bytes)| sum.saturating_add(*bytes)) > SMALL_BYTES
    }

    /// What keeps the room until so many bytes have left. Few bytes need none: whoever reads them slowly takes nothing from
    /// anybody.
    #[must_use]
    pub fn room_for(&mut self, bytes: usize) -> Option<Room> {
        self.room.take().filter(|_| bytes as u64 > SMALL_BYTES)
    }

    /// All of it, verified again, and the digest of its signed manifest. Blocking.
    ///
    /// # Errors
    /// 503 if it cannot be had, or nobody answers for it any more.
    pub fn whole(&self) -> Result<(Package, Sha256), Rejection> {
        let artifact = self.shelf.verified(self.package).map_err(Rejection::unavailable)?;
        let digest = artifact.digest();
        Ok((artifact.into_package(), digest))
    }

    /// A part of one of its files, which has so many bytes: only what it touches is read, and checked to be what was stored. Blocking.
    ///
    /// # Errors
    /// 503 if it cannot be had.
    pub fn part(
        &self,
        (file, bytes): (Sha256, u64),
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, Rejection> {
        let failed = |error: &dyn std::fmt::Display| Rejection::unavailable(error.to_string());
        let object = self.shelf.registry.object(file, bytes).map_err(|error| failed(&error))?;
        object.read_range(range).map_err(|error| failed(&error))
    }
}

/// What is to leave, with its HTTP status.
pub struct Given<R> {
    /// That.
    pub reply: R,
    /// 200, or what else it is.
    pub status: u16,
}

/// Asks for what a signed URL is brought for. `give` makes that of the package.
pub struct Redemption<F> {
    /// What the URL says.
    pub terms: UrlTerms,
    /// From where it is brought.
    pub from: IpAddr,
    /// Where packages are.
    pub shelf: Shelf,
    /// What is wanted of the package.
    pub give: F,
}

/// The same with the package at hand.
pub struct Redeem<R> {
    terms: UrlTerms,
    given: Given<R>,
}

impl<F, R> Petition for Redemption<F>
where
    F: FnOnce(&mut Brought) -> Result<Given<R>, Rejection> + Send + 'static,
    R: Send + 'static,
{
    type Deed = Redeem<R>;

    fn event(&self) -> Event {
        Event::UrlRedeem
    }

    /// Nothing is read off the shelf for who may not have it.
    fn entry_claims(&self, caller: &Principal, directory: &Directory) -> Result<Option<Claims>, Rejection> {
        if caller.url() != Some(&self.terms) {
            return Err(Code::NotFound.into());
        }
        urls::claims(caller, directory).map(Some)
    }

    async fn read(self) -> Result<Redeem<R>, Rejection> {
        let Self { terms, from, shelf, give } = self;
        let failed = |error: &dyn std::fmt::Display| Rejection::unavailable(error.to_string());
        let (fetching, package) = (Arc::clone(&shelf.fetching), PackageDigest(terms.package));
        // The index alone, which is small.
        let brought = tokio::task::spawn_blocking(move || Brought::of(shelf, package));
        let brought = brought.await.map_err(|error| failed(&error))?;
        let mut brought = brought.map_err(|error| failed(&error))?;
        if brought.is_large() {
            brought.room = Some(fetching.enter(terms.id, from).await?);
        }
        let given = tokio::task::spawn_blocking(move || give(&mut brought));
        Ok(Redeem { terms, given: given.await.map_err(|error| failed(&error))?? })
    }
}

impl<R: Send + 'static> Deed for Redeem<R> {
    type Reply = Given<R>;

    fn event(&self) -> Event {
        Event::UrlRedeem
    }

    /// A URL for one use is used up by it.
    fn changes(&self) -> bool {
        self.terms.once
    }

    fn status(reply: &Given<R>) -> u16 {
        reply.status
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        urls::claims(caller, directory)
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(&self.terms.kid.to_string()))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Given<R>>, Rejection> {
        let Self { terms, given } = self;
        let directory = &office.snapshot.directory;
        // Parts are read without the signature. INVARIANT (standing-trust): what is loaded is what was verified as a whole, by
        // somebody who is trusted still.
        if office.snapshot.model(&terms.model, Some(terms.version)).is_none() {
            return Err(Rejection::unavailable(
                "the version is not loaded, so nobody answers for its package",
            ));
        }
        // INVARIANT (once): that it was used is durable before the first byte leaves. What gave nothing uses up nothing.
        let changes = if terms.once && given.status < 300 {
            urls::used(directory, &terms, office.gate.now())?
        } else {
            Vec::new()
        };
        Ok(Done::changed(given, changes))
    }
}
