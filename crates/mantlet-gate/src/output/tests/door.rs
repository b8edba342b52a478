//! Input and output as steps of door 1: what they leave in the answer and in the entry.

use std::sync::Arc;

use mantlet_types::question::{Question, Rows, Scalar};

use crate::{
    mediate::mediate,
    testing::{FakePayload, Kit, ask},
};

/// Asks the coin model for these probabilities of heads; gives `code field` or the rows, then what the entry says.
async fn asked(rows: &[f64]) -> (String, String) {
    let kit = Kit::new();
    let rows = rows.iter().map(|p| vec![Scalar::Number(*p), Scalar::Number(0.0)]).collect();
    let question = Question { rows: Rows::Ordered(rows), body_bytes: 77, ..Question::default() };
    let arrival = kit.bearer(&kit.consumer_key);
    let released = mediate(Arc::clone(&kit.gate), arrival, ask(), FakePayload(Ok(question))).await;
    let outcome = match released.into_parts().0 {
        Ok(answer) => answer.rows.iter().map(super::describe).collect::<Vec<_>>().join("; "),
        Err(rejection) => format!("{} {}", rejection.code, rejection.field.as_deref().unwrap_or("-")),
    };
    let entry = kit.ledger.take().pop().unwrap();
    let class = entry.output_class.as_ref().map_or("-", |class| class.as_str());
    let said = (entry.input_length, entry.batch, entry.confidence_bp);
    (outcome, format!("{class} {said:?}"))
}

async fn check(rows: &[f64], answer: &str, entry: &str) {
    assert_eq!(asked(rows).await, (answer.to_owned(), entry.to_owned()));
}

#[tokio::test]
async fn the_entry_says_how_much_was_asked_and_what_came_of_it() {
    check(&[0.75], "served heads 0.75", "heads (Some(77), Some(1), Some(7500))").await;
    check(&[0.5], "fallback uncertain 0.5", "__uncertain (Some(77), Some(1), Some(5000))").await;
    let mixed = "served tails 1; fallback uncertain 0.5";
    check(&[0.0, 0.5], mixed, "__uncertain#1 (Some(77), Some(2), Some(5000))").await;
}

#[tokio::test]
async fn what_fails_leaves_no_class_in_the_entry() {
    check(&[], "invalid_input features", "- (Some(77), None, None)").await;
    // The model makes no distribution of this: the caller learns nothing of that.
    check(&[7.0], "unavailable -", "- (Some(77), Some(1), None)").await;
}

#[tokio::test]
async fn every_row_is_charged() {
    // More rows than the limit ever grants at once: waiting would not help.
    check(&[0.75; 1_000], "too_large -", "- (Some(77), Some(1000), None)").await;
}
