//! The gate's port to models: a [`LoadedModel`] that only the gate can ask.

use std::sync::Arc;

use mantlet_gate::{
    infer::ModelInput,
    ports::{EngineFault, Explainer, Model, Placement, RawOutput, Threshold},
};
use mantlet_types::Contract;

use crate::{artifact::LoadedModel, runtime::RunError};

/// A model in service.
pub struct ServedModel {
    contract: Arc<Contract>,
    model: Arc<LoadedModel>,
}

impl ServedModel {
    /// Puts a loaded model into service under this contract: its own, with its version and the configured threshold.
    #[must_use]
    pub fn new(model: LoadedModel, contract: Contract) -> Self {
        Self { contract: Arc::new(contract), model: Arc::new(model) }
    }
}

impl Model for ServedModel {
    fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    fn judged_by(&self, threshold: &Threshold) -> Result<Arc<dyn Model>, String> {
        let mut contract = Contract::clone(&self.contract);
        let packaged = self.model.contract().judgment.threshold;
        contract.judgment.threshold = threshold(&contract.model, packaged)?;
        Ok(Arc::new(Self { contract: Arc::new(contract), model: Arc::clone(&self.model) }))
    }

    fn placement(&self, rows: usize) -> Placement {
        if self.model.engine().cost().is_inline(rows) { Placement::Inline } else { Placement::Pool }
    }

    fn run(&self, input: ModelInput) -> Result<RawOutput, EngineFault> {
        self.model.run(&input.into_tensors()).map(RawOutput).map_err(|error| match error {
            RunError::Operator { unknown_value: true, .. } => EngineFault::UnknownValue,
            other => EngineFault::Broken(other.to_string()),
        })
    }

    fn explainer(&self) -> Option<&dyn Explainer> {
        self.model.explainer().map(|explainer| explainer as &dyn Explainer)
    }
}
