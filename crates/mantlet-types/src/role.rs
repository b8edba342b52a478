//! Roles: what a person may be bound to in a project.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A role of the policy set. A binding is (user, role, project).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// predict, explain.
    Reader,
    /// predict, explain, evaluate, inspect features.
    Analyst,
    /// The model's administrator: all seven model actions.
    Admin,
    /// Makes and changes datasets, features and pipelines.
    DataEngineer,
    /// Trains: reads datasets, registers versions.
    DataScientist,
    /// Deploys: requests, activates, rolls back.
    MlEngineer,
    /// Reads and verifies the audit log, approves changes.
    Security,
    /// People, consumers, secrets, routes; gives at most its ceiling.
    Operator,
    /// Decides held answers.
    Reviewer,
    /// Reads statistics.
    Monitor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] = [
        Self::Reader,
        Self::Analyst,
        Self::Admin,
        Self::DataEngineer,
        Self::DataScientist,
        Self::MlEngineer,
        Self::Security,
        Self::Operator,
        Self::Reviewer,
        Self::Monitor,
    ];

    /// The role's name in policies, on the command line and in audit entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
            Self::DataEngineer => "data_engineer",
            Self::DataScientist => "data_scientist",
            Self::MlEngineer => "ml_engineer",
            Self::Security => "security",
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::Monitor => "monitor",
        }
    }

    /// Whether this role is a duty: outside a one-person home a user holds at most one (invariant S10), and
    /// binding it needs a second person.
    #[must_use]
    pub const fn is_duty(self) -> bool {
        matches!(
            self,
            Self::DataEngineer
                | Self::DataScientist
                | Self::MlEngineer
                | Self::Admin
                | Self::Security
                | Self::Operator
        )
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such role; the message names those that exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown role; known roles: reader, analyst, admin, data_engineer, data_scientist, ml_engineer, security, \
     operator, reviewer, monitor"
)]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_role_names_the_known_ones() {
        let message = "root".parse::<Role>().unwrap_err().to_string();
        assert!(Role::ALL.iter().all(|role| message.contains(role.as_str())), "{message}");
    }
}
