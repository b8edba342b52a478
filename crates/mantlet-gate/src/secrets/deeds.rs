//! The deeds.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mantlet_types::{
    Action, Code, PrincipalId, ProjectId, Rejection, Resource, Secret, SecretName, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{About, KeptSecret, SECRETS_MAX, SecretInfo};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::{Change, Directory},
    identity::Principal,
    people::{founding::home_project, issue::conflict},
    policy::{self, Target},
};

fn target(project: &ProjectId, name: &SecretName) -> Target {
    Target::Resource(Resource::Secret(project.clone(), Arc::from(name.as_str())))
}

/// The right to manage a secret where it belongs; what is not there is denied like what may not be known.
fn claims(directory: &Directory, name: &SecretName) -> Claims {
    let known = directory.secrets.get(name);
    let target = known.map_or(Target::Unknown, |kept| target(&kept.about.project, name));
    Claims::All(vec![(Action::ManageSecret, target)])
}

fn subject(name: &SecretName) -> Option<Token> {
    Some(Token::of(&format!("secret:{name}")))
}

fn caller(office: &Office<'_>) -> Result<UserId, Rejection> {
    match office.caller.id() {
        PrincipalId::User(id) => Ok(id.clone()),
        PrincipalId::Consumer(_) | PrincipalId::Component(_) => Err(Code::Forbidden.into()),
    }
}

/// A text on its way in or out, overwritten when it is dropped.
struct Text(Zeroizing<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// A value as it arrives. It shows nothing of itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// The value, as text.
    #[serde(default)]
    value: Option<Text>,
    /// The value in base 64, where it is no text.
    #[serde(default)]
    value_base64: Option<Text>,
    /// The project it belongs to; the home's own unless it is said.
    #[serde(default)]
    project: Option<ProjectId>,
}

/// Keeps a value under a name, for the first time or in the place of an earlier one.
pub struct KeepSecret {
    name: SecretName,
    value: Secret,
    project: Option<ProjectId>,
    /// Only in the place of an earlier one.
    replaces: bool,
}

impl KeepSecret {
    /// The deed. `replaces` is for whoever means to replace, and would not notice a name misspelled.
    ///
    /// # Errors
    /// If there is not exactly one value, or it is none that can be kept.
    pub fn new(name: SecretName, request: SecretRequest, replaces: bool) -> Result<Self, Rejection> {
        let SecretRequest { value, value_base64, project } = request;
        let bytes = match (value, value_base64) {
            (Some(mut text), None) => std::mem::take(&mut *text.0).into_bytes(),
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text.0.as_bytes());
                bytes.map_err(|_| Rejection::argument("`value_base64` is not base 64"))?
            }
            _ => return Err(Rejection::argument("one of `value` and `value_base64` is expected")),
        };
        let value = Secret::new(bytes).map_err(|error| Rejection::argument(error.to_string()))?;
        Ok(Self { name, value, project, replaces })
    }

    fn project(&self) -> Result<ProjectId, Rejection> {
        self.project.clone().map_or_else(home_project, Ok)
    }
}

impl Deed for KeepSecret {
    type Reply = SecretInfo;

    fn event(&self) -> Event {
        Event::SecretChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.name)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let project = self.project()?;
        match directory.secrets.get(&self.name) {
            Some(_) => Ok(claims(directory, &self.name)),
            None if self.replaces || !directory.projects.contains(&project) => {
                Ok(claims(directory, &self.name))
            }
            None => Ok(Claims::All(vec![(Action::ManageSecret, target(&project, &self.name))])),
        }
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<SecretInfo>, Rejection> {
        let directory = &office.snapshot.directory;
        let known = directory.secrets.get(&self.name);
        let (project, version) = match (known, &self.project) {
            (Some(kept), Some(project)) if kept.about.project != *project => {
                return Err(conflict(format!("secret `{}` belongs to another project", self.name)));
            }
            (Some(kept), _) => (kept.about.project.clone(), kept.about.version.saturating_add(1)),
            (None, _) if directory.secrets.len() >= SECRETS_MAX => {
                return Err(conflict(format!("a home has at most {SECRETS_MAX} secrets")));
            }
            (None, _) => (self.project()?, 1),
        };
        let about = About { project, version, changed: office.gate.now(), by: caller(office)? };
        let kept = KeptSecret { about: about.clone(), value: Arc::new(self.value) };
        let reply = SecretInfo { secret: self.name.clone(), about };
        Ok(Done::changed(reply, vec![Change::PutSecret(self.name, kept)]))
    }
}

/// Lists the secrets that the caller may manage, without their values.
#[derive(Clone, Copy, Debug)]
pub struct ListSecrets;

impl Deed for ListSecrets {
    type Reply = Vec<SecretInfo>;

    fn event(&self) -> Event {
        Event::SecretRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Self::Reply>, Rejection> {
        let secrets = office.snapshot.directory.secrets.iter();
        let seen = secrets.filter(|(name, kept)| {
            let target = target(&kept.about.project, name);
            policy::permits(office.caller, Action::ManageSecret, &target, office.gate.now())
        });
        let info = |(name, kept): (&SecretName, &KeptSecret)| SecretInfo {
            secret: name.clone(),
            about: kept.about.clone(),
        };
        Ok(Done::read(seen.map(info).collect()))
    }
}

/// Shows a secret's value to whoever may manage it. The log says that it was shown, and to whom.
#[derive(Clone, Debug)]
pub struct ShowSecret {
    /// Which.
    pub name: SecretName,
}

/// A secret with its value: the one reply that has one.
#[derive(Serialize)]
pub struct ShownSecret {
    secret: SecretName,
    #[serde(flatten)]
    about: About,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<Text>,
}

impl Deed for ShowSecret {
    type Reply = ShownSecret;

    fn event(&self) -> Event {
        Event::SecretRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.name)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(claims(directory, &self.name))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<ShownSecret>, Rejection> {
        let kept = office.snapshot.directory.secrets.get(&self.name).ok_or(Code::NotFound)?;
        let text = kept.value.expose_str().map(|text| Text(Zeroizing::new(text.to_owned())));
        let other = text.is_none().then(|| Text(Zeroizing::new(STANDARD.encode(kept.value.expose()))));
        let about = kept.about.clone();
        Ok(Done::read(ShownSecret { secret: self.name, about, value: text, value_base64: other }))
    }
}

/// Forgets a secret. What uses it fails from then on.
#[derive(Clone, Debug)]
pub struct RemoveSecret {
    /// Which.
    pub name: SecretName,
}

impl Deed for RemoveSecret {
    type Reply = SecretInfo;

    fn event(&self) -> Event {
        Event::SecretChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.name)
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(claims(directory, &self.name))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<SecretInfo>, Rejection> {
        let kept = office.snapshot.directory.secrets.get(&self.name).ok_or(Code::NotFound)?;
        let reply = SecretInfo { secret: self.name.clone(), about: kept.about.clone() };
        Ok(Done::changed(reply, vec![Change::RemoveSecret(self.name)]))
    }
}
