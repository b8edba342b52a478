//! What is asked of policies: who does what on which resource under which circumstances, and all policies that have
//! a say in it. Nouns only.

use std::collections::BTreeMap;

use serde::Serialize;

use super::policy::Document;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The action, as `s3:GetObject`.
    pub action: String,
    /// The resource's ARN, or `*` for actions that have none.
    pub resource: String,
    /// Values of condition keys; names lower-case. A key that is not here is absent.
    pub context: BTreeMap<String, Vec<String>>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A role, user or session.
    Arn(String),
    /// A service of the cloud.
    Service(String),
    /// Nobody who could be named.
    Anonymous,
}

impl Principal {
    /// Its account, where it has one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Arn(arn) => arn.split(':').nth(4).filter(|account| !account.is_empty()),
            _ => None,
        }
    }

    /// The role of a session, or the principal's own ARN.
    #[must_use]
    pub fn role(&self) -> Option<String> {
        let Self::Arn(arn) = self else { return None };
        let (front, session) = match arn.split_once(":assumed-role/") {
            Some((front, session)) => (front, session),
            None => return Some(arn.clone()),
        };
        let role = session.split('/').next()?;
        Some(format!("{}:role/{role}", front.replacen(":sts:", ":iam:", 1)))
    }

    /// Whether it is a session of a role.
    #[must_use]
    pub fn is_session(&self) -> bool {
        matches!(self, Self::Arn(arn) if arn.contains(":assumed-role/"))
    }

    /// Whether it is a user.
    #[must_use]
    pub fn is_user(&self) -> bool {
        matches!(self, Self::Arn(arn) if arn.contains(":user/"))
    }
}

/// All policies that have a say.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Those of who acts; together they allow what any of them allows.
    pub identity: Vec<Document>,
    /// The boundary of what those may allow.
    pub boundaries: Vec<Document>,
    /// Policies of the session; each is a limit of its own.
    pub sessions: Vec<Document>,
    /// Policies of the organization for who acts; each is a limit of its own.
    pub service_controls: Vec<Document>,
    /// Policies of the organization for what is acted on; each is a limit of its own.
    pub resource_controls: Vec<Document>,
    /// The policy of what is acted on.
    pub resource: Option<Document>,
    /// Who acts; what policies of resources, and only they, are about.
    pub principal: Option<Principal>,
    /// The account of what is acted on, where it is known to be another than the principal's.
    pub other_account: bool,
}
