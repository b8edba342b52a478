//! The gate's port to models: a [`LoadedModel`] that only the gate can ask.

use std::sync::Arc;

use mantlet_gate::{
    infer::ModelInput,
    ports::{EngineFault, Explainer, Model, Placement, RawOutput, Reach, Remote, Threshold},
};
use mantlet_types::Contract;

use crate::{artifact::LoadedModel, runtime::RunError};

/// A model in service.
pub struct ServedModel {
    contract: Arc<Contract>,
    model: Arc<LoadedModel>,
    remote: Option<Arc<dyn Remote>>,
}

impl ServedModel {
    /// Puts a loaded model into service under this contract: its own, with its version and the configured threshold. One
    /// that runs elsewhere is reached as this says.
    #[must_use]
    pub fn new(model: LoadedModel, contract: Contract, reach: &Reach) -> Self {
        Self { contract: Arc::new(contract), model: Arc::new(model), remote: None }.reached(reach)
    }

    fn reached(&self, reach: &Reach) -> Self {
        let remote = self.model.elsewhere().and_then(|elsewhere| reach(&self.contract, elsewhere));
        Self { contract: Arc::clone(&self.contract), model: Arc::clone(&self.model), remote }
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
        let (model, remote) = (Arc::clone(&self.model), self.remote.clone());
        Ok(Arc::new(Self { contract: Arc::new(contract), model, remote }))
    }

    fn placement(&self, rows: usize) -> Placement {
        if self.model.engine().cost().is_inline(rows) { Placement::Inline } else { Placement::Pool }
    }

    fn run(&self, input: ModelInput) -> Result<RawOutput, EngineFault> {
        self.model.run(&input.into_tensors()).map(RawOutput).map_err(|error| match error {
            RunError::Operator { unknown_value: true, .. } => EngineFault::UnknownValue,
            RunError::Elsewhere => EngineFault::Broken(
                "the model runs elsewhere, and no `[[model]]` says at which upstream".to_owned(),
            ),
            other => EngineFault::Broken(other.to_string()),
        })
    }

    fn explainer(&self) -> Option<&dyn Explainer> {
        self.model.explainer().map(|explainer| explainer as &dyn Explainer)
    }

    fn remote(&self) -> Option<&dyn Remote> {
        self.remote.as_deref()
    }

    fn is_ready(&self) -> bool {
        self.model.elsewhere().is_none() || self.remote.as_ref().is_some_and(|remote| remote.is_ready())
    }

    fn reached_by(&self, reach: &Reach) -> Option<Arc<dyn Model>> {
        self.model.elsewhere().map(|_| Arc::new(self.reached(reach)) as Arc<dyn Model>)
    }
}
