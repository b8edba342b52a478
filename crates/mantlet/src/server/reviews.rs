//! Routes of held answers: the reviewers' desk, and coming back for what was decided.

use std::sync::Arc;

use http::StatusCode;
use mantlet_gate::reviews::{
    AssignReview, Assignment, DecideReview, EraseReview, ExportReviews, Held, Labelled, ListReviews,
    PollHeld, Queue, ReadReview, Ruling, Wanted,
};
use mantlet_types::{Rejection, entry::Event};

use super::{
    call::{Call, Params, Replying},
    llm,
    reply::{self, Reply},
};

fn queue(call: &Call) -> Arc<dyn Queue> {
    Arc::clone(call.server.gate.reviews())
}

/// `GET /admin/v1/reviews`.
pub(super) fn list(call: Call) -> Replying {
    let queue = queue(&call);
    call.deed(Event::ReviewRead, &["model", "status"], move |_, query| {
        Ok(ListReviews { queue, model: query.optional("model")?, status: query.optional("status")? })
    })
}

/// `GET /admin/v1/reviews/{item}`.
pub(super) fn read(call: Call) -> Replying {
    let queue = queue(&call);
    call.deed(Event::ReviewRead, &[], move |params, _| {
        Ok(ReadReview { queue, item: params.require("item")? })
    })
}

/// `POST /admin/v1/reviews/{item}/assign`.
pub(super) fn assign(call: Call) -> Replying {
    let queue = queue(&call);
    call.deed_of_optional(Event::ReviewAssign, move |params, assignment: Assignment| {
        Ok(AssignReview { queue, item: params.require("item")?, assignment })
    })
}

/// `POST /admin/v1/reviews/{item}/decide`.
pub(super) fn decide(call: Call) -> Replying {
    let queue = queue(&call);
    call.deed_of(Event::ReviewDecide, move |params, ruling: Ruling| {
        Ok(DecideReview { queue, item: params.require("item")?, ruling })
    })
}

/// `DELETE /admin/v1/reviews/{item}`.
pub(super) fn erase(call: Call) -> Replying {
    let queue = queue(&call);
    call.deed(Event::ReviewErase, &[], move |params, _| {
        Ok(EraseReview { queue, item: params.require("item")? })
    })
}

/// `POST /admin/v1/reviews/export`.
pub(super) fn export(call: Call) -> Replying {
    let queue = queue(&call);
    let make = move |_: &_, wanted: Wanted| Ok(ExportReviews { queue, wanted });
    call.deed_of_shown(Event::ReviewExport, make, table)
}

/// `GET /v1/models/{model}/reviews/{request}`.
pub(super) fn poll(call: Call) -> Replying {
    let queue = queue(&call);
    let make = move |params: &Params| {
        Ok(PollHeld { queue, model: params.require("model")?, request: params.require("request")? })
    };
    call.deed_shown(Event::ReviewPoll, make, held)
}

/// How held rows stand; what a language model has answered, as its protocol writes it.
fn held(held: Held) -> Result<Reply, Rejection> {
    let told = |error: serde_json::Error| Rejection::unavailable(error.to_string());
    let mut document = serde_json::to_value(&held).map_err(told)?;
    for (index, row) in held.rows.into_iter().enumerate() {
        if let Some(answer) = row.answer {
            let written = llm::held(held.request_id, row.held, answer);
            document["rows"][index]["answer"] = serde_json::from_slice(&written).map_err(told)?;
        }
    }
    Ok(reply::json(serde_json::to_vec(&document).map_err(told)?))
}

/// Rows as CSV (RFC 4180), with the columns' names in the first line.
fn table(labelled: Labelled) -> Result<Reply, Rejection> {
    let Labelled { columns, rows } = labelled;
    let mut text = String::new();
    for line in std::iter::once(&columns).chain(&rows) {
        for (index, cell) in line.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            quoted(&mut text, cell);
        }
        text.push('\n');
    }
    Ok(reply::with_body(StatusCode::OK, "text/csv; charset=utf-8", text.into_bytes()))
}

fn quoted(text: &mut String, cell: &str) {
    // White space at an end would be trimmed by some readers.
    let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell;
    if plain {
        text.push_str(cell);
        return;
    }
    text.push('"');
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (cell, expect) in [
            ("", ""),
            ("1.5", "1.5"),
            ("two words", "two words"),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" end ", "\" end \""),
        ] {
            let mut text = String::new();
            quoted(&mut text, cell);
            assert_eq!(text, expect);
        }
    }
}
