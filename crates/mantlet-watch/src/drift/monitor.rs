//! Windows over a stream: a fast one of the latest rows, looked at every few, and a slow one of counts, looked at when it is full.
//!
//! Memory is bounded by the rules: the fast window's rows, and some 4 kB a column. The state is written down and read back whole, so that a
//! restart loses nothing, and the states of replicas add up. Time is an argument and decides one thing: which rows are the latest when
//! two states are joined; a clock that steps back disturbs nothing else.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Cell, DriftError, Kind, Reference, Report, Rules, Values, check,
    check::judge,
    shortened,
    slow::{self, SlowColumn},
};

/// Watches a stream of rows.
#[derive(Debug, Clone)]
pub struct Monitor {
    reference: Arc<Reference>,
    rules: Rules,
    state: MonitorState,
}

/// All that a [`Monitor`] remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorState {
    /// The columns that it belongs to.
    columns: Vec<(String, Kind)>,
    /// Rows so far.
    rows: u64,
    fast: VecDeque<Row>,
    /// Rows since the fast window was looked at.
    unlooked: u64,
    slow: Vec<SlowColumn>,
    slow_rows: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    time: u64,
    cells: Vec<Kept>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kept {
    Number(f64),
    Category(Box<str>),
    Missing,
}

/// Which of the windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// The latest rows.
    Fast,
    /// Counts of many.
    Slow,
}

/// A window that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowReport {
    /// Which.
    pub window: WindowKind,
    /// Its first row of the stream, counted from 1.
    pub first: u64,
    /// Its last.
    pub last: u64,
    /// The false discovery rate of this look.
    pub alpha: f64,
    /// What it shows.
    #[serde(flatten)]
    pub report: Report,
}

/// What a row brought about.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A category that the reference does not have, once per slow window.
    NewCategory {
        /// The column.
        column: String,
        /// Its name, as far as it is kept.
        category: Box<str>,
        /// The row, counted from 1.
        row: u64,
    },
    /// A window was looked at.
    Window(Box<WindowReport>),
}

