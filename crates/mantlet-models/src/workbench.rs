//! The workbench: offline work on a directory that nobody verified yet, because its author is still at it.
//!
//! It profiles and tries models. It never implements the gate's `Model`, so nothing opened here can serve.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use mantlet_gate::{input, output::Scores};
use mantlet_types::{
    Contract, ProjectId, Rejection, Tensor, TensorData, Version,
    contract::{Label, Layout, Task},
    question::Scalar,
};

use crate::{
    artifact::statement_digest,
    evaluate::{self, Key, Labelled, Report, Sheet, SheetError, table as sheets},
    package::{
        ConfidenceRule, LoadError, PROFILE_FILE, Package, PackageError, interface::Columns, model::Model,
    },
    profile::{
        Background, Calibration, Format, Profile, ProfileError, TableError,
        calibrate::{COVERAGE_DEFAULT, Outcomes, half_width},
        reference::summarize,
        table::{self, Table},
    },
    runtime::RunError,
    write::write_atomic,
};

/// Rows that run at once while calibrating.
const BATCH_ROWS: usize = 256;

/// The column that holds the truth, unless another is named.
const TARGET_DEFAULT: &str = "target";

/// Why work on a directory failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkbenchError {
    /// The directory is not a package, or its parts do not fit each other.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The data do not fit the model, or do not suffice.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The table to evaluate with does not fit the model.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The table to evaluate with cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The model's contract refuses every row of the table, the first for this reason.
    #[error("the model refuses every row: {0}")]
    Refused(Rejection),
    /// The model's answers to the table cannot be evaluated.
    #[error("the model's answers cannot be evaluated: {0}")]
    Unmarkable(String),
    /// The result cannot be written.
    #[error("`{}`: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl From<PackageError> for WorkbenchError {
    fn from(error: PackageError) -> Self {
        Self::Load(error.into())
    }
}

impl WorkbenchError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Load(error) => error.hint(),
            Self::Profile(ProfileError::Table(error)) | Self::Table(error) => error.hint(),
            Self::Sheet(SheetError::NoTarget) => Some("name the column of the truth with `--target`".into()),
            Self::Profile(ProfileError::TooFew { needed, .. }) => Some(format!(
                "bring at least {needed} rows that the model was not trained on, or promise less"
            )),
            Self::Profile(ProfileError::NoTarget(_)) => {
                Some("name the column of the truth with `--target`".into())
            }
            _ => None,
        }
    }

    /// Byte range in `mantlet-model.toml`, where the fault has a place there.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Load(error) => error.span(),
            _ => None,
        }
    }
}

/// What to profile with.
#[derive(Debug, Clone)]
pub struct ProfileRequest {
    /// Rows that the model was trained on, or like them.
    pub reference: PathBuf,
    /// The column that holds the truth; `target` if there is one.
    pub target: Option<String>,
    /// Rows that the model was not trained on, with the truth.
    pub calibration: Option<PathBuf>,
    /// Coverage that intervals promise; 0.9 if nothing else is asked.
    pub coverage: Option<f64>,
    /// Reference rows to keep for explanations, at most [`BACKGROUND_ROWS_MAX`](mantlet_types::limits); 0 for none.
    pub background: usize,
}

/// What to evaluate with.
#[derive(Debug, Clone)]
pub struct EvaluationRequest {
    /// Rows with the truth, as CSV.
    pub data: PathBuf,
    /// The column that holds the truth.
    pub target: String,
    /// Columns by which the rows are sliced.
    pub slices: Vec<String>,
}

/// A package under work.
#[derive(Debug)]
pub struct Workbench {
    package: Package,
    model: Model,
}

impl Workbench {
    /// Opens a directory without asking who made it.
    ///
    /// # Errors
    /// Not a package, or a model that no engine runs.
    pub fn open(directory: &Path) -> Result<Self, WorkbenchError> {
        let package = Package::read(directory)?;
        let model = Model::new(&package)?;
        Ok(Self { package, model })
    }

    /// The package.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The contract that the package would have, were it signed as it is.
    ///
    /// # Errors
    /// The package's parts do not fit each other.
    pub fn contract(&self, project: ProjectId, version: Version) -> Result<Contract, WorkbenchError> {
        let digest =
            statement_digest(&self.package).map_err(|error| ProfileError::Malformed(error.to_string()))?;
        Ok(self.model.contract(self.package.profile()?.as_ref(), project, version, digest)?)
    }

