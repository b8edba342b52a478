//! Who asks: the first step of both doors.

mod authenticate;
pub mod key;
pub mod token;
pub mod workload;

use std::{net::IpAddr, sync::Arc};

use mantlet_types::{
    Kid, PrincipalId, RequestId, Sha256, Timestamp, UserId, entry::Authn, entry::Token, workload::IdentityId,
};
use zeroize::Zeroizing;

pub(crate) use authenticate::{authenticate, refuse_leaked, renew};
pub use key::Peppers;
pub use workload::{Svid, Workloads};

use crate::{
    Snapshot,
    urls::{BroughtUrl, UrlTerms},
};

/// Texts of one URL that are tried as keys: a longest path has room for more, but each costs a checksum and an HMAC.
pub const LEAKED_MAX: usize = 8;

/// What the listener knows of a request before anybody is asked anything.
#[derive(Debug)]
pub struct Arrival {
    /// The request's id, made by the listener.
    pub request_id: RequestId,
    /// The client's address; behind trusted proxies the one that they report.
    pub ip: IpAddr,
    /// W3C trace id, if the request carried a valid one.
    pub trace_id: Option<Token>,
    /// How the request came in.
    pub channel: Channel,
    /// What the request presented as its credential.
    pub credential: Credential,
}

/// How a request came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// TLS, with the client's certificate if it had one that our CA issued.
    Tls(Option<Certificate>),
    /// TLS, with the certificate of a workload.
    Workload(Svid),
    /// The control socket; the listener has checked that the peer owns the home.
    Control,
    /// Plain HTTP on loopback, a `[danger]`.
    PlaintextLoopback,
}

/// A client certificate that chains to our CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER form.
    pub digest: Sha256,
    /// The user whom it names.
    pub user: UserId,
    /// From here on it is no factor any more. The handshake has looked too, but connections outlive certificates.
    pub expires: Timestamp,
}

/// What a request presented.
pub enum Credential {
    /// Nothing.
    Nothing,
    /// Something that is no credential, or more than one.
    Malformed,
    /// The text of a bearer token.
    Bearer(Zeroizing<String>),
    /// What may be keys in the URL, where logs see them: refused, and those that are real are revoked. At most
    /// [`LEAKED_MAX`] are looked at.
    InUrl(Vec<Zeroizing<String>>),
    /// A signed URL, where such are answered; `None` if what came there is none.
    SignedUrl(Option<Box<BroughtUrl>>),
    /// Being the home's owner at the control socket.
    LocalOwner,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Malformed => "Malformed",
            Self::Bearer(_) => "Bearer(…)",
            Self::InUrl(_) => "InUrl(…)",
            Self::SignedUrl(_) => "SignedUrl(…)",
            Self::LocalOwner => "LocalOwner",
        })
    }
}

/// Somebody known: the proof that authentication took place, bound to the snapshot that it was decided on.
pub struct Principal {
    id: PrincipalId,
    kid: Option<Kid>,
    authn: Authn,
    mfa: bool,
    /// The key, if it is confined to being replaced.
    confined: Option<Kid>,
    /// The certificate that was the second factor.
    certificate: Option<Certificate>,
    /// Which of a workload's identities was shown.
    identity: Option<IdentityId>,
    /// What of a workload was shown.
    proofs: Vec<authenticate::workload::Proof>,
    /// The signed URL that was brought, which is all that this is good for.
    url: Option<Arc<UrlTerms>>,
    protected: bool,
    ip: IpAddr,
    snapshot: Arc<Snapshot>,
}

impl Principal {
    /// Who.
    #[must_use]
    pub fn id(&self) -> &PrincipalId {
        &self.id
    }

    /// By which key, if by a key.
    #[must_use]
    pub fn kid(&self) -> Option<Kid> {
        self.kid
    }

    /// Which of a workload's identities was shown, if one was.
    #[must_use]
    pub fn identity(&self) -> Option<IdentityId> {
        self.identity
    }

    /// How.
    #[must_use]
    pub fn authn(&self) -> Authn {
        self.authn
    }

    /// Whether a second factor was shown.
    #[must_use]
    pub fn mfa(&self) -> bool {
        self.mfa
    }

    /// The key that was shown, if all it is good for is to be replaced by its owner: somebody else has seen it, and
    /// its owner holds a duty, which must not be in that other hand too (S10, S12). Always `None` in a one-person home.
    #[must_use]
    pub fn confined(&self) -> Option<Kid> {
        self.confined
    }

    /// The certificate that was the second factor, if it was one.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// What the signed URL says that was brought, if one was: nothing else may be done with it. See [`crate::urls`].
    #[must_use]
    pub fn url(&self) -> Option<&UrlTerms> {
        self.url.as_deref()
    }

    /// Whether nobody could listen in: TLS, the control socket, or loopback under `[danger]`.
    #[must_use]
    pub fn protected(&self) -> bool {
        self.protected
    }

    /// From where.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The generation that this request sees from here on.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}
