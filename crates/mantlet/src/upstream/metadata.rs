//! What an upstream says of itself and of a model there, held against what the model's package declares. Who says nothing
//! is not contradicted: some servers declare no tensors at all.

use mantlet_types::{Contract, TensorSpec};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The extension by which tensors travel in binary.
const BINARY: &str = "binary_tensor_data";

/// `GET /v2`.
#[derive(Deserialize)]
struct Server {
    #[serde(default)]
    extensions: Option<Vec<String>>,
}

/// `GET /v2/models/{model}`.
#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    inputs: Option<Vec<Declared>>,
    #[serde(default)]
    outputs: Option<Vec<Declared>>,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

/// Whether the server announces that it reads binary tensors.
///
/// # Errors
/// If what it says is no server metadata.
pub fn reads_binary(body: &[u8]) -> Result<bool, String> {
    let server: Server = object(body).ok_or("its metadata are no server metadata")?;
    Ok(server.extensions.unwrap_or_default().iter().any(|extension| extension == BINARY))
}

/// Holds what a server says of a model against its contract.
///
/// # Errors
/// Where the two differ, in names that the package declares.
pub fn check(body: &[u8], contract: &Contract) -> Result<(), String> {
    let model: Model = object(body).ok_or("its metadata are no model metadata")?;
    let there = model.inputs.unwrap_or_default();
    if !there.is_empty() {
        compare("input", &contract.inputs, &there)?;
        if there.len() != contract.inputs.len() {
            return Err("the model takes an input there that its package does not declare".to_owned());
        }
    }
    let there = model.outputs.unwrap_or_default();
    // Outputs that are not asked for do no harm.
    if there.is_empty() { Ok(()) } else { compare("output", &contract.outputs, &there) }
}

/// An object by its members' names: serde would also take an array for one.
fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    serde_json::from_value(Value::Object(members)).ok()
}

fn compare(kind: &str, own: &[TensorSpec], there: &[Declared]) -> Result<(), String> {
    for spec in own {
        let name = &spec.name;
        let Some(declared) = there.iter().find(|declared| *declared.name == **name) else {
            return Err(format!("the model has no {kind} `{name}` there"));
        };
        if declared.datatype != spec.datatype.as_str() {
            return Err(format!("the {kind} `{name}` is of another type there than {}", spec.datatype));
        }
        if !is_like(&spec.shape, &declared.shape) {
            return Err(format!("the {kind} `{name}` has another shape there"));
        }
    }
    Ok(())
}

/// Whether there are tensors that both admit.
fn is_like(own: &[Option<usize>], there: &[i64]) -> bool {
    let extent = |(own, there): (&Option<usize>, &i64)| match (own, usize::try_from(*there)) {
        (Some(own), Ok(there)) => *own == there,
        // Negative: any extent.
        (None, _) | (_, Err(_)) => true,
    };
    own.len() == there.len() && own.iter().zip(there).all(extent)
}

#[cfg(test)]
mod tests {
    use mantlet_types::Datatype;

    use super::*;
    use crate::server::testing;

    fn contract() -> Contract {
        let spec = |name: &str, datatype, shape: &[Option<usize>]| TensorSpec {
            name: name.into(),
            datatype,
            shape: shape.to_vec(),
        };
        let mut contract = Contract::clone(&testing::answer(1).contract);
        contract.inputs = vec![spec("x", Datatype::Fp32, &[None, Some(4)])];
        contract.outputs = vec![spec("p", Datatype::Fp64, &[None, None])];
        contract
    }

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let said = super::check(text.as_bytes(), &contract()).err();
        assert!(
            match (&said, expect) {
                (None, None) => true,
                (Some(said), Some(expect)) => said.contains(expect),
                _ => false,
            },
            "{text}: {said:?}"
        );
    }

    #[test]
    fn who_says_the_same_or_nothing_is_not_contradicted() {
        check(
            r#"{"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}],"outputs":[{"name":"q","datatype":"FP32","shape":[1]},{"name":"p","datatype":"FP64","shape":[-1,3]}]}"#,
            None,
        );
        check(r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[8,-1],"parameters":{}}]}"#, None);
        check(r#"{"name":"m","platform":"","inputs":[],"outputs":[]}"#, None);
        check(r#"{"name":"m","inputs":null}"#, None);
    }

    #[test]
    fn who_says_otherwise_is() {
        let input = |datatype: &str, shape: &str| {
            format!(r#"{{"inputs":[{{"name":"x","datatype":"{datatype}","shape":{shape}}}]}}"#)
        };
        check(&input("FP64", "[-1,4]"), Some("`x` is of another type"));
        check(&input("FP32", "[-1,5]"), Some("`x` has another shape"));
        check(&input("FP32", "[-1,4,1]"), Some("`x` has another shape"));
        check(r#"{"inputs":[{"name":"y","datatype":"FP32","shape":[-1,4]}]}"#, Some("no input `x`"));
        check(
            r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]},{"name":"y","datatype":"FP32","shape":[1]}]}"#,
            Some("does not declare"),
        );
        check(r#"{"outputs":[{"name":"q","datatype":"FP64","shape":[-1,3]}]}"#, Some("no output `p`"));
        for text in ["", "[]", r#"{"inputs":3}"#, "<html>"] {
            check(text, Some("no model metadata"));
        }
    }

    #[test]
    fn extensions_are_what_is_announced() {
        assert_eq!(reads_binary(br#"{"name":"triton","extensions":["x","binary_tensor_data"]}"#), Ok(true));
        assert_eq!(reads_binary(br#"{"name":"mlserver","version":"1","extensions":[]}"#), Ok(false));
        assert_eq!(reads_binary(br#"{"name":"other"}"#), Ok(false));
        assert!(reads_binary(b"<html>").is_err());
    }
}
