//! A table for two contracts: which of its columns are whose, and which holds the truth, if one does.
//!
//! A new version may take other columns than the live one, so a column is of use if either takes it.

use std::collections::HashMap;

use mantlet_types::{
    Contract,
    contract::Task,
    limits::{ELEMENTS_MAX, EVALUATED_ROWS_MAX},
    question::Scalar,
};

use super::{
    super::sheet::{SheetError, class_of, expected, number_of},
    Contrast, Truths,
};

/// A table that is read: the same rows in the feature order of either contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Both {
    /// For the live version.
    pub live: Vec<Vec<Scalar>>,
    /// For the version beside it.
    pub beside: Vec<Vec<Scalar>>,
    /// What compares the answers.
    pub contrast: Contrast,
}

/// A table while it is read, row by row.
pub struct Sheet<'a> {
    contracts: [&'a Contract; 2],
    width: usize,
    /// The table's column for each feature, of either contract.
    places: [Vec<Option<usize>>; 2],
    target: Option<usize>,
    both: Both,
}

impl<'a> Sheet<'a> {
    /// Finds out what the columns are for.
    ///
    /// # Errors
    /// If one is for nothing, or something has no column.
    pub fn new(
        live: &'a Contract,
        beside: &'a Contract,
        columns: &[String],
        target: Option<&str>,
    ) -> Result<Self, SheetError> {
        let truths = match (&live.task, &beside.task) {
            (Task::Classify { .. }, Task::Classify { .. }) => Truths::Classes(Vec::new()),
            (Task::Regress { .. }, Task::Regress { .. }) => Truths::Numbers(Vec::new()),
            _ => return Err(SheetError::Unfit),
        };
        let mut seen = HashMap::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            if seen.insert(column.as_str(), place).is_some() {
                return Err(SheetError::Twice(place + 1));
            }
        }
        let truth = target.map(|name| seen.get(name).copied().ok_or(SheetError::NoTarget)).transpose()?;
        let find = |contract: &Contract| {
            if contract.features.is_empty() {
                return Err(SheetError::Unfit);
            }
            let place = |feature: &mantlet_types::contract::Feature| {
                // The truth is never an input: a feature of that name is missing from this table.
                let place = seen.get(&*feature.name).copied().filter(|place| Some(*place) != truth);
                if place.is_none() && !feature.optional {
                    return Err(SheetError::Missing(feature.name.to_string()));
                }
                Ok(place)
            };
            contract.features.iter().map(place).collect::<Result<Vec<_>, _>>()
        };
        let places = [find(live)?, find(beside)?];
        let mut known = vec![false; columns.len()];
        for place in places.iter().flatten().flatten().chain(&truth) {
            if let Some(known) = known.get_mut(*place) {
                *known = true;
            }
        }
        if let Some(place) = known.iter().position(|known| !known) {
            return Err(SheetError::Unknown(place + 1));
        }
        let contrast = Contrast {
            given: 0,
            truths: truth.is_some().then_some(truths),
            target: target.map(str::to_owned),
        };
        let both = Both { live: Vec::new(), beside: Vec::new(), contrast };
        Ok(Self { contracts: [live, beside], width: columns.len(), places, target: truth, both })
    }

    /// Takes a row.
    ///
    /// # Errors
    /// If it has another number of cells, no truth where there is a column for it, or is one too many.
    pub fn push(&mut self, cells: &[Scalar]) -> Result<(), SheetError> {
        let number = self.both.live.len() + 1;
        if cells.len() != self.width {
            return Err(SheetError::Width(number));
        }
        let features: usize = self.places.iter().map(Vec::len).sum();
        let elements = number.checked_mul(features.max(1));
        if number > EVALUATED_ROWS_MAX || elements.is_none_or(|elements| elements > ELEMENTS_MAX) {
            return Err(SheetError::TooMany);
        }
        if let (Some(truths), Some(place)) = (&mut self.both.contrast.truths, self.target) {
            let truth = cells.get(place).ok_or(SheetError::NoTarget)?;
            match truths {
                Truths::Classes(truths) => {
                    let classes = self.contracts.map(|contract| match &contract.task {
                        Task::Classify { labels, .. } => class_of(labels, truth),
                        Task::Regress { .. } | Task::Opaque => None,
                    });
                    if classes == [None, None] {
                        return Err(SheetError::Class(number));
                    }
                    truths.push(classes);
                }
                Truths::Numbers(truths) => truths.push(number_of(truth).ok_or(SheetError::Number(number))?),
            }
        }
        let [live, beside] = [0, 1].map(|side: usize| {
            let kinds = self.contracts[side].features.iter().map(|feature| &feature.kind);
            let cell = |(place, kind): (&Option<usize>, _)| {
                place.and_then(|place| cells.get(place)).map_or(Scalar::Null, |cell| expected(cell, kind))
            };
            self.places[side].iter().zip(kinds).map(cell).collect()
        });
        self.both.live.push(live);
        self.both.beside.push(beside);
        self.both.contrast.given = number;
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// If there was no row.
    pub fn finish(self) -> Result<Both, SheetError> {
        if self.both.live.is_empty() { Err(SheetError::Empty) } else { Ok(self.both) }
    }
}
