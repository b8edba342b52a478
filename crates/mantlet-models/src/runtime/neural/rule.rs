//! Which operators the neural engine may run, and what each makes of the sizes of its inputs.
//!
//! INVARIANT (sized): one table makes both the engine's list of operators and the rules of their sizes, so that no
//! operator without a rule ever runs. Left out on purpose is whatever makes tensors whose size only its data decide
//! (`NonZero`, `NonMaxSuppression`, `Unique`, `Compress`), whatever runs other graphs or lists (`If`, `Loop`, `Scan`, the
//! sequences), what answers differently each time (`Random…`), and what has room of its own that is hard to tell
//! (`Einsum`, `GridSample`).

use crate::onnx::{Array, Domain, Elements, LoadError, Node, limits::EXTENT_MAX};

use super::{
    form,
    known::{Known, Why, axis, saturated},
    product,
    whole::Arithmetic,
    window,
};

/// Operations for a run of one operator: what it makes, and what that takes.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The outputs.
    pub(super) outputs: Vec<Known>,
    /// Work beyond touching every element of inputs and outputs, in nanoseconds or so.
    pub(super) work: u64,
    /// Elements of room of its own while it runs, beyond a copy of its inputs and outputs.
    pub(super) room: usize,
}

impl From<Known> for Made {
    fn from(output: Known) -> Self {
        Self { outputs: vec![output], ..Self::default() }
    }
}

/// Inputs of a node; `None` where one is left out.
pub(super) type Inputs<'k> = [Option<&'k Known>];

/// Input `index`.
pub(super) fn input<'k>(inputs: &Inputs<'k>, index: usize) -> Result<&'k Known, Why> {
    inputs.get(index).copied().flatten().ok_or("an input is missing")
}

/// The whole numbers of an input that decides a size.
pub(super) fn whole<'k>(inputs: &Inputs<'k>, index: usize) -> Result<&'k [i32], Why> {
    input(inputs, index)?.whole().ok_or("the size of what it makes depends on data")
}

/// Numbers that older versions take as an attribute and newer ones as an input.
#[derive(Debug)]
pub(super) enum List {
    /// As an attribute.
    Given(Vec<i32>),
    /// As the input of this index, which may be left out.
    Input(usize),
}

impl List {
    /// The numbers, if they are given at all.
    pub(super) fn get<'a>(&'a self, inputs: &Inputs<'a>) -> Result<Option<&'a [i32]>, Why> {
        match self {
            Self::Given(list) => Ok(Some(list)),
            Self::Input(index) if inputs.get(*index).copied().flatten().is_none() => Ok(None),
            Self::Input(index) => whole(inputs, *index).map(Some),
        }
    }
}

/// How an operator's outputs follow from its inputs.
#[derive(Debug)]
pub(super) enum Rule {
    /// As large as input 0.
    Like,
    /// As large as input 0, if this is its last axis, where there is one that must be.
    Softmax { last: Option<i64> },
    /// Input 0 as it is.
    Same,
    /// Input 0 as another type; whether as whole numbers.
    Cast { is_whole: bool },
    /// As large as the input of this index.
    LikeInput(usize),
    /// As large as all inputs stretched to one shape.
    Stretch(Arithmetic),
    /// An operator that rearranges.
    Form(form::Form),
    /// An operator that slides a window.
    Window(window::Window),
    /// An operator that multiplies, or sums up.
    Product(product::Product),
}

impl Rule {
    /// What a run makes of inputs of these sizes.
    pub(super) fn make(&self, inputs: &Inputs<'_>) -> Result<Made, Why> {
        Ok(match self {
            Self::Like => Known::shaped(input(inputs, 0)?.shape().to_vec())?.into(),
            Self::Softmax { last } => {
                let like = Known::shaped(input(inputs, 0)?.shape().to_vec())?;
                if let Some(last) = last
                    && axis(*last, like.rank())? + 1 != like.rank()
                {
                    return Err(
                        "before version 13 it runs over all axes from this one on, which cannot be done here",
                    );
                }
                like.into()
            }
            Self::Same => input(inputs, 0)?.clone().into(),
            Self::Cast { is_whole } => {
                let from = input(inputs, 0)?;
                let values = from.whole().filter(|_| *is_whole).map(<[i32]>::to_vec);
                Known::shaped(from.shape().to_vec())?.with(values).into()
            }
            Self::LikeInput(index) => Known::shaped(input(inputs, *index)?.shape().to_vec())?.into(),
            Self::Stretch(arithmetic) => arithmetic.make(inputs)?.into(),
            Self::Form(form) => form.make(inputs)?,
            Self::Window(window) => window.make(inputs)?,
            Self::Product(product) => product.make(inputs)?,
        })
    }
}

type Compiled = Result<Rule, LoadError>;

