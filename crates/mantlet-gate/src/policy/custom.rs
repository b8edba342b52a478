//! Custom policies: what a team may add to the embedded ones, and what no addition may do.
//!
//! A `permit` may speak of asking and watching alone ([`PERMITTABLE`]). No other action has a condition that only the
//! absence of a permit keeps up: releasing, governing, overseeing, deciding on people and reaching for data rest on who
//! holds which duty, and a permit would hand them out past the second person. What the embedded `forbid`s forbid stays
//! forbidden whatever is permitted, so live models stay closed to those who made them, and projects to one another.
//!
//! A `forbid` may speak of everything but of how policies are changed and the log is read and written ([`SPARED`]): else
//! one set could make itself, and whatever follows from it, impossible to look at or to take back. What it says of these
//! is not asked. Mantlet's own parts are spared altogether.
//!
//! Evaluation must not err, since an error denies. Strict validation leaves arithmetic as the one way to err, so there is
//! none. Texts are bounded before they are parsed: parser, validator and evaluator all recurse.

use cedar_policy::{Effect, Entities, EntityUid, Policy as CedarPolicy, PolicyId, PolicySet};
use mantlet_types::{Action, entry::Token};
use miette::Diagnostic;
use serde::Serialize;

use super::{
    PolicyError,
    engine::{Embedded, speaks_of_action},
};

/// What a custom `permit` may give: to ask a model, and to read a project's statistics.
pub const PERMITTABLE: [Action; 5] =
    [Action::Predict, Action::Explain, Action::Evaluate, Action::InspectFeatures, Action::Monitor];

/// What no custom policy is asked about.
pub const SPARED: [Action; 8] = [
    Action::ProposeChange,
    Action::ApproveChange,
    Action::ApplyChange,
    Action::ReadAudit,
    Action::ExportAudit,
    Action::VerifyAudit,
    Action::ProveAudit,
    Action::AppendAudit,
];

/// Before the name of every custom policy: no embedded one, and no other word of the log, begins like this.
const PREFIX: &str = "X_";

/// A set that people still read before they approve it.
pub const TEXT_BYTES_MAX: usize = 32 << 10;

/// Policies in one set. All of them together are asked for every decision.
const POLICIES_MAX: usize = 64;

/// Sets in one home.
pub const SETS_MAX: usize = 16;

/// Operators, brackets and steps of one policy: a chain of operators is a tree as deep as it is long. Three times what the
/// longest embedded policy has.
const SIGNS_MAX: usize = 256;

/// How deep brackets and conditions nest, which costs a parser far more stack than a chain does.
const DEPTH_MAX: usize = 16;

/// Where in a text something stands, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in bytes.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Place {
    fn at(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_begins = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: before.matches('\n').count() + 1, column: before.len() - line_begins + 1 }
    }

    /// Where a diagnostic of Cedar's points to.
    pub(super) fn of(text: &str, diagnostic: &dyn Diagnostic) -> Option<Self> {
        let label = diagnostic.labels()?.next()?;
        Some(Self::at(text, label.offset()))
    }
}

/// Reads a set of custom policies, each under the name that its `@id` gives it, if it keeps to the rules above.
pub(super) fn read(embedded: &Embedded, text: &str) -> Result<Vec<CedarPolicy>, PolicyError> {
    check_bounds(text)?;
    let set: PolicySet = text.parse().map_err(|error: cedar_policy::ParseErrors| PolicyError::Syntax {
        place: Place::of(text, &error),
        reason: error.to_string(),
    })?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::Template);
    }
    let policies = named(&set)?;
    if policies.is_empty() || policies.len() > POLICIES_MAX {
        return Err(PolicyError::Count { policies_max: POLICIES_MAX });
    }
    embedded.validate(text, &policies)?;
    policies.iter().try_for_each(|policy| check_reach(embedded, policy))?;
    Ok(policies)
}

fn named(set: &PolicySet) -> Result<Vec<CedarPolicy>, PolicyError> {
    let mut policies: Vec<&CedarPolicy> = set.policies().collect();
    // Cedar names them `policy0`, `policy1`, … in the order of the text.
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().ok());
    let name = |(place, policy): (usize, &CedarPolicy)| {
        let id = policy.annotation("id").filter(|id| Token::new(id).is_ok());
        let id = id.ok_or(PolicyError::Unnamed { place: place + 1 })?;
        if id.strip_prefix(PREFIX).is_none_or(str::is_empty) {
            return Err(PolicyError::Reserved(id.to_owned()));
        }
        Ok(policy.new_id(PolicyId::new(id)))
    };
    policies.into_iter().enumerate().map(name).collect()
}

/// The actions that a policy's scope can match.
pub(super) fn actions(embedded: &Embedded, policy: &CedarPolicy) -> Vec<Action> {
    let matches = |action: &Action| {
        let entity = embedded.action(*action);
        entity.is_some_and(|(uid, entities): (&EntityUid, &Entities)| speaks_of_action(policy, uid, entities))
    };
    Action::ALL.iter().copied().filter(matches).collect()
}

