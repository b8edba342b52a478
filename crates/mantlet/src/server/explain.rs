//! Explanations: Mantlet's own extension of the Open Inference Protocol, which has no such verb.
//!
//! A question is a row as either protocol writes it; the answer is always
//!
//! ```text
//! {"model_name", "model_version", "id"?, "result", "confidence", "explanation": {…} or null, "request_id"}
//! ```

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use http::HeaderMap;
use mantlet_gate::{
    explain::{Explanation, Reasons, Withheld},
    identity::Arrival,
    mediate::{Ask, Payload, mediate_explanation},
    output::{Outcome as RowOutcome, Value},
};
use mantlet_types::{Code, Contract, Rejection, RequestId, question::Question, rejection::Blame};

use super::{
    Outcome, Server,
    body::{Media, Parcel},
    json::{Reader, Writer},
    reply, simple, v2,
};

/// A request's body in either protocol, with a place for the `id` to echo.
#[derive(Debug)]
pub struct Explain {
    /// The body.
    pub parcel: Parcel,
    /// As for an inference.
    pub header_bytes: Result<Option<usize>, Code>,
    /// Filled once the body is decoded.
    pub id: Arc<OnceLock<Option<Box<str>>>>,
}

impl Payload for Explain {
    async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
        let header_bytes = self.header_bytes?;
        if header_bytes.is_none() && self.parcel.media == Ok(Media::Binary) {
            return Err(Code::UnsupportedMedia.into());
        }
        let bytes = self.parcel.read_question().await?;
        let (question, form) = if header_bytes.is_none() && names_features(&bytes) {
            (simple::decode(&bytes, contract)?.question, v2::Form::default())
        } else {
            v2::decode_body(&bytes, header_bytes, contract)?
        };
        let _ = self.id.set(form.id); // set nowhere else
        Ok(Question { body_bytes: bytes.len(), ..question })
    }
}

/// Whether a body is of the simple protocol, which has other members than the other one from the first on.
fn names_features(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut reader = Reader::new(text);
    let Ok(mut members) = reader.object() else { return false };
    matches!(reader.key(&mut members), Ok(Some(key)) if key == "features" || key == "options")
}

impl Server {
    /// Door 1, for an explanation.
    pub(super) async fn explain(
        &self,
        arrival: Arrival,
        ask: Ask,
        parcel: Parcel,
        headers: &HeaderMap,
    ) -> Outcome {
        let (began, request_id, id) = (Instant::now(), arrival.request_id, Arc::new(OnceLock::new()));
        let (model, version) = (ask.model.clone(), ask.version.clone());
        let payload = Explain { parcel, header_bytes: v2::header_bytes(headers), id: Arc::clone(&id) };
        let released = mediate_explanation(Arc::clone(&self.gate), arrival, ask, payload).await;
        let (explanation, receipt) = released.into_parts();
        match &explanation {
            Ok(explained) => {
                let row = std::slice::from_ref(&explained.row);
                self.statistics.answered(&explained.contract, row, self.gate.now(), began.elapsed());
            }
            Err(rejection) if rejection.code.blame() == Blame::Server => {
                self.failed(&model, version.as_ref(), began);
            }
            Err(_) => {}
        }
        let reply = explanation.map(|explained| {
            let id = id.get().and_then(Option::as_deref);
            let mut reply = reply::json(write(&explained, id, request_id));
            reply::stand(reply.headers_mut(), explained.standing);
            reply
        });
        Outcome { reply, receipt }
    }
}

/// Writes an explained answer.
#[must_use]
pub fn write(explained: &Explanation, id: Option<&str>, request_id: RequestId) -> Vec<u8> {
    let Explanation { contract, row, reasons, candidate, .. } = explained;
    let features = reasons.as_ref().map_or(0, |reasons| reasons.features.len());
    let mut json = Writer::with_capacity(512 + 96 * features);
    json.object();
    if let Some(id) = id {
        json.member("id", id);
    }
    json.member("model_name", contract.model.as_str());
    json.member("model_version", itoa::Buffer::new().format(contract.version.number()));
    json.key("result");
    match &row.result {
        Value::Label(label) => json.string(label),
        Value::Number(number) => json.double(*number),
        Value::Opaque => json.null(),
    }
    if row.outcome != RowOutcome::Served {
        json.member("action", &contract.judgment.fallback.action);
    }
    if row.outcome == RowOutcome::Review {
        json.member("outcome", row.outcome.as_str());
    }
    json.key("confidence");
    optional(&mut json, row.confidence);
    json.key("explanation");
    match reasons {
        Some(reasons) => self::reasons(&mut json, reasons),
        None => json.null(),
    }
    if *candidate {
        json.key("candidate");
        json.bool(true);
    }
    json.member("request_id", std::str::from_utf8(&request_id.encode()).unwrap_or_default());
    json.end_object();
    json.into_bytes()
}

fn reasons(json: &mut Writer, reasons: &Reasons) {
    json.object();
    match &reasons.of {
        Some(class) => json.member("of", &format!("probability of {class}")),
        None => json.member("of", "value"),
    }
    json.member("scale", reasons.scale.as_str());
    json.member("method", reasons.method.as_str());
    json.key("base_value");
    json.double(reasons.base);
    json.key("output_value");
    json.double(reasons.output);
    json.key("attributions");
    json.array();
    for reason in &reasons.features {
        json.object();
        json.member("feature", &reason.feature);
        added(json, reason.value, reason.error);
        json.end_object();
    }
    json.end_array();
    if let Some(Withheld { features, value, error }) = reasons.withheld {
        json.key("withheld");
        json.object();
        json.key("features");
        json.integer(features);
        added(json, value, error);
        json.end_object();
    }
    json.key("evaluations");
    json.integer(reasons.evaluations);
    json.end_object();
}

/// What was added, with a standard error of zero where it is exact.
fn added(json: &mut Writer, value: f64, error: Option<f64>) {
    json.key("value");
    json.double(value);
    json.key("standard_error");
    json.double(error.unwrap_or(0.0));
}

fn optional(json: &mut Writer, number: Option<f64>) {
    match number {
        Some(number) => json.double(number),
        None => json.null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_told_by_its_first_member() {
        for (body, expect) in [
            (r#"{"features": [1]}"#, true),
            (r#"{"options": {"evaluations": 3}, "features": {}}"#, true),
            (r#"{"inputs": [], "features": []}"#, false),
            (r#"{"id": "features", "inputs": []}"#, false),
            ("[]", false),
            ("{", false),
        ] {
            assert_eq!(names_features(body.as_bytes()), expect, "{body}");
        }
    }
}
