//! A recorded stream, row by row, against reference rows: what a monitor would have said. Rows come as text, as data files have them;
//! who reads the files is somebody else.

mod like;
mod schema;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use self::like::Comparison;

use crate::drift::{
    Cell, DriftError, Event, Kind, Monitor, Reference, Rules, RulesError, Seasonal, Values, WindowKind,
    WindowReport,
};

pub use like::{Like, Verdict};
pub use schema::Schema;

/// Cells of reference rows that are held at once.
pub const CELLS_MAX: usize = 16 << 20;

/// Why a stream cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The reference has no rows.
    #[error("the reference has no rows")]
    NoReference,
    /// The stream has no rows.
    #[error("the stream has no rows")]
    NoStream,
    /// More cells than are held.
    #[error("the reference has more than {CELLS_MAX} cells")]
    TooLarge,
    /// A column that an option names.
    #[error("the reference has no column `{0}`")]
    NoColumn(String),
    /// A reference column that the stream lacks.
    #[error("the stream has no column `{0}`, which the reference has")]
    Missing(String),
    /// A stream column that the reference lacks.
    #[error("the stream has a column `{0}`, which the reference does not have")]
    Unknown(String),
    /// A cell that is not what its column holds.
    #[error("row {row} of the {file}, column `{column}`: {why}")]
    Cell {
        /// `reference` or `stream`.
        file: &'static str,
        /// Counted from 1, without the header.
        row: u64,
        /// The column.
        column: String,
        /// What is wrong, without the value.
        why: &'static str,
    },
    /// The rows cannot be compared.
    #[error(transparent)]
    Drift(#[from] DriftError),
    /// A rule is out of range.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

/// Which columns are watched, and how.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Columns that are left out.
    pub ignored: Vec<String>,
    /// Columns that hold categories although they look like numbers.
    pub categories: Vec<String>,
    /// The column that names each row's season.
    pub season: Option<String>,
    /// Another tool whose verdicts are told beside.
    pub like: Option<Like>,
}

/// Reference rows while they are collected.
#[derive(Debug)]
pub struct Collected {
    schema: Schema,
    values: Vec<Values>,
    seasons: Vec<Box<str>>,
    rows: u64,
    cells: usize,
}

impl Collected {
    /// Takes a row.
    ///
    /// # Errors
    /// If a cell is not what its column holds, or there are more cells than are held.
    pub fn push(&mut self, cells: &[String]) -> Result<(), ReplayError> {
        self.rows += 1;
        self.cells += self.values.len();
        if self.cells > CELLS_MAX {
            return Err(ReplayError::TooLarge);
        }
        let row = self.schema.cells(cells, "reference", self.rows)?;
        for (values, cell) in self.values.iter_mut().zip(row) {
            match (values, cell) {
                (Values::Numbers(values), Cell::Number(value)) => values.push(Some(value)),
                (Values::Numbers(values), _) => values.push(None),
                (Values::Categories(values), Cell::Category(text)) => values.push(Some(text.into())),
                (Values::Categories(values), _) => values.push(None),
            }
        }
        if self.schema.season.is_some() {
            self.seasons.push(self.schema.season(cells));
        }
        Ok(())
    }

    /// Prepares the comparison.
    ///
    /// # Errors
    /// If there are no rows, or they make no reference.
    pub fn prepare(self) -> Result<Prepared, ReplayError> {
        if self.rows == 0 {
            return Err(ReplayError::NoReference);
        }
        let named: Vec<(&str, &Values)> =
            self.schema.columns.iter().map(|column| column.name.as_str()).zip(&self.values).collect();
        let source = if self.schema.season.is_some() {
            Source::Seasonal(Seasonal::new(&named, &self.seasons)?)
        } else {
            Source::Whole(Arc::new(Reference::new(named.iter().copied())?))
        };
        Ok(Prepared { schema: self.schema, values: self.values, source, rows: self.rows })
    }
}

#[derive(Debug)]
enum Source {
    Whole(Arc<Reference>),
    Seasonal(Seasonal),
}

/// A reference that streams can be held against.
#[derive(Debug)]
pub struct Prepared {
    schema: Schema,
    values: Vec<Values>,
    source: Source,
    rows: u64,
}

/// A reference column as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToldColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether all its values are one, so that a shift of it has no unit.
    pub constant: bool,
}

impl Prepared {
    /// Reference rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The reference's columns, prepared for other tools' verdicts.
    #[must_use]
    pub fn values(&self) -> &[Values] {
        &self.values
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<ToldColumn> {
        let is_constant = |values: &Values| match values {
            Values::Numbers(values) => is_one(values.iter().flatten()),
            Values::Categories(values) => is_one(values.iter().flatten()),
        };
        self.schema
            .columns
            .iter()
            .zip(&self.values)
            .map(|(column, values)| ToldColumn {
                name: column.name.clone(),
                kind: column.kind,
                constant: is_constant(values),
            })
            .collect()
    }

    /// Begins to replay a stream with these columns, in whatever order.
    ///
    /// # Errors
    /// If the stream's columns are not the reference's, or a rule is out of range.
    pub fn replay(
        &self,
        header: &[String],
        options: &Columns,
        rules: &Rules,
    ) -> Result<Replay<'_>, ReplayError> {
        rules.check()?;
        let place = |name: &String| header.iter().position(|other| other == name);
        let mut schema = self.schema.clone();
        for column in &mut schema.columns {
            column.place = place(&column.name).ok_or_else(|| ReplayError::Missing(column.name.clone()))?;
        }
        if let Some(season) = &options.season {
            schema.season = Some(place(season).ok_or_else(|| ReplayError::Missing(season.clone()))?);
        }
        let is_known = |(at, name): &(usize, &String)| {
            schema.columns.iter().any(|column| column.place == *at)
                || schema.season == Some(*at)
                || options.ignored.contains(name)
        };
        if let Some((_, name)) = header.iter().enumerate().find(|column| !is_known(column)) {
            return Err(ReplayError::Unknown(name.clone()));
        }
        let names: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
        let like = options.like.map(|like| Comparison::new(like, rules.fast_rows, &names, &self.values));
        let summary = Summary::default();
        Ok(Replay { prepared: self, schema, rules: rules.clone(), monitors: BTreeMap::new(), like, summary })
    }
}

