//! What is told of sizes against what the engine then makes.

use mantlet_types::{Tensor, TensorData};
use prost::Message;

use crate::onnx::LoadError;
use crate::onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, element,
};

use super::Neural;

mod refusals;

/// A graph under construction. Its input is `x`, of floats; its output is the last value.
struct Builder {
    graph: GraphProto,
    opset: i64,
}

impl Builder {
    fn new(input: &[i64]) -> Self {
        Self { graph: GraphProto::default(), opset: 17 }.input("x", element::FLOAT, input)
    }

    fn input(mut self, name: &str, kind: i32, shape: &[i64]) -> Self {
        self.graph.input.push(port(name, kind, Some(shape)));
        self
    }

    fn floats(mut self, name: &str, dims: &[i64], value: f32) -> Self {
        let count = usize::try_from(dims.iter().product::<i64>()).unwrap();
        let mut tensor = TensorProto { name: name.into(), dims: dims.to_vec(), ..TensorProto::default() };
        (tensor.data_type, tensor.float_data) = (element::FLOAT, vec![value; count]);
        self.graph.initializer.push(tensor);
        self
    }

    fn ints(mut self, name: &str, values: &[i64]) -> Self {
        let dims = vec![i64::try_from(values.len()).unwrap()];
        self.graph.initializer.push(integers(name, dims, values));
        self
    }

    fn int(mut self, name: &str, value: i64) -> Self {
        self.graph.initializer.push(integers(name, Vec::new(), &[value]));
        self
    }

    fn node(
        mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) -> Self {
        self.graph.node.push(NodeProto {
            op_type: operator.into(),
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: output.split(' ').map(ToOwned::to_owned).collect(),
            attribute: attributes,
            ..NodeProto::default()
        });
        self
    }

    fn bytes(mut self, outputs: &[(&str, i32)]) -> Vec<u8> {
        self.graph.output = outputs.iter().map(|(name, kind)| port(name, *kind, None)).collect();
        let opset = OperatorSetIdProto { domain: String::new(), version: self.opset };
        ModelProto { ir_version: 8, graph: Some(self.graph), opset_import: vec![opset] }.encode_to_vec()
    }

    fn load(self, outputs: &[(&str, i32)]) -> Result<Neural, LoadError> {
        Neural::load(&self.bytes(outputs).into(), &LoadError::Unsupported("this graph"))
    }
}

fn integers(name: &str, dims: Vec<i64>, values: &[i64]) -> TensorProto {
    let int64_data = values.to_vec();
    TensorProto { name: name.into(), dims, data_type: element::INT64, int64_data, ..TensorProto::default() }
}

fn port(name: &str, elem_type: i32, shape: Option<&[i64]>) -> ValueInfoProto {
    let dim = |dim_value: &i64| DimensionProto { dim_value: *dim_value };
    let shape = shape.map(|shape| TensorShapeProto { dim: shape.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type, ..TypeProto::default() }) }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: 2, ..AttributeProto::default() }
}

fn ints(name: &str, list: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: list.to_vec(), r#type: 7, ..AttributeProto::default() }
}

fn text(name: &str, text: &str) -> AttributeProto {
    AttributeProto { name: name.into(), s: text.into(), r#type: 3, ..AttributeProto::default() }
}

fn zeros(shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    Tensor { name: "x".into(), shape: shape.to_vec(), data: TensorData::Fp32(vec![0.5; count]) }
}

/// Runs a graph of one input; the run itself fails where another shape comes out than was told.
fn check(builder: Builder, outputs: &[(&str, i32)], input: &[usize], expect: &[&[usize]]) {
    let neural = builder.load(outputs).unwrap();
    let results = neural.run(&[&zeros(input)]).unwrap_or_else(|error| panic!("{error}, not {expect:?}"));
    let shapes: Vec<&[usize]> = results.iter().map(|(shape, _)| shape.as_slice()).collect();
    assert_eq!(shapes, expect);
}

const F: i32 = element::FLOAT;
const I: i32 = element::INT64;

#[test]
fn windows_are_sized_as_they_come_out() {
    let conv = |attributes| {
        Builder::new(&[0, 2, 9, 8]).floats("w", &[4, 2, 3, 3], 0.1).node("Conv", &["x", "w"], "y", attributes)
    };
    let y = &[("y", F)];
    let check = |attributes, expect: &[usize]| check(conv(attributes), y, &[2, 2, 9, 8], &[expect]);
    let kernel = || ints("kernel_shape", &[3, 3]);
    check(vec![kernel()], &[2, 4, 7, 6]);
    check(vec![kernel(), ints("strides", &[2, 3])], &[2, 4, 4, 2]);
    check(vec![kernel(), ints("dilations", &[2, 3])], &[2, 4, 5, 2]);
    check(vec![kernel(), ints("pads", &[1, 0, 2, 3])], &[2, 4, 10, 9]);
    check(vec![kernel(), text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])], &[2, 4, 5, 4]);
}

