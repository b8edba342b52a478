//! Revoking a key: the next request with it fails.

use mantlet_types::{
    Action, Code, Kid, PrincipalId, Rejection,
    entry::{Event, Token},
};
use serde::Serialize;

use super::{is_own, on_user_anywhere, unknown};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory, Key, KeyState},
    identity::Principal,
    people::consumers::on_consumer,
};

/// Revokes a key, for good. Revoking it again changes nothing.
#[derive(Clone, Debug)]
pub struct RevokeKey {
    /// Which.
    pub kid: Kid,
}

/// A key that is not valid any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// Which.
    pub kid: Kid,
    /// Whose it was.
    pub owner: PrincipalId,
}

impl Deed for RevokeKey {
    type Reply = Revoked;

    fn event(&self) -> Event {
        Event::KeyRevoke
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(self.kid.as_str()))
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        match directory.keys.get(&self.kid).map(|key| &key.owner) {
            Some(own) if is_own(caller, own) => Ok(Claims::Own(own.clone())),
            Some(PrincipalId::User(id)) => on_user_anywhere(caller, directory, id),
            Some(PrincipalId::Consumer(id)) => Ok(on_consumer(directory, id)),
            Some(PrincipalId::Component(_)) | None => Ok(unknown(Action::ManageUsers)),
        }
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Revoked>, Rejection> {
        let key = office.snapshot.directory.keys.get(&self.kid).ok_or(Code::NotFound)?;
        let reply = Revoked { kid: self.kid, owner: key.owner.clone() };
        if key.state == KeyState::Revoked {
            return Ok(Done::read(reply));
        }
        let revoked = Key { state: KeyState::Revoked, ..key.clone() };
        Ok(Done::changed(reply, vec![Change::PutKey(self.kid, revoked)]))
    }
}