fn is_one<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    first.is_some_and(|first| values.all(|value| value == first))
}

/// A stream while it is replayed.
#[derive(Debug)]
pub struct Replay<'a> {
    prepared: &'a Prepared,
    schema: Schema,
    rules: Rules,
    monitors: BTreeMap<Box<str>, Monitor>,
    like: Option<Comparison>,
    summary: Summary,
}

/// What a row of the stream brought about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Told {
    /// A category that the reference does not have.
    NewCategory {
        /// The row of the stream, counted from 1.
        row: u64,
        /// The column.
        column: String,
        /// Its name.
        category: Box<str>,
        /// The season of the row.
        #[serde(skip_serializing_if = "Option::is_none")]
        season: Option<Box<str>>,
    },
    /// A window was looked at.
    Window {
        /// The season whose rows these are; `first` and `last` count them.
        #[serde(skip_serializing_if = "Option::is_none")]
        season: Option<Box<str>>,
        /// The row of the stream, counted from 1, after which it was looked at.
        row: u64,
        /// What it shows.
        #[serde(flatten)]
        report: Box<WindowReport>,
    },
    /// What another tool would have said of the latest rows, as many as the fast window has and each in one window only.
    Like {
        /// The tool.
        tool: Like,
        /// The last row of its window.
        row: u64,
        /// Column by column.
        columns: Vec<Verdict>,
    },
}

/// The whole stream in a few numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of the stream.
    pub rows: u64,
    /// Windows that were looked at.
    pub windows: u64,
    /// Windows with an alarm.
    pub alarmed_windows: u64,
    /// Alarms of each column that raised any.
    pub alarms: BTreeMap<String, u64>,
    /// The row after which the first alarm was raised.
    pub first_alarm_row: Option<u64>,
}

impl Replay<'_> {
    /// Takes the next row.
    ///
    /// # Errors
    /// If a cell is not what its column holds, or the reference has no rows of its season.
    pub fn push(&mut self, cells: &[String]) -> Result<Vec<Told>, ReplayError> {
        self.summary.rows += 1;
        let row = self.schema.cells(cells, "stream", self.summary.rows)?;
        let season = self.schema.season(cells);
        if !self.monitors.contains_key(&season) {
            let reference = match &self.prepared.source {
                Source::Whole(reference) => reference,
                Source::Seasonal(seasonal) => seasonal.of(&season)?,
            };
            self.monitors.insert(season.clone(), Monitor::new(Arc::clone(reference), self.rules.clone())?);
        }
        let events = match self.monitors.get_mut(&season) {
            Some(monitor) => monitor.observe(&row, self.summary.rows)?,
            None => Vec::new(),
        };
        let mut told: Vec<Told> = events.into_iter().map(|event| self.told(event, &season)).collect();
        if let Some(like) = &mut self.like
            && let Some(columns) = like.take(&row)
        {
            told.push(Told::Like { tool: like.like, row: self.summary.rows, columns });
        }
        Ok(told)
    }

    /// Looks at what has come since each last look, and sums up.
    ///
    /// # Errors
    /// If there was no row.
    pub fn finish(mut self) -> Result<(Vec<Told>, Summary), ReplayError> {
        if self.summary.rows == 0 {
            return Err(ReplayError::NoStream);
        }
        let mut told = Vec::new();
        for (season, mut monitor) in std::mem::take(&mut self.monitors) {
            if let Some(report) = monitor.finish()? {
                told.push(self.told(Event::Window(Box::new(report)), &season));
            }
        }
        Ok((told, self.summary))
    }

    fn told(&mut self, event: Event, season: &str) -> Told {
        let row = self.summary.rows;
        let season = self.schema.season.is_some().then(|| season.into());
        match event {
            Event::NewCategory { column, category, .. } => {
                Told::NewCategory { row, column, category, season }
            }
            Event::Window(report) => {
                self.summary.count(&report, row);
                Told::Window { season, row, report }
            }
        }
    }
}

impl Summary {
    fn count(&mut self, window: &WindowReport, row: u64) {
        self.windows += 1;
        if window.report.alarms == 0 {
            return;
        }
        self.alarmed_windows += 1;
        self.first_alarm_row.get_or_insert(row);
        for column in window.report.columns.iter().filter(|column| !column.reasons.is_empty()) {
            *self.alarms.entry(column.name.clone()).or_insert(0) += 1;
        }
    }
}

impl WindowKind {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }
}

#[cfg(test)]
mod tests;
