//! Loading for serving: from a verified artifact, and from nothing else.

use std::sync::Arc;

use mantlet_gate::ports::Elsewhere;
use mantlet_types::{Contract, ProjectId, Tensor, Version};

use super::{VerifiedArtifact, scanned};
use crate::{
    explain::Explainer,
    package::{LoadError, model::Model},
    profile::Profile,
    runtime::{Engine, RunError},
};

/// A model that may serve: what it promises, and what computes it.
#[derive(Debug)]
pub struct LoadedModel {
    contract: Arc<Contract>,
    engine: Arc<Engine>,
    explainer: Option<Explainer>,
    elsewhere: Option<Elsewhere>,
}

impl LoadedModel {
    /// What the gate judges by.
    #[must_use]
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// What computes it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What explains its answers, if the package came with a background and the model has outputs that can be.
    #[must_use]
    pub fn explainer(&self) -> Option<&Explainer> {
        self.explainer.as_ref()
    }

    /// How it is called where it runs, if that is not here.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }

    /// Runs the model; outputs come in the contract's order.
    ///
    /// # Errors
    /// Whatever the engine reports. Its text is for the log, never for a caller.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.engine.run(inputs)
    }
}

/// Makes a model that may serve out of verified bytes. INVARIANT (verified): serving reaches an engine only here.
///
/// # Errors
/// The scan is not clean; settings, profile and model do not fit each other; or no engine runs the model.
pub fn load(
    artifact: &VerifiedArtifact,
    project: ProjectId,
    version: Version,
) -> Result<LoadedModel, LoadError> {
    let package = artifact.package();
    scanned::scan(package)?;
    let model = Model::new(package)?;
    let profile = package.profile()?;
    let contract = model.contract(profile.as_ref(), project, version, artifact.digest())?;
    let elsewhere = model.settings.declared.map(|declared| declared.elsewhere);
    let engine = Arc::new(model.engine);
    let explainer = profile.as_ref().and_then(|profile| explainer(&engine, &contract, profile));
    Ok(LoadedModel { contract: Arc::new(contract), engine, explainer, elsewhere })
}

/// What explains a model's answers against its profile's background.
pub(crate) fn explainer(engine: &Arc<Engine>, contract: &Contract, profile: &Profile) -> Option<Explainer> {
    let background = profile.background.as_ref()?.tensors(contract.layout, &contract.inputs)?;
    Explainer::new(Arc::clone(engine), contract, &background)
}
