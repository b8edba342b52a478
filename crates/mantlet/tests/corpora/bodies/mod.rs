//! What must hold of every parser of strangers' bytes, whatever the bytes.
//!
//! Each body takes one input and fails by panicking. Fuzz targets throw new inputs at it, the test in this directory
//! those that were kept; both call the same function, so that whatever one finds the other remembers. A body asks
//! for more than survival: an independent reader agrees, what is written again is read again, bounds hold.

mod api_key;
mod archive;
mod audit;
mod bundle;
mod cloud;
mod configuration;
mod gate;
mod grpc;
mod guard;
mod guard_arguments;
mod guard_structure;
mod llm;
mod onnx;
mod oracle;
mod package;
mod request;
mod scan;
mod tiles;
mod upload;
mod upstream;
mod watch;
mod workload;

/// Feeds one input to a parser.
pub(crate) type Body = fn(&[u8]);

/// Every target by its name, which is also its corpus' directory.
pub(crate) const TARGETS: &[(&str, Body)] = &[
    ("request_json", request::json),
    ("request_binary", request::binary),
    ("request_grpc", grpc::body),
    ("api_key", api_key::body),
    ("configuration", configuration::body),
    ("onnx", onnx::body),
    ("audit_entry", audit::entry),
    ("audit_tiles", tiles::body),
    ("scan", scan::body),
    ("upload", upload::body),
    ("bundle", bundle::body),
    ("archive", archive::body),
    ("token", workload::token),
    ("spiffe_id", workload::spiffe_id),
    ("svid", workload::svid),
    ("upstream", upstream::body),
    ("request_llm", llm::request),
    ("answer_llm", llm::answer),
    ("scan_safetensors", scan::safetensors),
    ("scan_gguf", scan::gguf),
    ("scan_hdf5", scan::hdf5),
    ("scan_template", scan::template),
    ("scan_onnx", scan::onnx),
    ("guard_detect", guard::detect),
    ("guard_normalize", guard::normalized),
    ("scan_sevenz", scan::sevenz),
    ("scan_checkpoint", scan::checkpoint),
    ("guard_structure", guard_structure::body),
    ("guard_redact", guard::redacted),
    ("guard_markup", guard::markup),
    ("guard_stream", guard::streamed),
    ("scan_pickle", scan::pickle),
    ("scan_numpy", scan::numpy),
    ("scan_zip", scan::zip),
    ("scan_tar", scan::tar),
    ("scan_compressed", scan::compressed),
    ("scan_keras", scan::keras),
    ("scan_xgboost", scan::xgboost),
    ("scan_text", scan::text),
    ("guard_schema", guard::schema),
    ("policy", gate::policy),
    ("approval", gate::approval),
    ("network", gate::network),
    ("settings", package::settings),
    ("profile", package::profile),
    ("watch_replay", watch::replay),
    ("guard_arguments", guard_arguments::body),
    ("cloud_permissions", cloud::permissions),
    ("cloud_networks", cloud::networks),
];