    /// Runs the model.
    ///
    /// # Errors
    /// Whatever the engine reports.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.model.engine.run(inputs)
    }

    /// Makes the profile of a model from its data. The same files give the same profile.
    ///
    /// # Errors
    /// The data do not fit the model (the column is named), or the calibration rows do not suffice.
    pub fn profile(&self, request: &ProfileRequest) -> Result<Profile, WorkbenchError> {
        let signature = self.model.engine.signature();
        let settings = &self.model.settings;
        let columns = Columns::of(&signature.inputs).map_err(PackageError::from)?;
        let header = table::header(&request.reference).map_err(ProfileError::from)?;
        let target = request.target.as_deref().unwrap_or(TARGET_DEFAULT);
        if request.target.is_some() && !header.iter().any(|name| **name == *target) {
            return Err(ProfileError::NoTarget(target.to_owned()).into());
        }
        let names: Vec<Arc<str>> = header.iter().filter(|name| ***name != *target).cloned().collect();
        let named = columns.named(settings, Some(&names)).map_err(PackageError::from)?;
        if named.is_empty() {
            return Err(ProfileError::NotTabular.into());
        }
        let reference = Table::read(&request.reference, &named, Some(target)).map_err(ProfileError::from)?;
        let features = summarize(&reference, &named, |name| settings.text.contains_key(name))
            .map_err(ProfileError::from)?;
        let calibration = match &request.calibration {
            Some(path) => {
                let rows = Table::read(path, &named, Some(target)).map_err(ProfileError::from)?;
                let coverage = request.coverage.unwrap_or(COVERAGE_DEFAULT);
                Some(self.calibrate(&rows, columns.layout(), target, coverage)?)
            }
            None => None,
        };
        let background = Background::draw(&reference, &features, request.background, self.model.sha256);
        Ok(Profile {
            format: Format::V1,
            model: self.model.sha256,
            rows: reference.rows as u64,
            target: reference.target.is_some().then(|| target.to_owned()),
            features,
            calibration,
            background,
        })
    }

    /// Evaluates the model as it would be, were the package served as it is. The same files give the same report.
    ///
    /// # Errors
    /// The table does not fit the model, or its answers cannot be judged.
    pub fn evaluate(
        &self,
        project: ProjectId,
        request: &EvaluationRequest,
    ) -> Result<Report, WorkbenchError> {
        let contract = self.contract(project, Version::FIRST)?;
        let texts = sheets::read(&request.data)?;
        let mut sheet = Sheet::new(&contract, &texts.columns, &request.target, &request.slices)?;
        for row in &texts.rows {
            let cells: Vec<Scalar> = row.iter().map(|cell| Scalar::Text(cell.into())).collect();
            sheet.push(&cells)?;
        }
        let Labelled { rows, truths, target, slices, data } = sheet.finish()?;
        let taken = input::take(&contract, rows).map_err(WorkbenchError::Refused)?;
        let unmarkable = |why: &dyn std::fmt::Display| WorkbenchError::Unmarkable(why.to_string());
        let mut scores = Scores::new(&contract).ok_or(SheetError::Unfit)?;
        for batch in taken.batches {
            let count = batch.first().and_then(|tensor| tensor.shape.first()).copied().unwrap_or(0);
            let outputs = self.run(&batch).map_err(|error| unmarkable(&error))?;
            scores.add(&contract, count, outputs).map_err(|error| unmarkable(&error))?;
        }
        let scores = Scores { rows: taken.rows, alike: taken.alike, refused: taken.refused, ..scores };
        let report = evaluate::report(&contract, &Key { truths, target, slices, data }, &scores);
        let report = report.ok_or_else(|| unmarkable(&"there are none"))?;
        Ok(Report { version: None, ..report })
    }

    /// Writes `profile.json` into the directory, whole or not at all. The signature, if there is one, no longer holds.
    ///
    /// # Errors
    /// The disk said no.
    pub fn write_profile(directory: &Path, profile: &Profile) -> Result<(), WorkbenchError> {
        let path = directory.join(PROFILE_FILE);
        let bytes = profile.to_json()?;
        write_atomic(&path, &bytes, 0o644).map_err(|cause| WorkbenchError::Write { path, cause })
    }

    /// What a profile leaves to be said to its author.
    #[must_use]
    pub fn remarks(&self, profile: &Profile) -> Vec<&'static str> {
        let declined = self.model.settings.confidence == Some(ConfidenceRule::None);
        match (&profile.calibration, self.model.task()) {
            (None, Ok(Task::Regress { .. })) if !declined => vec![
                "without calibration rows a regression has no confidence: give `--calibration`, or say \
                 `confidence = \"none\"` in `mantlet-model.toml`",
            ],
            (None, Ok(Task::Classify { .. })) if !declined => {
                vec![
                    "without calibration rows the model's probabilities are taken as they are (temperature 1)",
                ]
            }
            (Some(Calibration::Probability { temperature, .. }), _) if *temperature == 1.0 => {
                vec!["the calibration rows speak for no other temperature than 1"]
            }
            _ => Vec::new(),
        }
    }

    fn calibrate(
        &self,
        rows: &Table,
        layout: Layout,
        target: &str,
        coverage: f64,
    ) -> Result<Calibration, WorkbenchError> {
        let truths = rows.target.as_deref().ok_or_else(|| ProfileError::NoTarget(target.to_owned()))?;
        if self.model.settings.confidence == Some(ConfidenceRule::None) {
            return Err(ProfileError::Nothing("`mantlet-model.toml` says `confidence = \"none\"`").into());
        }
        if self.model.engine.is_elsewhere() {
            return Err(ProfileError::Elsewhere.into());
        }
        let task = self.model.task()?;
        match &task {
            Task::Classify { probabilities, label, labels } => {
                let mut outcomes = Outcomes::new(labels.len());
                let mut contradictions = 0;
                self.each_row(rows, layout, |row, outputs, place| {
                    let answer = |why| ProfileError::Answer { row: row + 1, why };
                    let truth = class(labels, &truths[row])
                        .ok_or_else(|| answer("the truth is none of the model's classes"))?;
                    let width = labels.len();
                    let own = numbers(&outputs[*probabilities], place * width..(place + 1) * width);
                    let own = own.ok_or_else(|| answer(NOT_NUMBERS))?;
                    let says = label.and_then(|label| number(&outputs[label], place));
                    contradictions += usize::from(says.is_some_and(|says| contradicts(says, &own, labels)));
                    outcomes.push(&own, truth).map_err(answer)
                })?;
                // Some classifiers decide a few rows otherwise than by their probabilities; classes in another order
                // than the probabilities show in nearly all rows.
                if contradictions * 10 > rows.rows {
                    return Err(ProfileError::Contradiction { rows: contradictions }.into());
                }
                Ok(outcomes.fit())
            }
            Task::Regress { value } => {
                let mut residuals = Vec::with_capacity(rows.rows);
                self.each_row(rows, layout, |row, outputs, place| {
                    let answer = |why| ProfileError::Answer { row: row + 1, why };
                    let truth: f64 =
                        truths[row].trim().parse().map_err(|_| answer("the truth is not a number"))?;
                    let value = numbers(&outputs[*value], place..place + 1);
                    let residual =
                        value.map(|value| (value[0] - truth).abs()).filter(|residual| residual.is_finite());
                    residuals.push(residual.ok_or_else(|| answer(NOT_NUMBERS))?);
                    Ok(())
                })?;
                Ok(half_width(residuals, coverage)?)
            }
            Task::Opaque => {
                Err(ProfileError::Nothing("the meaning of the model's outputs is not known").into())
            }
        }
    }

    /// Runs the model over all rows in batches; `each` gets the row, the outputs of its batch and its place there.
    fn each_row(
        &self,
        rows: &Table,
        layout: Layout,
        mut each: impl FnMut(usize, &[Tensor], usize) -> Result<(), ProfileError>,
    ) -> Result<(), ProfileError> {
        let inputs = &self.model.engine.signature().inputs;
        let takes_one = inputs.iter().any(|input| input.shape.first() == Some(&Some(1)));
        let batch = if takes_one { 1 } else { BATCH_ROWS };
        for start in (0..rows.rows).step_by(batch) {
            let range = start..rows.rows.min(start + batch);
            let tensors = rows
                .tensors(range.clone(), layout, inputs)
                .map_err(|why| ProfileError::Answer { row: start + 1, why })?;
            let outputs = self.run(&tensors).map_err(|error| ProfileError::Engine(error.to_string()))?;
            for row in range {
                each(row, &outputs, row - start)?;
            }
        }
        Ok(())
    }
}

