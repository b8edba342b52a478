//! Readers of formats that are no containers. Each has `recognizes`, which looks at little, and `scan`, which checks every rule.

pub(crate) mod executable;
mod gguf;
mod hdf5;
mod json;
pub(crate) mod keras;
mod onnx;
mod operators;
mod proto;
mod safetensors;
mod skops;
pub(crate) mod template;
mod tensorflow;
mod text;
mod window;
mod xgboost;

use self::json::document;
use crate::{Format, identify::Reader};

/// Formats with a signature in their first bytes.
pub(crate) static SIGNED: &[Reader] = &[
    Reader {
        format: Format::Gguf,
        recognizes: gguf::recognizes,
        scan: gguf::scan,
        malformed: &gguf::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Hdf5,
        recognizes: hdf5::recognizes,
        scan: hdf5::scan,
        malformed: &hdf5::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Executable,
        recognizes: executable::recognizes,
        scan: executable::scan,
        malformed: &executable::EXECUTABLE,
        can_carry_code: true,
    },
    Reader {
        format: Format::Safetensors,
        recognizes: safetensors::recognizes,
        scan: safetensors::scan,
        malformed: &safetensors::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Xgboost,
        recognizes: xgboost::recognizes_binary,
        scan: xgboost::scan_binary,
        malformed: &xgboost::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Xgboost,
        recognizes: xgboost::recognizes_legacy,
        scan: xgboost::scan_legacy,
        malformed: &xgboost::LEGACY,
        can_carry_code: false,
    },
];

/// Formats that are recognized by their structure, and text last.
pub(crate) static STRUCTURED: &[Reader] = &[
    Reader {
        format: Format::SavedModel,
        recognizes: tensorflow::checkpoint::recognizes,
        scan: tensorflow::checkpoint::scan,
        malformed: &tensorflow::checkpoint::CHECKPOINT,
        can_carry_code: false,
    },
    Reader {
        format: Format::SavedModel,
        recognizes: tensorflow::metadata::recognizes,
        scan: tensorflow::metadata::scan,
        malformed: &tensorflow::MALFORMED,
        can_carry_code: true,
    },
    Reader {
        format: Format::SavedModel,
        recognizes: tensorflow::metadata::is_fingerprint,
        scan: tensorflow::metadata::scan_fingerprint,
        malformed: &tensorflow::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::SavedModel,
        recognizes: tensorflow::recognizes,
        scan: tensorflow::scan,
        malformed: &tensorflow::MALFORMED,
        can_carry_code: true,
    },
    Reader {
        format: Format::Onnx,
        recognizes: onnx::recognizes,
        scan: onnx::scan,
        malformed: &onnx::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::SavedModel,
        recognizes: tensorflow::recognizes_graph,
        scan: tensorflow::scan_graph,
        malformed: &tensorflow::MALFORMED,
        can_carry_code: true,
    },
    Reader {
        format: Format::Xgboost,
        recognizes: xgboost::recognizes,
        scan: xgboost::scan,
        malformed: &xgboost::MALFORMED,
        can_carry_code: false,
    },
    Reader {
        format: Format::Json,
        recognizes: document::recognizes,
        scan: document::scan,
        malformed: &document::SYNTAX,
        can_carry_code: false,
    },
    Reader {
        format: Format::Lightgbm,
        recognizes: text::is_lightgbm,
        scan: text::scan_lightgbm,
        malformed: &text::LIGHTGBM,
        can_carry_code: false,
    },
    Reader {
        format: Format::Text,
        recognizes: text::is_xml,
        scan: text::scan_xml,
        malformed: &text::XML,
        can_carry_code: false,
    },
    Reader {
        format: Format::Yaml,
        recognizes: text::is_yaml,
        scan: text::scan,
        malformed: &text::YAML,
        can_carry_code: false,
    },
    Reader {
        format: Format::Text,
        recognizes: text::recognizes,
        scan: text::scan,
        malformed: &text::ENCODING,
        can_carry_code: false,
    },
];