#[test]
fn groups_pools_and_their_inverses_are_sized_as_they_come_out() {
    let x = || Builder::new(&[0, 2, 9, 8]);
    let (y, input) = (&[("y", F)], &[1, 2, 9, 8]);
    let grouped = x().floats("w", &[4, 1, 2, 2], 0.1);
    let attributes = vec![ints("kernel_shape", &[2, 2]), int("group", 2)];
    check(grouped.node("Conv", &["x", "w"], "y", attributes), y, input, &[&[1, 4, 8, 7]]);
    for operator in ["MaxPool", "AveragePool"] {
        let pool = |attributes| x().node(operator, &["x"], "y", attributes);
        let square = || vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        check(pool(square()), y, input, &[&[1, 2, 4, 4]]);
        check(pool([square(), vec![int("ceil_mode", 1)]].concat()), y, input, &[&[1, 2, 5, 4]]);
        let padded = vec![int("ceil_mode", 1), ints("pads", &[0, 0, 1, 1])];
        check(pool([square(), padded].concat()), y, input, &[&[1, 2, 5, 4]]);
    }
    check(x().node("GlobalAveragePool", &["x"], "y", vec![]), y, input, &[&[1, 2, 1, 1]]);
    let spread =
        |attributes| x().floats("w", &[2, 3, 3, 3], 0.1).node("ConvTranspose", &["x", "w"], "y", attributes);
    let kernel = || ints("kernel_shape", &[3, 3]);
    check(spread(vec![kernel()]), y, input, &[&[1, 3, 11, 10]]);
    let all = vec![
        kernel(),
        ints("strides", &[2, 2]),
        ints("pads", &[1, 1, 1, 1]),
        ints("output_padding", &[1, 1]),
    ];
    check(spread(all), y, input, &[&[1, 3, 18, 16]]);
}

#[test]
fn resizing_is_sized_as_it_comes_out() {
    let x = || Builder::new(&[0, 2, 9, 8]);
    let (y, input) = (&[("y", F)], &[1, 2, 9, 8]);
    let mut scaled = x();
    let scales = TensorProto {
        name: "s".into(),
        dims: vec![4],
        data_type: F,
        float_data: vec![1.0, 1.0, 1.7, 0.5],
        ..TensorProto::default()
    };
    scaled.graph.initializer.push(scales);
    check(scaled.node("Resize", &["x", "", "s"], "y", vec![]), y, input, &[&[1, 2, 15, 4]]);
    let sized = x().ints("s", &[1, 2, 5, 20]).node("Resize", &["x", "", "", "s"], "y", vec![]);
    check(sized, y, input, &[&[1, 2, 5, 20]]);
}

#[test]
fn forms_are_sized_as_they_come_out() {
    let x = || Builder::new(&[0, 3, 4]);
    let (y, input) = (&[("y", F)], &[2, 3, 4]);
    let one = |operator: &str, list: &[i64], attributes| {
        x().ints("s", list).node(operator, &["x", "s"], "y", attributes)
    };
    check(one("Expand", &[5, 1, 3, 1], vec![]), y, input, &[&[5, 2, 3, 4]]);
    check(one("Tile", &[1, 2, 3], vec![]), y, input, &[&[2, 6, 12]]);
    check(one("Pad", &[0, 1, -1, 0, 0, 3], vec![]), y, input, &[&[2, 4, 6]]);
    check(one("Reshape", &[0, -1, 2], vec![]), y, input, &[&[2, 6, 2]]);
    check(one("Unsqueeze", &[0, -1], vec![]), y, input, &[&[1, 2, 3, 4, 1]]);
    check(one("Gather", &[0, 2], vec![int("axis", 1)]), y, input, &[&[2, 2, 4]]);
    check(x().int("s", 1).node("Gather", &["x", "s"], "y", vec![int("axis", -1)]), y, input, &[&[2, 3]]);
    check(x().node("Transpose", &["x"], "y", vec![ints("perm", &[2, 0, 1])]), y, input, &[&[4, 2, 3]]);
    check(x().node("Flatten", &["x"], "y", vec![int("axis", 2)]), y, input, &[&[6, 4]]);
    check(x().node("Concat", &["x", "x"], "y", vec![int("axis", -1)]), y, input, &[&[2, 3, 8]]);
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let x = x().ints("a", starts).ints("b", ends).ints("c", axes).ints("d", steps);
        x.node("Slice", &["x", "a", "b", "c", "d"], "y", vec![])
    };
    check(slice(&[1], &[i64::MAX], &[2], &[2]), y, input, &[&[2, 3, 2]]);
    check(slice(&[-1], &[i64::MIN], &[1], &[-2]), y, input, &[&[2, 2, 4]]);
    check(slice(&[-3, 5], &[-1, 9], &[2, 1], &[1, 1]), y, input, &[&[2, 0, 2]]);
    let split = x().ints("s", &[1, 3]).node("Split", &["x", "s"], "y z", vec![int("axis", 2)]);
    check(split, &[("y", F), ("z", F)], input, &[&[2, 3, 1], &[2, 3, 3]]);
    let even = x().node("Split", &["x"], "y z", vec![int("axis", 1)]);
    check(even, &[("y", F), ("z", F)], input, &[&[2, 2, 4], &[2, 1, 4]]);
    let top = x().ints("k", &[2]).node("TopK", &["x", "k"], "y z", vec![int("axis", 1)]);
    check(top, &[("y", F), ("z", I)], input, &[&[2, 2, 4], &[2, 2, 4]]);
    let one = Builder::new(&[0, 1, 4]).node("Squeeze", &["x"], "y", vec![ints("axes", &[1])]);
    check(one, y, &[2, 1, 4], &[&[2, 4]]);
}