/// The table. Each line is an operator's name in the standard and in the engine, and how its rule is made.
macro_rules! operators {
    ($($name:ident: $rule:expr),* $(,)?) => {
        /// The operators that the engine is given; it can load no other.
        pub(super) fn registry() -> rten::OpRegistry {
            rten::op_registry!($($name),*)
        }

        fn table(node: &mut Node) -> Option<Compiled> {
            match node.operator.as_str() {
                $(stringify!($name) => {
                    let rule: fn(&mut Node) -> Compiled = $rule;
                    Some(rule(node))
                })*
                _ => None,
            }
        }
    };
}

/// The rule of a node.
///
/// # Errors
/// [`LoadError::Operator`] for an operator that is not in the table, [`LoadError::Node`] for attributes that no run
/// could have.
pub(super) fn compile(node: &mut Node) -> Compiled {
    let known = if node.domain == Domain::Onnx { table(node) } else { None };
    let rule = known.unwrap_or_else(|| {
        Err(LoadError::Operator {
            operator: node.operator.clone(),
            domain: node.domain.as_str().into(),
            opset: node.opset,
        })
    })?;
    node.attributes.ignore(honored(&node.operator));
    // The engine passes over attributes that it does not know, whatever they mean.
    std::mem::take(&mut node.attributes).finish()?;
    Ok(rule)
}

/// Attributes that the engine honors, or refuses for what it cannot do, and that no size depends on.
fn honored(operator: &str) -> &'static [&'static str] {
    match operator {
        "AveragePool" => &["count_include_pad"],
        "BatchNormalization" => &["epsilon", "momentum", "spatial", "training_mode"],
        "Cast" => &["round_mode", "saturate"],
        "Clip" => &["max", "min"],
        "Conv" | "ConvInteger" | "ConvTranspose" => &["kernel_shape"],
        "CumSum" => &["exclusive", "reverse"],
        "DepthToSpace" => &["mode"],
        "DequantizeLinear" => &["axis", "block_size", "output_dtype"],
        "Elu" | "LeakyRelu" => &["alpha"],
        "GRU" | "LSTM" => &[
            "activation_alpha",
            "activation_beta",
            "activations",
            "clip",
            "input_forget",
            "layout",
            "linear_before_reset",
        ],
        "GatherElements" => &["axis"],
        "Gelu" => &["approximate"],
        "Gemm" => &["alpha", "beta"],
        "HardSigmoid" => &["alpha", "beta"],
        "InstanceNormalization" => &["epsilon"],
        "IsInf" => &["detect_negative", "detect_positive"],
        "LayerNormalization" => &["axis", "epsilon", "stash_type"],
        "LpNormalization" => &["axis", "p"],
        "MaxPool" => &["storage_order"],
        "Mod" => &["fmod"],
        "Pad" => &["mode", "value"],
        "QuantizeLinear" => &["axis", "block_size", "output_dtype", "precision", "saturate"],
        "Range" => &["stash_type"],
        "Resize" => &[
            "antialias",
            "coordinate_transformation_mode",
            "cubic_coeff_a",
            "exclude_outside",
            "extrapolation_value",
            "keep_aspect_ratio_policy",
        ],
        "ArgMax" | "ArgMin" => &["select_last_index"],
        "ScatterElements" => &["axis", "reduction"],
        "ScatterND" => &["reduction"],
        "TopK" => &["largest", "sorted"],
        "Trilu" => &["upper"],
        _ => &[],
    }
}

