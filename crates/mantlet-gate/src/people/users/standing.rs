//! Whether a person is let in at all.

use mantlet_types::{
    Code, PrincipalId, Rejection, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::super::{
    issue::conflict,
    keys::{on_user, on_user_anywhere},
    oversight::check_dispensable,
};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory, User},
    identity::Principal,
};

/// Disables a person: the next request with any of their credentials fails. The operators of any of the person's
/// projects may do so, because what a person may do here must not depend on who else knows them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisableUser {
    /// Whom.
    pub user: UserId,
}

/// Lets a disabled person in again, with everything that was theirs. This takes the right to manage people in all of the
/// person's projects: nobody undoes what another project's operators did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnableUser {
    /// Whom.
    pub user: UserId,
}

impl Deed for DisableUser {
    type Reply = ();

    fn event(&self) -> Event {
        Event::UserChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.user)
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        on_user_anywhere(caller, directory, &self.user)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<()>, Rejection> {
        let user = office.snapshot.directory.users.get(&self.user).ok_or(Code::NotFound)?;
        // Nobody changes their own standing; this also keeps people from locking everybody out by mistake.
        if matches!(office.caller.id(), PrincipalId::User(own) if *own == self.user) {
            return Err(conflict("nobody disables themselves"));
        }
        if user.disabled {
            return Ok(Done::read(()));
        }
        check_dispensable(office, &self.user, user)?;
        let disabled = User { disabled: true, ..user.clone() };
        Ok(Done::changed((), vec![Change::PutUser(self.user, disabled)]))
    }
}

impl Deed for EnableUser {
    type Reply = ();

    fn event(&self) -> Event {
        Event::UserChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.user)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        on_user(directory, &self.user)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<()>, Rejection> {
        let user = office.snapshot.directory.users.get(&self.user).ok_or(Code::NotFound)?;
        if !user.disabled {
            return Ok(Done::read(()));
        }
        let enabled = User { disabled: false, ..user.clone() };
        Ok(Done::changed((), vec![Change::PutUser(self.user, enabled)]))
    }
}

fn subject(user: &UserId) -> Option<Token> {
    Some(Token::of(&format!("user:{user}")))
}