impl Monitor {
    /// Watches from now on.
    ///
    /// # Errors
    /// If a rule is out of range, which is named.
    pub fn new(reference: Arc<Reference>, rules: Rules) -> Result<Self, super::RulesError> {
        rules.check()?;
        let columns =
            reference.columns().iter().map(|column| (column.name().to_owned(), column.kind())).collect();
        let slow = slow::columns(&reference);
        let state = MonitorState { columns, rows: 0, fast: VecDeque::new(), unlooked: 0, slow, slow_rows: 0 };
        Ok(Self { reference, rules, state })
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// If the state does not belong to this reference and these rules.
    pub fn resume(mut self, state: MonitorState) -> Result<Self, DriftError> {
        self.accept(&state)?;
        self.state = state;
        Ok(self)
    }

    /// What is to be saved.
    #[must_use]
    pub fn state(&self) -> &MonitorState {
        &self.state
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes a row, its cells in the reference's order.
    ///
    /// # Errors
    /// If it is not a row of the reference's columns, or a number is not finite; then nothing of it is counted.
    pub fn observe(&mut self, cells: &[Cell<'_>], time: u64) -> Result<Vec<Event>, DriftError> {
        self.check_row(cells)?;
        let state = &mut self.state;
        state.rows = state.rows.saturating_add(1);
        state.unlooked = state.unlooked.saturating_add(1);
        state.slow_rows = state.slow_rows.saturating_add(1);
        let mut events = Vec::new();
        for ((column, slow), cell) in self.reference.columns().iter().zip(&mut state.slow).zip(cells) {
            if let Some(category) = slow.observe(column, *cell) {
                events.push(Event::NewCategory {
                    column: column.name().to_owned(),
                    category,
                    row: state.rows,
                });
            }
        }
        if state.fast.len() >= self.rules.fast_rows {
            state.fast.pop_front();
        }
        state.fast.push_back(Row { time, cells: cells.iter().map(Kept::of).collect() });
        self.look(&mut events)?;
        Ok(events)
    }

    /// Adds what another replica has seen of the same stream.
    ///
    /// # Errors
    /// If its state does not belong to this reference and these rules.
    pub fn merge(&mut self, other: &MonitorState) -> Result<Vec<Event>, DriftError> {
        self.accept(other)?;
        let state = &mut self.state;
        state.rows = state.rows.saturating_add(other.rows);
        state.unlooked = state.unlooked.saturating_add(other.unlooked);
        state.slow_rows = state.slow_rows.saturating_add(other.slow_rows);
        state.slow.iter_mut().zip(&other.slow).for_each(|(own, other)| own.merge(other));
        state.fast.extend(other.fast.iter().cloned());
        state.fast.make_contiguous().sort_by_key(|row| row.time);
        let excess = state.fast.len().saturating_sub(self.rules.fast_rows);
        state.fast.drain(..excess);
        let mut events = Vec::new();
        self.look(&mut events)?;
        Ok(events)
    }

    /// Looks at what has come since the last look, however little: for the end of a stream.
    ///
    /// # Errors
    /// None that a row that was taken could cause.
    pub fn finish(&mut self) -> Result<Option<WindowReport>, DriftError> {
        let is_due = self.state.unlooked > 0;
        if is_due { self.look_fast().map(Some) } else { Ok(None) }
    }

    fn check_row(&self, cells: &[Cell<'_>]) -> Result<(), DriftError> {
        let columns = self.reference.columns();
        if cells.len() != columns.len() {
            return Err(DriftError::Columns { expected: columns.len(), got: cells.len() });
        }
        for (column, cell) in columns.iter().zip(cells) {
            match (column.kind(), cell) {
                (Kind::Number, Cell::Number(value)) if !value.is_finite() => {
                    return Err(DriftError::NotFinite(column.name().to_owned()));
                }
                (Kind::Number, Cell::Number(_))
                | (Kind::Category, Cell::Category(_))
                | (_, Cell::Missing) => {}
                _ => return Err(DriftError::Kind(column.name().to_owned())),
            }
        }
        Ok(())
    }

    fn accept(&self, state: &MonitorState) -> Result<(), DriftError> {
        let columns = self.reference.columns();
        let is_row = |row: &Row| {
            row.cells.len() == columns.len()
                && row.cells.iter().zip(columns).all(|(cell, column)| cell.is_of(column.kind()))
        };
        let is_own = state.columns == self.state.columns
            && state.slow.len() == columns.len()
            && state.slow.iter().zip(columns).all(|(slow, column)| slow.is_of(column))
            && state.fast.len() <= self.rules.fast_rows
            && state.fast.iter().all(is_row);
        if is_own { Ok(()) } else { Err(DriftError::Foreign) }
    }

    fn look(&mut self, events: &mut Vec<Event>) -> Result<(), DriftError> {
        if self.state.fast.len() >= self.rules.fast_rows && self.state.unlooked >= self.rules.fast_step as u64
        {
            events.push(Event::Window(Box::new(self.look_fast()?)));
        }
        if self.state.slow_rows >= self.rules.slow_rows as u64 {
            events.push(Event::Window(Box::new(self.look_slow())));
        }
        Ok(())
    }

    fn look_fast(&mut self) -> Result<WindowReport, DriftError> {
        self.state.unlooked = 0;
        let mut window: Vec<Values> =
            self.reference.columns().iter().map(|column| Values::empty(column.kind())).collect();
        for row in &self.state.fast {
            for (values, cell) in window.iter_mut().zip(&row.cells) {
                cell.push_to(values);
            }
        }
        let alpha = self.rules.alpha_of_fast_look();
        let rules = Rules { alpha, ..self.rules.clone() };
        let report = check(&self.reference, &window, &rules)?;
        Ok(self.report(WindowKind::Fast, alpha, report))
    }

    fn look_slow(&mut self) -> WindowReport {
        let seen = self
            .reference
            .columns()
            .iter()
            .zip(&self.state.slow)
            .filter_map(|(column, slow)| slow.seen(column, &self.rules))
            .collect();
        let report = judge(&self.reference, seen, self.state.slow_rows, &self.rules, self.rules.alpha);
        self.state.slow = slow::columns(&self.reference);
        self.state.slow_rows = 0;
        self.report(WindowKind::Slow, self.rules.alpha, report)
    }

    fn report(&self, window: WindowKind, alpha: f64, report: Report) -> WindowReport {
        let last = self.state.rows;
        WindowReport { window, first: last.saturating_sub(report.rows) + 1, last, alpha, report }
    }
}

impl Kept {
    fn of(cell: &Cell<'_>) -> Self {
        match cell {
            Cell::Number(value) => Self::Number(*value),
            Cell::Category(name) => Self::Category(shortened(name).into()),
            Cell::Missing => Self::Missing,
        }
    }

    fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Number(value) => kind == Kind::Number && value.is_finite(),
            Self::Category(name) => kind == Kind::Category && name.len() <= super::CATEGORY_BYTES_MAX,
            Self::Missing => true,
        }
    }

    fn push_to(&self, values: &mut Values) {
        match (values, self) {
            (Values::Numbers(values), Self::Number(value)) => values.push(Some(*value)),
            (Values::Numbers(values), _) => values.push(None),
            (Values::Categories(values), Self::Category(name)) => values.push(Some(name.clone())),
            (Values::Categories(values), _) => values.push(None),
        }
    }
}
