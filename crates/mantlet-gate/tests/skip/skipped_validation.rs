// A model takes what only the gate can make.
use mantlet_gate::{infer::ModelInput, ports::Model};
use mantlet_types::Tensor;

fn unvalidated(model: &dyn Model, tensors: Vec<Tensor>) {
    let _ = model.run(ModelInput(tensors));
}

fn main() {}