const NOT_NUMBERS: &str = "the model's answer is not a finite number where one belongs";

/// The class that a truth names, by the model's own value or by the author's text.
pub(crate) fn class(labels: &[Label], truth: &str) -> Option<usize> {
    let truth = truth.trim();
    let number = truth.parse::<f64>().ok();
    #[expect(clippy::cast_precision_loss, reason = "class values are small numbers")]
    let is = |label: &Label| {
        *label.text == *truth || label.number.zip(number).is_some_and(|(own, truth)| own as f64 == truth)
    };
    labels.iter().position(is)
}

/// Whether the model's label is not the class of its greatest probability. A tie may be broken either way.
fn contradicts(says: i64, probabilities: &[f64], labels: &[Label]) -> bool {
    if labels.iter().all(|label| label.number.is_none()) {
        return false;
    }
    let greatest = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let index = labels.iter().position(|label| label.number == Some(says));
    index.is_none_or(|index| probabilities[index] < greatest - 1e-6)
}

fn number(output: &Tensor, place: usize) -> Option<i64> {
    match &output.data {
        TensorData::Int64(values) => values.get(place).copied(),
        TensorData::Int32(values) => values.get(place).copied().map(i64::from),
        _ => None,
    }
}

fn numbers(output: &Tensor, range: Range<usize>) -> Option<Vec<f64>> {
    match &output.data {
        TensorData::Fp32(values) => Some(values.get(range)?.iter().map(|value| f64::from(*value)).collect()),
        TensorData::Fp64(values) => values.get(range).map(<[f64]>::to_vec),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
