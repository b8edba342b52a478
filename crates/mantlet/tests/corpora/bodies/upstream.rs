//! Answers and metadata of an upstream: whatever comes, what is taken is exactly what was asked for.

use mantlet::upstream::{
    metadata,
    response::{self, Asked},
};
use mantlet_types::{Datatype, TensorSpec};
use serde_json::Value;

/// An answer: the first two bytes say how long its header is, 0 that all of it is.
pub(crate) fn body(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let spec = |name: &str, datatype, shape: &[Option<usize>]| TensorSpec {
        name: name.into(),
        datatype,
        shape: shape.to_vec(),
    };
    let outputs = [
        spec("l", Datatype::Bytes, &[None]),
        spec("p", Datatype::Fp32, &[None, Some(2)]),
        spec("h", Datatype::Fp16, &[None, None]),
    ];
    let header_bytes = (length > 0).then_some(length);
    let asked = Asked { id: "7", model: "m", version: Some("1"), outputs: &outputs, rows: 2 };
    if let Ok(tensors) = response::read(rest, header_bytes, &asked) {
        assert_eq!(tensors.len(), outputs.len());
        for (tensor, spec) in tensors.iter().zip(&outputs) {
            assert!(tensor.name == spec.name && tensor.data.datatype() == spec.datatype);
            assert!(tensor.is_consistent() && spec.admits(&tensor.shape) && tensor.shape[0] == 2);
        }
        // An independent reader finds the same question and model in it.
        let header = rest.get(..header_bytes.unwrap_or(rest.len())).unwrap();
        let said: Value = serde_json::from_slice(header).unwrap();
        assert_eq!((said["id"].as_str(), said["model_name"].as_str()), (Some("7"), Some("m")));
        assert_eq!(said["outputs"].as_array().unwrap().len(), outputs.len());
    }
    let _ = metadata::reads_binary(rest);
}
