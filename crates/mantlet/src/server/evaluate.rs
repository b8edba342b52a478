//! Evaluations over the wire: a labelled table in, a report out.
//!
//! ```text
//! {"columns": ["age", "purpose", "paid"], "rows": [[41, "car", "yes"], …], "target": "paid", "slices": ["purpose"]}
//! ```
//!
//! Every column is the model's, the truth or a slice; one that is none of these is an error, because a misspelled feature
//! would otherwise be one that is missing. Numbers may be written as text, as a CSV file has them.

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_gate::{
    mediate::{Exam, Paper},
    output::Marked,
};
use mantlet_models::evaluate::{Key, Labelled, Report, Sheet, SheetError};
use mantlet_types::{
    Code, Contract, Rejection,
    limits::{FEATURES_MAX, SLICES_MAX},
    question::Scalar,
};

use super::{
    body::{Media, Parcel},
    inspect::CONTENT_DIGEST,
    json::{Malformed, Reader, once},
    own_value,
    reply::{self, Reply},
};

/// Columns of one table: the model's, the truth, and slices that the model does not take.
const COLUMNS_MAX: usize = FEATURES_MAX + SLICES_MAX + 1;

/// A request's body.
#[derive(Debug)]
pub struct Table {
    /// The body.
    pub parcel: Parcel,
}

impl Exam for Table {
    type Marking = Key;

    async fn read(self, contract: &Contract) -> Result<Paper<Key>, Rejection> {
        if self.parcel.media == Ok(Media::Binary) {
            return Err(Code::UnsupportedMedia.into());
        }
        let bytes = self.parcel.read_question().await?;
        let Labelled { rows, truths, target, slices, data } = decode(&bytes, contract)?;
        Ok(Paper { rows, body_bytes: bytes.len(), marking: Key { truths, target, slices, data } })
    }
}

/// Decodes a table.
///
/// # Errors
/// 400 naming the member that is wrong, or telling what does not fit the model; 413 for too many rows.
pub fn decode(body: &[u8], contract: &Contract) -> Result<Labelled, Rejection> {
    let Members { columns, mut rows, target, slices } = members(body)?;
    let target = target.ok_or_else(|| Rejection::invalid("target"))?;
    let mut sheet = Sheet::new(contract, &columns, &target, &slices.unwrap_or_default())?;
    each_row(&mut rows, columns.len(), |cells| sheet.push(cells))?;
    Ok(sheet.finish()?)
}

/// The members of a table's document; what the rows' cells are for is known once all others are.
pub(super) struct Members<'a> {
    pub(super) columns: Vec<String>,
    pub(super) rows: Reader<'a>,
    pub(super) target: Option<String>,
    pub(super) slices: Option<Vec<String>>,
}

/// Takes a table's document apart.
pub(super) fn members(body: &[u8]) -> Result<Members<'_>, Rejection> {
    let whole = |_: Malformed| Rejection::invalid("body");
    let text = std::str::from_utf8(body).map_err(|_| Rejection::invalid("body"))?;
    let mut reader = Reader::new(text);
    let (mut columns, mut rows, mut target, mut slices) = (None, None, None, None);
    let mut members = reader.object().map_err(whole)?;
    while let Some(key) = reader.key(&mut members).map_err(whole)? {
        match key.as_ref() {
            "columns" => names(&mut reader, COLUMNS_MAX)
                .and_then(|names| once(&mut columns, names))
                .map_err(|_| Rejection::invalid("columns"))?,
            "rows" => reader
                .later()
                .and_then(|mark| once(&mut rows, mark))
                .map_err(|_| Rejection::invalid("rows"))?,
            "target" => reader
                .string()
                .and_then(|name| once(&mut target, name.into_owned()))
                .map_err(|_| Rejection::invalid("target"))?,
            "slices" => names(&mut reader, SLICES_MAX)
                .and_then(|names| once(&mut slices, names))
                .map_err(|_| Rejection::invalid("slices"))?,
            _ => return Err(Rejection::invalid("body")),
        }
    }
    reader.end().map_err(whole)?;
    let missing = |member: &'static str| move || Rejection::invalid(member);
    let (columns, rows) = (columns.ok_or_else(missing("columns"))?, rows.ok_or_else(missing("rows"))?);
    Ok(Members { columns, rows, target, slices })
}