#[test]
fn products_and_sums_are_sized_as_they_come_out() {
    let x = || Builder::new(&[0, 3, 4]);
    let (y, input) = (&[("y", F)], &[2, 3, 4]);
    let times = |dims: &[i64]| x().floats("w", dims, 0.1).node("MatMul", &["x", "w"], "y", vec![]);
    check(times(&[4, 5]), y, input, &[&[2, 3, 5]]);
    check(times(&[7, 1, 4, 5]), y, input, &[&[7, 2, 3, 5]]);
    assert!(refusal(times(&[4])).contains("a matrix is needed on either side"));
    for operator in ["ReduceMean", "ReduceMax", "ReduceL2"] {
        let reduce = |attributes| x().node(operator, &["x"], "y", attributes);
        check(reduce(vec![ints("axes", &[-1])]), y, input, &[&[2, 3, 1]]);
        check(reduce(vec![ints("axes", &[0, 2]), int("keepdims", 0)]), y, input, &[&[3]]);
        check(reduce(vec![int("keepdims", 0)]), y, input, &[&[]]);
    }
    let arg = x().node("ArgMax", &["x"], "y", vec![int("axis", 1), int("keepdims", 0)]);
    check(arg, &[("y", I)], input, &[&[2, 4]]);
    let gemm = Builder::new(&[0, 4]).floats("w", &[5, 4], 0.1);
    check(gemm.node("Gemm", &["x", "w"], "y", vec![int("transB", 1)]), y, &[3, 4], &[&[3, 5]]);
}

#[test]
fn recurrent_cells_are_sized_as_they_come_out() {
    for (operator, gates) in [("LSTM", 4), ("GRU", 3)] {
        let x = Builder::new(&[0, 2, 3]).floats("w", &[2, gates * 5, 3], 0.1).floats(
            "r",
            &[2, gates * 5, 5],
            0.1,
        );
        let mut attributes = vec![int("hidden_size", 5), text("direction", "bidirectional")];
        if operator == "GRU" {
            attributes.push(int("linear_before_reset", 1));
        }
        let cells = x.node(operator, &["x", "w", "r"], "y z", attributes);
        check(cells, &[("y", F), ("z", F)], &[7, 2, 3], &[&[7, 2, 2, 5], &[2, 2, 5]]);
    }
}

#[test]
fn shapes_are_followed_through_the_arithmetic_of_exporters() {
    // Reshape(x, [batch, heads, width / heads]), then a mask of that size by ConstantOfShape, Equal, Where and Expand.
    let builder = Builder::new(&[0, 12])
        .int("first", 0)
        .ints("axis", &[0])
        .ints("three", &[3])
        .ints("twelve", &[12])
        .ints("minus", &[-1])
        .node("Shape", &["x"], "shape", vec![])
        .node("Gather", &["shape", "first"], "batch", vec![])
        .node("Unsqueeze", &["batch", "axis"], "batches", vec![])
        .node("Div", &["twelve", "three"], "each", vec![])
        .node("Concat", &["batches", "three", "each"], "target", vec![int("axis", 0)])
        .node("Reshape", &["x", "target"], "heads", vec![])
        .node("ConstantOfShape", &["three"], "zero", vec![])
        .node("Cast", &["zero"], "whole", vec![int("to", 7)])
        .node("Expand", &["heads", "target"], "y", vec![]);
    check(builder, &[("y", F)], &[5, 12], &[&[5, 3, 4]]);
}

/// Loads a graph that must be refused, and says why.
fn refusal(builder: Builder) -> String {
    builder.load(&[("y", F)]).err().map_or_else(|| panic!("the graph was loaded"), |error| error.to_string())
}
