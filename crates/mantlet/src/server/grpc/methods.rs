//! Methods that go through door 2: the same deeds as over REST, from messages and into messages.

use std::sync::Arc;

use mantlet_gate::releases::alias::number;
use mantlet_types::{Contract, Datatype, Rejection, TensorSpec, Version, entry::Event};

use super::{
    frame,
    messages::{
        ConfigResponse, IndexRequest, IndexResponse, InferStatistics, LoadRequest, ModelConfig, ModelIndex,
        ModelInput, ModelMetadata, ModelOutput, ModelStatistics, Named, Readiness, StatisticDuration,
        StatisticsResponse, TensorMetadata,
    },
    which,
};
use crate::server::{
    call::{Call, Replying},
    catalog::{Index, Load, PLATFORM, Read, Which, extents},
    monitor::{self, ReadStatistics},
    reply::Reply,
};

/// Reads something of one model's contract, as a message.
fn read<M: prost::Message + 'static>(call: Call, read: fn(&Contract, Vec<Version>) -> M) -> Replying {
    reading(call, true, read, None)
}

/// The same, and whether a model that was stopped has it too, and what is said in its place of one that does not answer
/// now.
fn reading<M: prost::Message + 'static>(
    call: Call,
    of_disabled: bool,
    read: fn(&Contract, Vec<Version>) -> M,
    unready: Option<fn() -> Result<M, Rejection>>,
) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    let make = move |Named { name, version }: Named| {
        let (model, version) = which(&name, &version)?;
        Ok(Read { which: Which::new(&gate, model, version.as_ref()), of_disabled, read, unready })
    };
    call.deed_of_message(Event::ModelRead, make, show)
}

#[expect(clippy::needless_pass_by_value, reason = "a deed's reply is given away")]
fn show<M: prost::Message>(message: M) -> Result<Reply, Rejection> {
    Ok(frame::reply(frame::framed(&message)))
}

/// `ModelReady`.
pub(in crate::server) fn ready(call: Call) -> Replying {
    reading(call, false, |_, _| Readiness { ready: true }, Some(|| Ok(Readiness { ready: false })))
}

/// `ModelMetadata`.
pub(in crate::server) fn metadata(call: Call) -> Replying {
    read(call, |contract, versions| ModelMetadata {
        name: contract.model.as_str().to_owned(),
        versions: versions.iter().map(ToString::to_string).collect(),
        platform: PLATFORM.to_owned(),
        inputs: contract.inputs.iter().map(tensor).collect(),
        outputs: contract.outputs.iter().map(tensor).collect(),
    })
}

fn tensor(spec: &TensorSpec) -> TensorMetadata {
    TensorMetadata {
        name: spec.name.as_ref().to_owned(),
        datatype: spec.datatype.as_str().to_owned(),
        shape: extents(spec),
    }
}

/// `ModelConfig`: dimensions are without the batch, which `max_batch_size` speaks of.
pub(in crate::server) fn configuration(call: Call) -> Replying {
    read(call, |contract, _| {
        let dims = |spec: &TensorSpec| extents(spec).into_iter().skip(1).collect();
        let input = |spec: &TensorSpec| ModelInput {
            name: spec.name.as_ref().to_owned(),
            data_type: data_type(spec.datatype),
            dims: dims(spec),
        };
        let output = |spec: &TensorSpec| ModelOutput {
            name: spec.name.as_ref().to_owned(),
            data_type: data_type(spec.datatype),
            dims: dims(spec),
        };
        let config = ModelConfig {
            name: contract.model.as_str().to_owned(),
            platform: PLATFORM.to_owned(),
            backend: PLATFORM.to_owned(),
            max_batch_size: i32::try_from(contract.batch_rows_max).unwrap_or(i32::MAX),
            input: contract.inputs.iter().map(input).collect(),
            output: contract.outputs.iter().map(output).collect(),
        };
        ConfigResponse { config: Some(config) }
    })
}

/// Triton's enumerators of types.
fn data_type(datatype: Datatype) -> i32 {
    match datatype {
        Datatype::Bool => 1,
        Datatype::Uint8 => 2,
        Datatype::Uint16 => 3,
        Datatype::Uint32 => 4,
        Datatype::Uint64 => 5,
        Datatype::Int8 => 6,
        Datatype::Int16 => 7,
        Datatype::Int32 => 8,
        Datatype::Int64 => 9,
        Datatype::Fp16 => 10,
        Datatype::Fp32 => 11,
        Datatype::Fp64 => 12,
        Datatype::Bytes => 13,
    }
}

/// `ModelStatistics`: of one model or version, or of all that the caller may monitor where none is named.
pub(in crate::server) fn statistics(call: Call) -> Replying {
    let (statistics, gate) = (Arc::clone(&call.server.statistics), Arc::clone(&call.server.gate));
    let make = move |Named { name, version }: Named| {
        if name.is_empty() && version.is_empty() {
            return Ok(ReadStatistics { statistics, model: None, version: None });
        }
        let (model, version) = which(&name, &version)?;
        let version = version.map(|version| number(&gate.snapshot().directory, &model, &version));
        Ok(ReadStatistics { statistics, model: Some(model), version })
    };
    call.deed_of_message(Event::MonitorRead, make, |stats| {
        let duration = |of: &monitor::Duration| Some(StatisticDuration { count: of.count, ns: of.ns });
        let model_stats = stats.model_stats.iter().map(|stats| ModelStatistics {
            name: stats.name.as_str().to_owned(),
            version: stats.version.clone(),
            last_inference: stats.last_inference,
            inference_count: stats.inference_count,
            execution_count: stats.execution_count,
            inference_stats: Some(InferStatistics {
                success: duration(&stats.inference_stats.success),
                fail: duration(&stats.inference_stats.fail),
            }),
        });
        show(StatisticsResponse { model_stats: model_stats.collect() })
    })
}

/// `RepositoryIndex`.
pub(in crate::server) fn index(call: Call) -> Replying {
    let make = |IndexRequest { ready, .. }: IndexRequest| Ok(Index { ready });
    call.deed_of_message(Event::ModelRead, make, |listed| {
        let models = listed.into_iter().map(|item| ModelIndex {
            name: item.name.as_str().to_owned(),
            version: item.version.unwrap_or_default(),
            state: item.state.to_owned(),
            reason: item.reason.to_owned(),
        });
        show(IndexResponse { models: models.collect() })
    })
}

/// `RepositoryModelLoad` and `RepositoryModelUnload`: whoever may change the model learns that this is not how.
pub(in crate::server) fn load(call: Call) -> Replying {
    let make = |LoadRequest { model_name, .. }: LoadRequest| Ok(Load { model: which(&model_name, "")?.0 });
    call.deed_of_message(Event::ModelActivate, make, |()| show(()))
}
