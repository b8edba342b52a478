//! A labelled table: which of its columns are the model's, which holds the truth, and by which the rows are sliced.
//!
//! Cells come as text from CSV and as values from JSON; either way they become what the model's contract expects of them.
//! Nothing in an error repeats what a table holds: rows and columns go by number.

use mantlet_types::{
    Contract, Rejection, Sha256,
    contract::{FeatureKind, Label, Task},
    limits::{CATEGORY_BYTES_MAX, ELEMENTS_MAX, EVALUATED_ROWS_MAX, SLICES_MAX},
    question::Scalar,
};

use super::{digest::Digesting, slice::Slice};

/// Why a table cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// The model takes no named columns, or says nothing that could be true or false.
    #[error("only classifiers and regressions of named columns can be evaluated")]
    Unfit,
    /// No column has the truth.
    #[error("no column has the name that was given for the truth")]
    NoTarget,
    /// No column has a slice's name.
    #[error("slice {0} names no column")]
    NoSlice(usize),
    /// More slices than one evaluation has.
    #[error("more than {SLICES_MAX} slices")]
    Slices,
    /// Two columns of one name.
    #[error("column {0} has the name of an earlier one")]
    Twice(usize),
    /// A column that is neither the model's nor the truth nor a slice.
    #[error("column {0} is none that the model takes, nor the truth, nor a slice")]
    Unknown(usize),
    /// A column of the model is not there.
    #[error("the column `{0}`, which the model takes, is missing")]
    Missing(String),
    /// A row with more or fewer cells than there are columns.
    #[error("row {0} has another number of cells than there are columns")]
    Width(usize),
    /// A truth that is none.
    #[error("row {0}: the truth is none of the model's classes")]
    Class(usize),
    /// A truth that is none.
    #[error("row {0}: the truth is not a finite number")]
    Number(usize),
    /// A value to slice by that is too long.
    #[error("row {0}: a value to slice by is too long")]
    Value(usize),
    /// More than is held at once.
    #[error("more rows than one evaluation may have")]
    TooMany,
    /// Nothing to evaluate.
    #[error("there are no rows")]
    Empty,
}

impl From<SheetError> for Rejection {
    fn from(error: SheetError) -> Self {
        match error {
            SheetError::TooMany => Self::new(mantlet_types::Code::TooLarge).detailed(error.to_string()),
            other => Self::argument(other.to_string()),
        }
    }
}

/// What is true of the rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Truths {
    /// Indices of classes.
    Classes(Vec<usize>),
    /// Numbers.
    Numbers(Vec<f64>),
}

/// A table that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// Values in the contract's feature order.
    pub rows: Vec<Vec<Scalar>>,
    /// What is true of them.
    pub truths: Truths,
    /// The column of the truth.
    pub target: String,
    /// By what they are sliced.
    pub slices: Vec<Slice>,
    /// Digest of the table.
    pub data: Sha256,
}

/// A table while it is read, row by row.
pub struct Sheet<'a> {
    contract: &'a Contract,
    width: usize,
    /// The table's column for each feature, if it has one.
    places: Vec<Option<usize>>,
    target_place: usize,
    slice_places: Vec<usize>,
    labelled: Labelled,
    digesting: Digesting,
}

