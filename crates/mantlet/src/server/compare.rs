//! Comparisons over the wire: a table in, with or without the truth, and how two versions' answers to it differ out.
//!
//! ```text
//! {"columns": ["age", "purpose", "paid"], "rows": [[41, "car", "yes"], …], "target": "paid"}
//! ```
//!
//! The document that leaves is one that can be brought back: its digest is in the headers and in the audit entry, and the
//! receipt leads to the entry.

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_gate::mediate::{Compared, Pairs, Trial};
use mantlet_models::evaluate::compare::{Both, Contrast, Sheet, check};
use mantlet_types::{Code, Contract, Rejection};

use super::{
    body::{Media, Parcel},
    evaluate::{Members, each_row, members},
    inspect::CONTENT_DIGEST,
    own_value,
    reply::{self, Reply},
};

/// A request's body.
#[derive(Debug)]
pub struct Table {
    /// The body.
    pub parcel: Parcel,
}

impl Trial for Table {
    type Comparing = Contrast;

    async fn read(self, live: &Contract, beside: &Contract) -> Result<Pairs<Contrast>, Rejection> {
        if self.parcel.media == Ok(Media::Binary) {
            return Err(Code::UnsupportedMedia.into());
        }
        check(live, beside)?;
        let bytes = self.parcel.read_question().await?;
        let Both { live, beside, contrast } = decode(&bytes, live, beside)?;
        Ok(Pairs { live, beside, body_bytes: bytes.len(), comparing: contrast })
    }
}

/// Decodes a table.
///
/// # Errors
/// 400 naming the member that is wrong, or telling what does not fit the versions; 413 for too many rows.
pub fn decode(body: &[u8], live: &Contract, beside: &Contract) -> Result<Both, Rejection> {
    let Members { columns, mut rows, target, slices } = members(body)?;
    if slices.is_some() {
        return Err(Rejection::invalid("slices"));
    }
    let mut sheet = Sheet::new(live, beside, &columns, target.as_deref())?;
    each_row(&mut rows, columns.len(), |cells| sheet.push(cells))?;
    Ok(sheet.finish()?)
}

/// The reply that carries the document, byte for byte as it was digested.
#[must_use]
pub fn reply(compared: Compared) -> Reply {
    let Compared { document, digest, standing } = compared;
    let mut reply = reply::json(document.into_bytes());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_DIGEST, own_value(&format!("sha-256=:{}:", STANDARD.encode(digest.0))));
    reply::stand(headers, standing);
    reply
}

#[cfg(test)]
mod tests {
    use mantlet_models::evaluate::compare::Truths;
    use proptest::prelude::*;

    use super::{super::testing::contract, *};

    fn check(body: &str, expect: Result<usize, &str>) {
        let found = decode(body.as_bytes(), &contract(), &contract());
        let found = found.map(|both| both.live.len()).map_err(|rejection| rejection.to_string());
        assert_eq!(found, expect.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn a_table_is_read_with_or_without_its_truth() {
        let table = |columns: &str, rows: &str, rest: &str| {
            format!(r#"{{"columns": [{columns}], "rows": [{rows}]{rest}}}"#)
        };
        check(&table(r#""age","income""#, "[1,2],[3,4]", ""), Ok(2));
        check(&table(r#""age","income","y""#, r#"[1,2,"no"]"#, r#", "target": "y""#), Ok(1));
        let unknown = "column 3 is none that the model takes, nor the truth, nor a slice";
        check(&table(r#""age","income","y""#, r#"[1,2,"no"]"#, ""), Err(unknown));
        check(
            &table(r#""age","income""#, "[1,2]", r#", "slices": []"#),
            Err("invalid input format: `slices`"),
        );
        check(&table(r#""age""#, "[1]", ""), Err("the column `income`, which the model takes, is missing"));
        let wrong = "row 1: the truth is none of the model's classes";
        check(&table(r#""age","income","y""#, r#"[1,2,"zzz"]"#, r#", "target": "y""#), Err(wrong));
        check(r#"{"rows": []}"#, Err("invalid input format: `columns`"));
    }

    #[test]
    fn a_column_is_of_use_if_either_version_takes_it() {
        let mut wider = contract();
        let mut more = wider.features[0].clone();
        more.name = "more".into();
        wider.features = wider.features.iter().cloned().chain([more]).collect();
        let body = br#"{"columns": ["y","more","age","income"], "rows": [["yes",7,1,2]], "target": "y"}"#;
        let both = decode(body, &contract(), &wider).unwrap();
        assert_eq!((both.live[0].len(), both.beside[0].len()), (2, 3));
        assert_eq!(both.contrast.truths, Some(Truths::Classes(vec![[Some(1), Some(1)]])));
    }

    proptest! {
        #[test]
        fn never_panics(body in any::<Vec<u8>>(), middle in "[\\[\\]{}:,\" 0-9a-z]{0,64}") {
            let _ = decode(&body, &contract(), &contract());
            let head = r#"{"columns":["age","income"],"rows":"#;
            let _ = decode(format!("{head}[{middle}]}}").as_bytes(), &contract(), &contract());
        }
    }
}
