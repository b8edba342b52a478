//! The small messages of `inference.GRPCInferenceService` and `grpc.health.v1.Health`, as prost messages written by
//! hand. Names and numbers are those of `proto/`; fields that nothing here has a value for are left out.

use prost::Message;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* })*) => {
        $($(#[$doc])* #[derive(Clone, PartialEq, Message)] pub(super) struct $name { $($(#[$field])* pub(super) $member: $type,)* })*
    };
}

messages! {
    /// `ServerLiveResponse`, `ServerReadyResponse` and `ModelReadyResponse`, whose one field is `live` in the first.
    Readiness {
        #[prost(bool, tag = "1")]
        ready: bool,
    }
    /// `ServerMetadataResponse`.
    ServerMetadata {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        version: String,
        #[prost(string, repeated, tag = "3")]
        extensions: Vec<String>,
    }
    /// `ModelReadyRequest`, `ModelMetadataRequest`, `ModelConfigRequest` and `ModelStatisticsRequest`.
    Named {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        version: String,
    }
    /// `ModelMetadataResponse`.
    ModelMetadata {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, repeated, tag = "2")]
        versions: Vec<String>,
        #[prost(string, tag = "3")]
        platform: String,
        #[prost(message, repeated, tag = "4")]
        inputs: Vec<TensorMetadata>,
        #[prost(message, repeated, tag = "5")]
        outputs: Vec<TensorMetadata>,
    }
    /// `ModelMetadataResponse.TensorMetadata`.
    TensorMetadata {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        datatype: String,
        #[prost(int64, repeated, tag = "3")]
        shape: Vec<i64>,
    }
    /// `ModelConfigResponse`.
    ConfigResponse {
        #[prost(message, optional, tag = "1")]
        config: Option<ModelConfig>,
    }
    /// `ModelConfig`.
    ModelConfig {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        platform: String,
        #[prost(int32, tag = "4")]
        max_batch_size: i32,
        #[prost(message, repeated, tag = "5")]
        input: Vec<ModelInput>,
        #[prost(message, repeated, tag = "6")]
        output: Vec<ModelOutput>,
        #[prost(string, tag = "17")]
        backend: String,
    }
    /// `ModelInput`.
    ModelInput {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(int32, tag = "2")]
        data_type: i32,
        #[prost(int64, repeated, tag = "4")]
        dims: Vec<i64>,
    }
    /// `ModelOutput`.
    ModelOutput {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(int32, tag = "2")]
        data_type: i32,
        #[prost(int64, repeated, tag = "3")]
        dims: Vec<i64>,
    }
    /// `ModelStatisticsResponse`.
    StatisticsResponse {
        #[prost(message, repeated, tag = "1")]
        model_stats: Vec<ModelStatistics>,
    }
    /// `ModelStatistics`.
    ModelStatistics {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        version: String,
        #[prost(uint64, tag = "3")]
        last_inference: u64,
        #[prost(uint64, tag = "4")]
        inference_count: u64,
        #[prost(uint64, tag = "5")]
        execution_count: u64,
        #[prost(message, optional, tag = "6")]
        inference_stats: Option<InferStatistics>,
    }
    /// `InferStatistics`.
    InferStatistics {
        #[prost(message, optional, tag = "1")]
        success: Option<StatisticDuration>,
        #[prost(message, optional, tag = "2")]
        fail: Option<StatisticDuration>,
    }
    /// `StatisticDuration`.
    StatisticDuration {
        #[prost(uint64, tag = "1")]
        count: u64,
        #[prost(uint64, tag = "2")]
        ns: u64,
    }
    /// `RepositoryIndexRequest`.
    IndexRequest {
        #[prost(string, tag = "1")]
        repository_name: String,
        #[prost(bool, tag = "2")]
        ready: bool,
    }
    /// `RepositoryIndexResponse`.
    IndexResponse {
        #[prost(message, repeated, tag = "1")]
        models: Vec<ModelIndex>,
    }
    /// `RepositoryIndexResponse.ModelIndex`.
    ModelIndex {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        version: String,
        #[prost(string, tag = "3")]
        state: String,
        #[prost(string, tag = "4")]
        reason: String,
    }
    /// `RepositoryModelLoadRequest` and `RepositoryModelUnloadRequest`.
    LoadRequest {
        #[prost(string, tag = "1")]
        repository_name: String,
        #[prost(string, tag = "2")]
        model_name: String,
    }
    /// `HealthCheckResponse`: 1 is `SERVING`, 2 `NOT_SERVING`.
    Health {
        #[prost(int32, tag = "1")]
        status: i32,
    }
}