/// Hands over the rows, each with at most one cell more than there are columns.
pub(super) fn each_row(
    rows: &mut Reader<'_>,
    width: usize,
    mut push: impl FnMut(&[Scalar]) -> Result<(), SheetError>,
) -> Result<(), Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("rows");
    let mut cells: Vec<Scalar> = Vec::with_capacity(width);
    let mut items = rows.array().map_err(malformed)?;
    while rows.element(&mut items).map_err(malformed)? {
        cells.clear();
        let mut elements = rows.array().map_err(malformed)?;
        while rows.element(&mut elements).map_err(malformed)? {
            if cells.len() > width {
                return Err(Rejection::invalid("rows"));
            }
            cells.push(rows.scalar().map_err(malformed)?);
        }
        push(&cells)?;
    }
    Ok(())
}

fn names(reader: &mut Reader<'_>, max: usize) -> Result<Vec<String>, Malformed> {
    let mut names = Vec::new();
    let mut items = reader.array()?;
    while reader.element(&mut items)? {
        if names.len() == max {
            return Err(Malformed);
        }
        names.push(reader.string()?.into_owned());
    }
    Ok(names)
}

/// The reply that carries a report, byte for byte as it was digested.
#[must_use]
pub fn reply(marked: Marked<Report>) -> Reply {
    let Marked { document, digest, standing, .. } = marked;
    let mut reply = reply::json(document.into_bytes());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_DIGEST, own_value(&format!("sha-256=:{}:", STANDARD.encode(digest.0))));
    reply::stand(headers, standing);
    reply
}

#[cfg(test)]
mod tests {
    use mantlet_models::evaluate::Truths;
    use proptest::prelude::*;

    use super::{super::testing::contract, *};

    fn check(body: &str, expect: Result<usize, &str>) {
        let found = decode(body.as_bytes(), &contract());
        let found = found.map(|labelled| labelled.rows.len()).map_err(|rejection| rejection.to_string());
        assert_eq!(found, expect.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn tables_are_read_in_any_order_of_members() {
        let good = r#"{"rows": [["no", 1, "2.5", null], ["yes", "", 4, 7]], "target": "y",
            "columns": ["y", "age", "income", "region"], "slices": ["region", "age"]}"#;
        let labelled = decode(good.as_bytes(), &contract()).unwrap();
        assert_eq!(labelled.truths, Truths::Classes(vec![0, 1]));
        assert_eq!(labelled.rows[0], [Scalar::Number(1.0), Scalar::Number(2.5)]);
        assert_eq!(labelled.rows[1], [Scalar::Null, Scalar::Number(4.0)]);
        let region: Vec<Option<&str>> = labelled.slices[0].values.iter().map(Option::as_deref).collect();
        assert_eq!(region, [None, Some("7")]);
    }

    #[test]
    fn what_is_no_table_of_the_model_is_told_without_repeating_it() {
        let table = |columns: &str, rows: &str, rest: &str| {
            format!(r#"{{"columns": [{columns}], "rows": [{rows}], "target": "y"{rest}}}"#)
        };
        let named = r#""age","income","y""#;
        check(&table(named, r#"[1,2,"no"]"#, ""), Ok(1));
        check(&table(named, "", ""), Err("there are no rows"));
        check(&table(named, r#"[1,2]"#, ""), Err("row 1 has another number of cells than there are columns"));
        check(&table(named, r#"[1,2,"no"],[1,2,"no",4,5]"#, ""), Err("invalid input format: `rows`"));
        check(
            &table(named, r#"[1,2,"no"],[1,2,"zzz"]"#, ""),
            Err("row 2: the truth is none of the model's classes"),
        );
        check(
            &table(r#""age","income","y","canary""#, r#"[1,2,"no",4]"#, ""),
            Err("column 4 is none that the model takes, nor the truth, nor a slice"),
        );
        check(
            &table(r#""age","y""#, r#"[1,"no"]"#, ""),
            Err("the column `income`, which the model takes, is missing"),
        );
        check(&table(r#""age","income","age","y""#, "", ""), Err("column 3 has the name of an earlier one"));
        check(&table(named, "", r#", "slices": ["canary"]"#), Err("slice 1 names no column"));
        check(&table(named, "", r#", "target": "y""#), Err("invalid input format: `target`"));
        check(&table(named, "", r#", "more": 1"#), Err("invalid input format: `body`"));
        check(&table(named, r#"[1,2,["no"]]"#, ""), Err("invalid input format: `rows`"));
        check("[]", Err("invalid input format: `body`"));
        check(r#"{"rows": []}"#, Err("invalid input format: `columns`"));
    }

    proptest! {
        #[test]
        fn never_panics(body in any::<Vec<u8>>(), middle in "[\\[\\]{}:,\" 0-9a-z]{0,64}") {
            let _ = decode(&body, &contract());
            let head = r#"{"columns":["age","income","y"],"target":"y","rows":"#;
            let _ = decode(format!("{head}[{middle}]}}").as_bytes(), &contract());
            let _ = decode(format!("{{{middle}}}").as_bytes(), &contract());
        }
    }
}
