//! Decided rows as labelled data: what was asked with what is the case, in the form in which evaluations take it.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, ModelName, Rejection, Resource, Timestamp,
    contract::Layout,
    entry::{Event, Token},
    limits::{REVIEW_EXPORT_BYTES_MAX, REVIEWS_MAX},
};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{Input, Item, Queue, Said, Status, item::conflict};
use crate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::{self, Target},
};

/// The name of the truth's column unless it is said otherwise: the one that evaluations look for.
const TARGET: &str = "target";

/// What is wanted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The model.
    pub model: ModelName,
    /// The name of the truth's column.
    #[serde(default)]
    pub target: Option<String>,
    /// What was decided from this moment on.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// What was decided before this moment.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Takes decided rows of a model out of the queue, which keeps them.
pub struct ExportReviews {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// What is wanted.
    pub wanted: Wanted,
}

/// Labelled rows: the features in the contract's order, and what is the case.
pub struct Labelled {
    /// The columns' names.
    pub columns: Vec<String>,
    /// A cell for each; empty where a value was missing.
    pub rows: Vec<Vec<String>>,
}

impl ExportReviews {
    /// Whether an item is among those wanted.
    fn wants(&self, item: &Item) -> bool {
        let Wanted { model, since, until, .. } = &self.wanted;
        item.model.as_ref() == Some(model)
            && item.status == Status::Decided
            && item.decided.is_some_and(|decided| {
                since.is_none_or(|since| decided >= since) && until.is_none_or(|until| decided < until)
            })
    }
}

impl Deed for ExportReviews {
    type Reply = Labelled;

    fn event(&self) -> Event {
        Event::ReviewExport
    }

    fn changes(&self) -> bool {
        false
    }

    fn subject(&self) -> Option<Token> {
        Some(Token::of(self.wanted.model.as_str()))
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let project = directory.models.get(&self.wanted.model).map(|model| model.project.clone());
        let queue =
            project.map_or(Target::Unknown, |project| Target::Resource(Resource::ReviewQueue(project)));
        Ok(Claims::All(vec![(Action::ListReviews, queue)]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Labelled>, Rejection> {
        let (now, caller) = (office.gate.now(), office.caller);
        let model = office.snapshot.model(&self.wanted.model, None).ok_or_else(|| {
            Rejection::new(Code::NotFound).detailed(format!("no version of `{}` is live", self.wanted.model))
        })?;
        let contract = Arc::clone(model.contract());
        if contract.layout == Layout::Tensors {
            return Err(conflict("the model takes tensors, which are no rows of a table"));
        }
        let target = self.wanted.target.clone().unwrap_or_else(|| TARGET.to_owned());
        if contract.features.iter().any(|feature| *feature.name == *target) {
            return Err(Rejection::argument("`target` is the name of a feature; choose another"));
        }
        // One decision per item: nobody takes out what they may not read.
        let wanted = |item: &Item| {
            let target = || Target::ReviewItem(Box::new(item.clone()));
            self.wants(&item.clone().at(now)) && policy::permits(caller, Action::ReadReview, &target(), now)
        };
        let mut rows = Vec::new();
        let mut bytes = 0_usize;
        for item in self.queue.list(&wanted, REVIEWS_MAX) {
            let opened = self.queue.open(item.id).await;
            let opened = opened.map_err(|fault| Rejection::unavailable(fault.to_string()))?;
            // Forgotten since the list was made.
            let Some(opened) = opened else { continue };
            let Some(decision) = opened.decision else { continue };
            let Input::Features(features) = opened.contents.input else { continue };
            // Rows of a version that took others than the live one does are no rows of this table.
            let names = contract.features.iter().map(|feature| feature.name.as_ref());
            if !features.iter().map(|(name, _)| name.as_str()).eq(names) {
                continue;
            }
            let row: Vec<String> =
                features.iter().map(|(_, value)| cell(value)).chain([truth(&decision.result)]).collect();
            bytes = row.iter().fold(bytes, |bytes, cell| bytes.saturating_add(cell.len() + 1));
            if bytes > REVIEW_EXPORT_BYTES_MAX {
                let detail = "more than leaves at once; name a time with `since` and `until`";
                return Err(Rejection::new(Code::TooLarge).detailed(detail));
            }
            rows.push(row);
        }
        let names = contract.features.iter().map(|feature| feature.name.as_ref().to_owned());
        Ok(Done::read(Labelled { columns: names.chain([target]).collect(), rows }))
    }
}

/// A value as a table has it.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn truth(said: &Said) -> String {
    match said {
        Said::Label(text) => text.clone(),
        Said::Number(number) => number.to_string(),
    }
}
