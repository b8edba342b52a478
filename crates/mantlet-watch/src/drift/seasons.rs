//! References by season: what is ordinary on a Sunday, or in January, need not be so on the whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{DriftError, Reference, Values};

/// Seasons at most: the weeks of a year, and a few more.
pub const SEASONS_MAX: usize = 64;

/// A reference for each season, by the season's name (`monday`, `01`), which the caller derives from the time of a row.
#[derive(Debug, Clone)]
pub struct Seasonal {
    seasons: BTreeMap<Box<str>, Arc<Reference>>,
}

impl Seasonal {
    /// Splits reference rows by their season.
    ///
    /// # Errors
    /// If there are more than [`SEASONS_MAX`], the names are not as many as the rows, or [`Reference::new`] refuses a season's rows.
    pub fn new(columns: &[(&str, &Values)], seasons: &[Box<str>]) -> Result<Self, DriftError> {
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, season) in seasons.iter().enumerate() {
            rows.entry(season).or_default().push(row);
            if rows.len() > SEASONS_MAX {
                return Err(DriftError::Seasons);
            }
        }
        if let Some((name, _)) = columns.iter().find(|(_, values)| values.rows() != seasons.len()) {
            return Err(DriftError::Ragged((*name).to_owned()));
        }
        let mut made = BTreeMap::new();
        for (season, rows) in rows {
            let chosen: Vec<(&str, Values)> =
                columns.iter().map(|(name, values)| (*name, chosen(values, &rows))).collect();
            let reference = Reference::new(chosen.iter().map(|(name, values)| (*name, values)))?;
            made.insert(season.into(), Arc::new(reference));
        }
        Ok(Self { seasons: made })
    }

    /// The reference of a season.
    ///
    /// # Errors
    /// If the reference rows had none of it: there is nothing that such a row could be compared with.
    pub fn of(&self, season: &str) -> Result<&Arc<Reference>, DriftError> {
        self.seasons.get(season).ok_or_else(|| DriftError::Season(season.to_owned()))
    }
}

fn chosen(values: &Values, rows: &[usize]) -> Values {
    match values {
        Values::Numbers(values) => {
            Values::Numbers(rows.iter().filter_map(|row| values.get(*row).copied()).collect())
        }
        Values::Categories(values) => {
            Values::Categories(rows.iter().filter_map(|row| values.get(*row).cloned()).collect())
        }
    }
}