operators! {
    Abs: like, Acos: like, Add: |_| stretch(Arithmetic::Add), And: |_| stretch(Arithmetic::Unknown),
    ArgMax: product::position, ArgMin: product::position, Asin: like, Atan: like, AveragePool: window::pool,
    BatchNormalization: like, Cast: cast, Ceil: like, Clip: like, Concat: form::concat,
    ConstantOfShape: form::fill, Conv: window::conv, ConvInteger: window::conv,
    ConvTranspose: window::transposed, Cos: like, CumSum: like, DepthToSpace: form::depth_to_space,
    DequantizeLinear: like, Div: |_| stretch(Arithmetic::Div), DynamicQuantizeLinear: product::quantize,
    Elu: like, Equal: |_| stretch(Arithmetic::Equal), Erf: like, Exp: like, Expand: form::expand,
    Flatten: form::flatten, Floor: like, GRU: product::gru, Gather: form::gather,
    GatherElements: |_| Ok(Rule::LikeInput(1)), Gelu: like, Gemm: product::gemm,
    GlobalAveragePool: window::global, Greater: |_| stretch(Arithmetic::Unknown),
    GreaterOrEqual: |_| stretch(Arithmetic::Unknown), HardSigmoid: like, HardSwish: like, Identity: same,
    InstanceNormalization: like, IsInf: like, IsNaN: like, LSTM: product::lstm, LayerNormalization: like,
    LeakyRelu: like, Less: |_| stretch(Arithmetic::Unknown), LessOrEqual: |_| stretch(Arithmetic::Unknown),
    Log: like, LogSoftmax: softmax, LpNormalization: like, MatMul: product::matmul,
    MatMulInteger: product::matmul, Max: |_| stretch(Arithmetic::Max), MaxPool: window::pool,
    Mean: |_| stretch(Arithmetic::Unknown), Min: |_| stretch(Arithmetic::Min),
    Mod: |_| stretch(Arithmetic::Unknown), Mul: |_| stretch(Arithmetic::Mul), Neg: like, Not: like,
    OneHot: form::one_hot, Or: |_| stretch(Arithmetic::Unknown), PRelu: |_| stretch(Arithmetic::Unknown),
    Pad: form::pad, Pow: |_| stretch(Arithmetic::Unknown), QuantizeLinear: like, Range: form::range,
    Reciprocal: like, ReduceL2: product::reduce, ReduceLogSum: product::reduce,
    ReduceLogSumExp: product::reduce, ReduceMax: product::reduce, ReduceMean: product::reduce,
    ReduceMin: product::reduce, ReduceProd: product::reduce, ReduceSum: product::reduce,
    ReduceSumSquare: product::reduce, Relu: like, Reshape: form::reshape, Resize: window::resize,
    Round: like, ScatterElements: like, ScatterND: like, Shape: form::extents, Sigmoid: like, Sign: like,
    Sin: like, Size: form::size, Slice: form::slice, Softmax: softmax, Softplus: like, Softsign: like,
    Split: form::split, Sqrt: like, Squeeze: form::squeeze, Sub: |_| stretch(Arithmetic::Sub),
    Sum: |_| stretch(Arithmetic::Add), Tan: like, Tanh: like, Tile: form::tile, TopK: form::top,
    Transpose: form::transpose, Trilu: like, Unsqueeze: form::unsqueeze,
    Where: |_| stretch(Arithmetic::Where), Xor: |_| stretch(Arithmetic::Unknown),
}

fn like(_: &mut Node) -> Compiled {
    Ok(Rule::Like)
}

fn softmax(node: &mut Node) -> Compiled {
    let stated = int(node, "axis", 1)?;
    // The engine takes the last axis where none is given, and one axis whatever the version.
    let last = if node.opset < 13 { Some(stated) } else { None };
    Ok(Rule::Softmax { last })
}

fn same(_: &mut Node) -> Compiled {
    Ok(Rule::Same)
}

fn stretch(arithmetic: Arithmetic) -> Compiled {
    Ok(Rule::Stretch(arithmetic))
}

fn cast(node: &mut Node) -> Compiled {
    use crate::onnx::ElementType::{I32, I64};
    let to = node.attributes.int("to")?.and_then(|to| i32::try_from(to).ok());
    // As truth values, numbers become others.
    let is_whole = matches!(to.and_then(crate::onnx::ElementType::from_onnx), Some(I32 | I64));
    Ok(Rule::Cast { is_whole })
}

/// An attribute of the node that is a list of whole numbers within the bounds of extents.
pub(super) fn ints(node: &mut Node, name: &str) -> Result<Option<Vec<i64>>, LoadError> {
    if !node.attributes.has(name) {
        return Ok(None);
    }
    let list = node.attributes.ints(name)?;
    if list.iter().any(|item| !(-EXTENT_MAX..=EXTENT_MAX).contains(item)) {
        return Err(node.attributes.error(format!("attribute `{name}` is out of bounds")));
    }
    Ok(Some(list))
}

/// Numbers by attribute or by input; whoever gives both leaves open which of them counts.
pub(super) fn list(node: &mut Node, name: &str, index: usize) -> Result<List, LoadError> {
    if !node.attributes.has(name) {
        return Ok(List::Input(index));
    }
    if node.inputs.get(index).copied().flatten().is_some() {
        return Err(node.attributes.error(format!("`{name}` is given both as attribute and as input")));
    }
    let list = node.attributes.ints(name)?;
    Ok(List::Given(list.into_iter().map(saturated).collect()))
}

/// An attribute of the node that is one whole number within the bounds of extents.
pub(super) fn int(node: &mut Node, name: &str, default: i64) -> Result<i64, LoadError> {
    let value = node.attributes.int(name)?.unwrap_or(default);
    if (-EXTENT_MAX..=EXTENT_MAX).contains(&value) {
        return Ok(value);
    }
    Err(node.attributes.error(format!("attribute `{name}` is out of bounds")))
}

/// The one whole number that a tensor attribute holds, if it is one.
pub(super) fn scalar(array: &Array) -> Option<i32> {
    match &array.elements {
        Elements::I64(values) => values.first().map(|value| saturated(*value)),
        Elements::I32(values) => values.first().copied(),
        Elements::Bool(values) => values.first().map(|value| i32::from(*value)),
        _ => None,
    }
}
