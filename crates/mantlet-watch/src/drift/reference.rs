//! What windows are compared with: reference columns, prepared once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{DriftError, Kind, Values, category::CategoryReference, number::NumberReference};
use crate::stats::{Sorted, StatError};

/// Values of a numeric column that are kept; of more, so many evenly spaced order statistics.
pub const VALUES_MAX: usize = 10_000;

/// Reference columns in the order in which rows are given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Reference {
    columns: Vec<ColumnReference>,
}

/// One reference column.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnReference {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) missing: u64,
    pub(crate) known: Known,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Known {
    Number(NumberReference),
    Category(CategoryReference),
}

impl Reference {
    /// Prepares named columns.
    ///
    /// # Errors
    /// If there is none, two have one name, their lengths differ, one has no value, or a number is not finite.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, &'a Values)>) -> Result<Self, DriftError> {
        let mut prepared: Vec<ColumnReference> = Vec::new();
        for (name, values) in columns {
            let column = ColumnReference::new(name, values)?;
            if prepared.first().is_some_and(|first| first.rows != column.rows) {
                return Err(DriftError::Ragged(name.to_owned()));
            }
            prepared.push(column);
        }
        Self::checked(prepared)
    }

    fn checked(columns: Vec<ColumnReference>) -> Result<Self, DriftError> {
        if columns.is_empty() {
            return Err(DriftError::NoColumns);
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
            return Err(DriftError::Twice(twice.name.clone()));
        }
        Ok(Self { columns })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[ColumnReference] {
        &self.columns
    }

    /// How many rows it was made of.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.columns.first().map_or(0, |column| column.rows)
    }
}

impl ColumnReference {
    fn new(name: &str, values: &Values) -> Result<Self, DriftError> {
        let void = || DriftError::Void(name.to_owned());
        let (present, known) = match values {
            Values::Numbers(numbers) => {
                let sample =
                    Sorted::new(numbers.iter().flatten().copied().collect()).map_err(
                        |error| match error {
                            StatError::Empty => void(),
                            _ => DriftError::NotFinite(name.to_owned()),
                        },
                    )?;
                (sample.count() as u64, Known::Number(NumberReference::new(&sample, VALUES_MAX)))
            }
            Values::Categories(texts) => {
                let reference = CategoryReference::new(texts.iter().flatten().map(AsRef::as_ref));
                match reference.rows() {
                    0 => return Err(void()),
                    rows => (rows, Known::Category(reference)),
                }
            }
        };
        let rows = values.rows() as u64;
        Ok(Self { name: name.to_owned(), rows, missing: rows - present, known })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.known {
            Known::Number(_) => Kind::Number,
            Known::Category(_) => Kind::Category,
        }
    }

    /// Whether all its values are one: then it has no unit that a shift could be measured in.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        match &self.known {
            Known::Number(numbers) => numbers.is_constant(),
            Known::Category(categories) => categories.is_constant(),
        }
    }

    fn is_sound(&self) -> bool {
        self.missing < self.rows
            && match &self.known {
                Known::Number(_) => true,
                Known::Category(categories) => categories.is_sound(),
            }
    }
}

/// A reference as it was written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    columns: Vec<ColumnReference>,
}

impl TryFrom<Stored> for Reference {
    type Error = DriftError;

    fn try_from(stored: Stored) -> Result<Self, DriftError> {
        match stored.columns.iter().find(|column| !column.is_sound()) {
            Some(column) => Err(DriftError::Void(column.name.clone())),
            None => Self::checked(stored.columns),
        }
    }
}