impl<'a> Sheet<'a> {
    /// Finds out what the columns are for.
    ///
    /// # Errors
    /// If one is for nothing, or something has no column.
    pub fn new(
        contract: &'a Contract,
        columns: &[String],
        target: &str,
        slices: &[String],
    ) -> Result<Self, SheetError> {
        let truths = match &contract.task {
            Task::Classify { .. } => Truths::Classes(Vec::new()),
            Task::Regress { .. } => Truths::Numbers(Vec::new()),
            Task::Opaque => return Err(SheetError::Unfit),
        };
        if contract.features.is_empty() {
            return Err(SheetError::Unfit);
        }
        if slices.len() > SLICES_MAX {
            return Err(SheetError::Slices);
        }
        let mut seen = std::collections::HashMap::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            if seen.insert(column.as_str(), place).is_some() {
                return Err(SheetError::Twice(place + 1));
            }
        }
        let target_place = *seen.get(target).ok_or(SheetError::NoTarget)?;
        let slice_places = slices
            .iter()
            .enumerate()
            .map(|(number, slice)| seen.get(slice.as_str()).copied().ok_or(SheetError::NoSlice(number + 1)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut places = Vec::with_capacity(contract.features.len());
        let mut known = vec![false; columns.len()];
        for feature in &contract.features {
            // The truth is never an input: a feature of that name is missing from this table.
            let place = seen.get(&*feature.name).copied().filter(|place| *place != target_place);
            if place.is_none() && !feature.optional {
                return Err(SheetError::Missing(feature.name.to_string()));
            }
            places.push(place);
        }
        let of_use = places.iter().flatten().chain(&slice_places).chain([&target_place]);
        for place in of_use {
            if let Some(known) = known.get_mut(*place) {
                *known = true;
            }
        }
        if let Some(place) = known.iter().position(|known| !known) {
            return Err(SheetError::Unknown(place + 1));
        }
        let slice = |(column, place): (&String, &usize)| {
            let feature = places.iter().position(|own| *own == Some(*place));
            let kind =
                feature.and_then(|feature| contract.features.get(feature)).map(|feature| &feature.kind);
            // A column that the model does not take is of numbers if its values are.
            let is_number = kind.is_none_or(|kind| matches!(kind, FeatureKind::Number { .. }));
            Slice { column: column.clone(), values: Vec::new(), is_number }
        };
        let slices = slices.iter().zip(&slice_places).map(slice).collect();
        let data = Sha256([0; 32]);
        let labelled = Labelled { rows: Vec::new(), truths, target: target.to_owned(), slices, data };
        let digesting = Digesting::new(columns, target);
        Ok(Self { contract, width: columns.len(), places, target_place, slice_places, labelled, digesting })
    }

    /// Takes a row.
    ///
    /// # Errors
    /// If it has another number of cells, no truth, or is one too many.
    pub fn push(&mut self, cells: &[Scalar]) -> Result<(), SheetError> {
        let number = self.labelled.rows.len() + 1;
        if cells.len() != self.width {
            return Err(SheetError::Width(number));
        }
        let elements = number.checked_mul(self.places.len().max(1));
        if number > EVALUATED_ROWS_MAX || elements.is_none_or(|elements| elements > ELEMENTS_MAX) {
            return Err(SheetError::TooMany);
        }
        let truth = cells.get(self.target_place).ok_or(SheetError::NoTarget)?;
        match (&mut self.labelled.truths, &self.contract.task) {
            (Truths::Classes(truths), Task::Classify { labels, .. }) => {
                truths.push(class_of(labels, truth).ok_or(SheetError::Class(number))?);
            }
            (Truths::Numbers(truths), _) => truths.push(number_of(truth).ok_or(SheetError::Number(number))?),
            (Truths::Classes(_), _) => return Err(SheetError::Unfit),
        }
        for (slice, place) in self.labelled.slices.iter_mut().zip(&self.slice_places) {
            let value = cells.get(*place).and_then(text_of);
            if value.as_ref().is_some_and(|value| value.len() > CATEGORY_BYTES_MAX) {
                return Err(SheetError::Value(number));
            }
            slice.values.push(value);
        }
        let cell = |(place, kind): (&Option<usize>, &FeatureKind)| {
            place.and_then(|place| cells.get(place)).map_or(Scalar::Null, |cell| expected(cell, kind))
        };
        self.digesting.push(cells);
        let kinds = self.contract.features.iter().map(|feature| &feature.kind);
        self.labelled.rows.push(self.places.iter().zip(kinds).map(cell).collect());
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// If there was no row.
    pub fn finish(self) -> Result<Labelled, SheetError> {
        if self.labelled.rows.is_empty() {
            return Err(SheetError::Empty);
        }
        let data = self.digesting.finish().ok_or(SheetError::Unfit)?;
        Ok(Labelled { data, ..self.labelled })
    }
}

/// A cell as a feature takes it. What is none of its values stays what it is, and the contract refuses the row.
pub(super) fn expected(cell: &Scalar, kind: &FeatureKind) -> Scalar {
    match (cell, kind) {
        (Scalar::Text(text), _) if text.is_empty() => Scalar::Null,
        (Scalar::Text(text), FeatureKind::Number { .. }) => {
            let text = text.trim();
            if text.is_empty() || text.eq_ignore_ascii_case("nan") {
                return Scalar::Null;
            }
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map_or_else(|| cell.clone(), Scalar::Number)
        }
        _ => cell.clone(),
    }
}

pub(super) fn number_of(cell: &Scalar) -> Option<f64> {
    match cell {
        Scalar::Number(number) => Some(*number),
        Scalar::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Scalar::Bool(_) | Scalar::Null => None,
    }
}

fn text_of(cell: &Scalar) -> Option<Box<str>> {
    match cell {
        Scalar::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(Into::into),
        Scalar::Number(number) => Some(number.to_string().into()),
        Scalar::Bool(value) => Some(value.to_string().into()),
        Scalar::Null => None,
    }
}

/// The class that a truth names, by the author's text or by the model's own value.
pub(super) fn class_of(labels: &[Label], truth: &Scalar) -> Option<usize> {
    crate::workbench::class(labels, &text_of(truth)?)
}
