//! What a data file's columns hold, and its cells by that.

use super::{Collected, Columns, ReplayError};
use crate::drift::{Cell, DriftError, Kind, Values};

/// What a file's columns hold, found out by reading it once.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(super) columns: Vec<Column>,
    pub(super) season: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) place: usize,
    pub(super) kind: Kind,
    /// Only what is empty so far.
    is_void: bool,
}

impl Schema {
    /// Begins with the names of the reference's columns.
    ///
    /// # Errors
    /// If an option names a column that there is not, or nothing is left to watch.
    pub fn new(header: &[String], options: &Columns) -> Result<Self, ReplayError> {
        let place = |name: &String| {
            header.iter().position(|other| other == name).ok_or_else(|| ReplayError::NoColumn(name.clone()))
        };
        for name in options.ignored.iter().chain(&options.categories) {
            place(name)?;
        }
        let season = options.season.as_ref().map(place).transpose()?;
        let columns: Vec<Column> = header
            .iter()
            .enumerate()
            .filter(|(place, name)| !options.ignored.contains(name) && Some(*place) != season)
            .map(|(place, name)| {
                let kind = if options.categories.contains(name) { Kind::Category } else { Kind::Number };
                Column { name: name.clone(), place, kind, is_void: true }
            })
            .collect();
        if columns.is_empty() {
            return Err(DriftError::NoColumns.into());
        }
        Ok(Self { columns, season })
    }

    /// Looks at a reference row: a column is one of numbers as long as every cell with something in it is a number.
    pub fn see(&mut self, cells: &[String]) {
        for column in &mut self.columns {
            let text = cells.get(column.place).map_or("", String::as_str);
            match parse(text) {
                Parsed::Missing => continue,
                Parsed::Text => column.kind = Kind::Category,
                Parsed::Number(_) | Parsed::Infinite => {}
            }
            column.is_void = false;
        }
    }

    /// Begins to collect the reference's rows.
    ///
    /// # Errors
    /// If a column has no value in any row that was seen.
    pub fn collect(self) -> Result<Collected, ReplayError> {
        if let Some(void) = self.columns.iter().find(|column| column.is_void) {
            return Err(DriftError::Void(void.name.clone()).into());
        }
        let values = self.columns.iter().map(|column| Values::empty(column.kind)).collect();
        Ok(Collected { schema: self, values, seasons: Vec::new(), rows: 0, cells: 0 })
    }

    /// A row's cells by kind.
    pub(super) fn cells<'a>(
        &self,
        cells: &'a [String],
        file: &'static str,
        row: u64,
    ) -> Result<Vec<Cell<'a>>, ReplayError> {
        let cell = |column: &Column| {
            let text = cells.get(column.place).map_or("", String::as_str);
            let wrong = |why| ReplayError::Cell { file, row, column: column.name.clone(), why };
            match (column.kind, parse(text)) {
                (Kind::Category, _) if text.is_empty() => Ok(Cell::Missing),
                (Kind::Category, _) => Ok(Cell::Category(text)),
                (Kind::Number, Parsed::Number(value)) => Ok(Cell::Number(value)),
                (Kind::Number, Parsed::Missing) => Ok(Cell::Missing),
                (Kind::Number, Parsed::Infinite) => Err(wrong("not a finite number")),
                (Kind::Number, Parsed::Text) => {
                    Err(wrong("not a number, as the reference has in this column"))
                }
            }
        };
        self.columns.iter().map(cell).collect()
    }

    pub(super) fn season(&self, cells: &[String]) -> Box<str> {
        self.season.and_then(|place| cells.get(place)).map_or("", String::as_str).into()
    }
}

enum Parsed {
    Number(f64),
    Infinite,
    Missing,
    Text,
}

fn parse(text: &str) -> Parsed {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("nan") {
        return Parsed::Missing;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Parsed::Number(value),
        Ok(_) => Parsed::Infinite,
        Err(_) => Parsed::Text,
    }
}
