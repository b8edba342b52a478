//! A package's files, parsed and with the engine made. Whether the bytes were verified is known to the caller alone:
//! serving comes here with a `VerifiedArtifact`, offline work with a directory.

use mantlet_types::{Contract, ProjectId, Sha256, Version};

use super::{
    ClassValues, Package, PackageError, Settings,
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
            Self::Engine(_) => None,
        }
    }

    /// Byte range in `mantlet-model.toml`, where the fault has a place there.
    #[must_use]
    pub fn span(&self) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Package(error) => error.span(),
            Self::Engine(_) => None,
        }
    }
}

/// Engine, settings and profile of one package.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) classes: Option<ClassValues>,
    /// SHA-256 of `model.onnx`.
    pub(crate) sha256: Sha256,
}

impl Model {
    /// Parses what is said of the model, then makes its engine.
    pub(crate) fn new(package: &Package) -> Result<Self, LoadError> {
        let settings = package.settings()?;
        let engine = Engine::load(package.model())?;
        let outputs = &engine.signature().outputs;
        let label = outputs.iter().find(|output| interface::is_label(output));
        let classes = match label {
            Some(label) => {
                let count = outputs.iter().find_map(interface::probability_width);
                class_values(onnx::read(package.model())?, &label.name, count)
            }
            None => None,
        };
        Ok(Self { engine, settings, classes, sha256: sha256(package.model()) })
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
            model: self.sha256,
            settings: &self.settings,
            profile,
        };
        Ok(contract::derive(&parts, project, version, digest)?)
    }
}
