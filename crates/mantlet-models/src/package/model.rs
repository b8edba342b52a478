//! A package's files, parsed and with the engine made. Whether the bytes were verified is known to the caller alone:
//! serving comes here with a `VerifiedArtifact`, offline work with a directory.

use mantlet_types::{
    Contract, Datatype, ProjectId, Sha256, Tensor, TensorData, TensorSpec, Version, contract::Task,
    limits::ELEMENTS_MAX,
};

use super::{
    ClassValues, MODEL_FILE, Package, PackageError, Settings,
    classes::class_values,
    contract::{self, Parts},
    interface,
};
use crate::{artifact::sha256, onnx, profile::Profile, runtime::Engine};

/// Why a package's model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Settings, profile and model do not make a contract.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Some file may do more than carry data.
    #[error(transparent)]
    Scan(#[from] crate::artifact::ScanError),
    /// No engine runs the model.
    #[error("`model.onnx`: {0}")]
    Engine(#[from] onnx::LoadError),
}

impl LoadError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Package(error) => error.hint(),
            Self::Scan(_) | Self::Engine(_) => None,
        }
    }

    /// Byte range in `mantlet-model.toml`, where the fault has a place there.
    #[must_use]
    pub fn span(&self) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Package(error) => error.span(),
            Self::Scan(_) | Self::Engine(_) => None,
        }
    }
}

/// Engine, settings and profile of one package.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) classes: Option<ClassValues>,
    /// Whether its class scores are probabilities; `None` where that could not be tried.
    are_probabilities: Option<bool>,
    /// SHA-256 of `model.onnx`, or of what is declared in its place.
    pub(crate) sha256: Sha256,
}

impl Model {
    /// Parses what is said of the model, then makes its engine.
    pub(crate) fn new(package: &Package) -> Result<Self, LoadError> {
        let settings = package.settings()?;
        if let Some(declared) = &settings.declared {
            if package.file(MODEL_FILE).is_some() {
                return Err(PackageError::TwoModels.into());
            }
            let classes = declared.classes(settings.labels.as_deref()).map_err(PackageError::from)?;
            let (engine, sha256) = (Engine::elsewhere(declared), declared.identity());
            return Ok(Self { engine, settings, classes, are_probabilities: None, sha256 });
        }
        let bytes = package.model();
        let engine = Engine::load_shared(&bytes)?;
        let outputs = &engine.signature().outputs;
        let label = outputs.iter().find(|output| interface::is_label(output));
        let classes = match label {
            Some(label) => {
                let count = outputs.iter().find_map(interface::probability_width);
                class_values(onnx::read_outline(&bytes)?, &label.name, count)
            }
            None => None,
        };
        let mut model = Self { engine, settings, classes, are_probabilities: None, sha256: sha256(&bytes) };
        if let Ok(Task::Classify { probabilities, labels, .. }) = model.task() {
            model.are_probabilities = model.try_one_row(probabilities, labels.len());
        }
        Ok(model)
    }

    /// What the outputs mean.
    pub(crate) fn task(&self) -> Result<Task, PackageError> {
        Ok(interface::task(&self.engine.signature().outputs, self.classes.as_ref(), &self.settings)?)
    }

    /// Runs a row of zeros. A model that cannot take it (an unknown category, say) is not judged by it.
    fn try_one_row(&self, probabilities: usize, classes: usize) -> Option<bool> {
        let inputs: Option<Vec<Tensor>> = self.engine.signature().inputs.iter().map(zeros).collect();
        let outputs = self.engine.run(&inputs?).ok()?;
        let row: Vec<f64> = match &outputs.get(probabilities)?.data {
            TensorData::Fp32(values) => values.iter().copied().map(f64::from).collect(),
            TensorData::Fp64(values) => values.clone(),
            _ => return None,
        };
        (row.len() == classes).then(|| interface::is_distribution(&row))
    }

    /// The contract under a profile.
    pub(crate) fn contract(
        &self,
        profile: Option<&Profile>,
        project: ProjectId,
        version: Version,
        digest: Sha256,
    ) -> Result<Contract, PackageError> {
        let signature = self.engine.signature();
        let parts = Parts {
            inputs: &signature.inputs,
            outputs: &signature.outputs,
            classes: self.classes.as_ref(),
            are_probabilities: self.are_probabilities,
            model: self.sha256,
            settings: &self.settings,
            profile,
        };
        let mut contract = contract::derive(&parts, project, version, digest)?;
        // Nobody is promised a batch that the engine would refuse.
        contract.batch_rows_max = self.engine.rows_max(contract.batch_rows_max);
        Ok(contract)
    }
}

/// One row of zeros or empty texts.
fn zeros(input: &TensorSpec) -> Option<Tensor> {
    let shape: Vec<usize> = input.shape.iter().map(|extent| extent.unwrap_or(1)).collect();
    let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent))?;
    if count > ELEMENTS_MAX {
        return None;
    }
    let data = match input.datatype {
        Datatype::Fp32 => TensorData::Fp32(vec![0.0; count]),
        Datatype::Fp64 => TensorData::Fp64(vec![0.0; count]),
        Datatype::Int32 => TensorData::Int32(vec![0; count]),
        Datatype::Int64 => TensorData::Int64(vec![0; count]),
        Datatype::Bytes => TensorData::Bytes(vec![Vec::new(); count]),
        _ => return None,
    };
    Some(Tensor { name: input.name.clone(), shape, data })
}