fn check_reach(embedded: &Embedded, policy: &CedarPolicy) -> Result<(), PolicyError> {
    let actions = actions(embedded, policy);
    let id = || policy.id().to_string();
    match policy.effect() {
        Effect::Permit => match actions.iter().find(|action| !PERMITTABLE.contains(action)) {
            Some(action) => {
                Err(PolicyError::Permits { policy: id(), action: *action, keeps: kept_by(*action) })
            }
            None => Ok(()),
        },
        Effect::Forbid if actions.iter().all(|action| SPARED.contains(action)) => {
            Err(PolicyError::Pointless { policy: id() })
        }
        Effect::Forbid => Ok(()),
    }
}

/// The invariants that an embedded condition keeps for an action, and that a custom permit would lift.
pub(super) const fn kept_by(action: Action) -> &'static str {
    match action {
        Action::Predict
        | Action::Explain
        | Action::Evaluate
        | Action::InspectFeatures
        | Action::Monitor
        | Action::AcknowledgeAlert
        | Action::TryCandidate => "S16",
        Action::ViewWeights | Action::Export => "S4, S12, S16",
        Action::RequestDeployment | Action::ApproveDeployment => "S2, S12",
        Action::ActivateDeployment | Action::UpdateModel => "S1, S11, S12",
        Action::Rollback | Action::DisableModel => "S14",
        Action::RegisterVersion | Action::CreateDataset | Action::DefineFeature => "S3, S12, S16",
        Action::WriteDataset | Action::RunPipeline | Action::ReadDataset => "S3, S18",
        Action::WriteArtifact | Action::LoadArtifact => "S6",
        Action::UseFeature | Action::AttributeFeature | Action::ReadFeature => "S22",
        Action::Complete | Action::Scan => "S17",
        Action::ListReviews | Action::ReadReview | Action::DecideReview | Action::ReadHeld => "S20",
        Action::ReadAudit
        | Action::ExportAudit
        | Action::VerifyAudit
        | Action::ProveAudit
        | Action::AppendAudit
        | Action::DeleteAudit => "S5, S12",
        Action::ManageUsers | Action::ManageConsumers | Action::ManageSecret | Action::ConfigureRoute => {
            "S8, S16"
        }
        Action::ReadSecret => "S23",
        Action::Grant => "S19",
        Action::ProposeChange | Action::ApproveChange | Action::ApplyChange => "S9",
        Action::RedeemUrl => "S21",
    }
}

/// Words that stand for an operator.
const OPERATORS: [&str; 5] = ["if", "in", "is", "has", "like"];

/// Holds a text against its bounds, without parsing it.
fn check_bounds(text: &str) -> Result<(), PolicyError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PolicyError::TooLong { bytes_max: TEXT_BYTES_MAX });
    }
    // Characters that look like others, or turn the line around, would show an approver something else than they sign.
    let foreign = text.find(|c: char| !(c.is_ascii_graphic() || matches!(c, ' ' | '\n' | '\t' | '\r')));
    if let Some(offset) = foreign {
        return Err(PolicyError::Foreign { place: Place::at(text, offset) });
    }
    let (mut signs, mut depth, mut conditions) = (0, 0_usize, 0);
    for (offset, lexeme) in lexemes(text) {
        match &lexeme {
            Lexeme::Sign(b'(' | b'[' | b'{') => depth += 1,
            Lexeme::Sign(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            // Where a condition ends a lexer does not see, so all of a policy's count.
            Lexeme::Word("if") => conditions += 1,
            _ => {}
        }
        match lexeme {
            Lexeme::Sign(b';') => (signs, depth, conditions) = (0, 0, 0),
            Lexeme::Sign(b'+' | b'-' | b'*') | Lexeme::Word("offset") => {
                return Err(PolicyError::Arithmetic { place: Place::at(text, offset) });
            }
            Lexeme::Sign(b'(' | b'[' | b'{' | b'.' | b'&' | b'|' | b'=' | b'!' | b'<' | b'>') => signs += 1,
            Lexeme::Word(word) if OPERATORS.contains(&word) => signs += 1,
            Lexeme::Sign(_) | Lexeme::Word(_) => {}
        }
        if signs > SIGNS_MAX || depth + conditions > DEPTH_MAX {
            let (signs_max, depth_max) = (SIGNS_MAX, DEPTH_MAX);
            return Err(PolicyError::Nested { place: Place::at(text, offset), signs_max, depth_max });
        }
    }
    Ok(())
}

/// A piece of a text, as far as bounds are concerned.
enum Lexeme<'a> {
    Word(&'a str),
    Sign(u8),
}

/// Words and signs of a text with their places; strings, comments and spaces are none.
fn lexemes(text: &str) -> impl Iterator<Item = (usize, Lexeme<'_>)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let begin = at;
            let byte = *bytes.get(begin)?;
            at += 1;
            match byte {
                b'"' => at += string_len(bytes.get(at..).unwrap_or_default()),
                b'/' if bytes.get(at) == Some(&b'/') => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                byte if is_word(byte) => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    at += rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                    return Some((begin, Lexeme::Word(text.get(begin..at)?)));
                }
                byte if byte.is_ascii_whitespace() => {}
                byte => return Some((begin, Lexeme::Sign(byte))),
            }
        }
    })
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes to the end of a string, its closing quotation mark included.
fn string_len(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    end.map_or(rest.len(), |end| end + 1)
}

/// The names of a set's policies, in the order of the text; of what was read before.
pub(super) fn ids(policies: &[CedarPolicy]) -> Vec<String> {
    policies.iter().map(|policy| policy.id().to_string()).collect()
}

#[cfg(test)]
mod tests;
