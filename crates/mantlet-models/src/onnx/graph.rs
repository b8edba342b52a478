//! A checked graph: names resolved to numbers, constants decoded, every value defined once and before its use.

use std::collections::HashMap;

use mantlet_types::limits::{RANK_MAX, TENSORS_MAX};

use super::{
    attributes::Attributes,
    error::LoadError,
    limits::{EXTENT_MAX, NAME_BYTES_MAX},
    proto::{ModelProto, NodeProto, TensorProto, ValueInfoProto},
    tensor::{Constant, ElementType},
};

/// A value of the graph, by number.
pub(crate) type ValueId = usize;

/// A graph that is well-formed; whether an engine can run it is another question.
pub(crate) struct Graph {
    /// Inputs that a caller gives, in the file's order.
    pub(crate) inputs: Vec<Port>,
    /// Outputs, in the file's order.
    pub(crate) outputs: Vec<Port>,
    /// Operations in an order in which each can run.
    pub(crate) nodes: Vec<Node>,
    /// Constants.
    pub(crate) constants: Vec<(ValueId, Constant)>,
    /// Number of values.
    pub(crate) values: usize,
    /// Whether a `ZipMap` was stripped, so that the file says something else than this graph.
    pub(crate) is_zipped: bool,
}

/// An input or output.
#[derive(Clone)]
pub(crate) struct Port {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: ValueId,
    /// Its element type; `None` for an output whose declared type is missing or is that of a stripped `ZipMap`.
    pub(crate) element: Option<ElementType>,
    /// Its extents, if the rank is known.
    pub(crate) shape: Option<Vec<Option<usize>>>,
}

/// One operation.
pub(crate) struct Node {
    /// Operator.
    pub(crate) operator: String,
    /// Which operators the name is looked up in.
    pub(crate) domain: Domain,
    /// The domain's version.
    pub(crate) opset: i64,
    /// Its inputs; `None` where one is left out.
    pub(crate) inputs: Vec<Option<ValueId>>,
    /// Its outputs; `None` where one is left out.
    pub(crate) outputs: Vec<Option<ValueId>>,
    /// Its attributes.
    pub(crate) attributes: Attributes,
}

/// An operator domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// `ai.onnx`, also written as the empty string.
    Onnx,
    /// `ai.onnx.ml`.
    Ml,
    /// `com.microsoft`, of which exporters of text models use `Tokenizer`.
    Microsoft,
}

impl Domain {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "" | "ai.onnx" => Some(Self::Onnx),
            "ai.onnx.ml" => Some(Self::Ml),
            "com.microsoft" => Some(Self::Microsoft),
            _ => None,
        }
    }

    /// The domain's full name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Onnx => "ai.onnx",
            Self::Ml => "ai.onnx.ml",
            Self::Microsoft => "com.microsoft",
        }
    }
}

/// How constants are decoded.
type Decode = fn(TensorProto) -> Result<Constant, LoadError>;

impl Graph {
    /// Checks a decoded file and resolves its names.
    pub(super) fn new(model: ModelProto, decode: Decode) -> Result<Self, LoadError> {
        let opsets = Opsets::new(&model)?;
        let graph = model.graph.ok_or_else(|| LoadError::malformed("it has no graph"))?;
        let mut names = Names::default();
        let (inputs, constants) = sources(graph.initializer, graph.input, &mut names, decode)?;
        let (nodes, zipped) = nodes(graph.node, &opsets, &mut names)?;
        let outputs = outputs(graph.output, &names, &zipped)?;
        Ok(Self { inputs, outputs, nodes, constants, values: names.count, is_zipped: !zipped.is_empty() })
    }
}

/// The version of each domain that the file uses.
struct Opsets(Vec<(String, i64)>);

impl Opsets {
    fn new(model: &ModelProto) -> Result<Self, LoadError> {
        if model.ir_version < 1 {
            return Err(LoadError::malformed("it has no version"));
        }
        Ok(Self(model.opset_import.iter().map(|set| (set.domain.clone(), set.version)).collect()))
    }

    /// The domain's version; exporters repeat domains and sometimes leave the one in use out.
    fn version(&self, domain: &str, kind: Domain) -> i64 {
        let same = |name: &str| name == domain || Domain::parse(name) == Some(kind);
        self.0.iter().filter(|(name, _)| same(name)).map(|(_, version)| *version).max().unwrap_or(1)
    }
}

/// Values by name.
#[derive(Default)]
struct Names {
    ids: HashMap<String, ValueId>,
    count: usize,
}

impl Names {
    fn define(&mut self, name: &str) -> Result<ValueId, LoadError> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(LoadError::malformed("a value's name is empty or too long"));
        }
        let id = self.count;
        if self.ids.insert(name.to_owned(), id).is_some() {
            return Err(LoadError::malformed(format!("value `{name}` is defined twice")));
        }
        self.count += 1;
        Ok(id)
    }

    fn find(&self, name: &str) -> Result<ValueId, LoadError> {
        self.ids
            .get(name)
            .copied()
            .ok_or_else(|| LoadError::malformed(format!("value `{name}` is used before it is defined")))
    }
}

type Constants = Vec<(ValueId, Constant)>;

/// Constants, and the inputs that are not constants.
fn sources(
    initializers: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    names: &mut Names,
    decode: Decode,
) -> Result<(Vec<Port>, Constants), LoadError> {
    let mut constants = Vec::with_capacity(initializers.len());
    for tensor in initializers {
        let id = names.define(&tensor.name)?;
        constants.push((id, decode(tensor)?));
    }
    let mut ports = Vec::new();
    for info in inputs {
        // Before IR version 4, initializers are listed among the inputs as defaults; Mantlet lets nobody override them.
        if names.ids.contains_key(&info.name) && ports.iter().all(|port: &Port| port.name != info.name) {
            continue;
        }
        let value = names.define(&info.name)?;
        ports.push(port(info, value)?);
    }
    if ports.is_empty() || ports.len() > TENSORS_MAX {
        return Err(LoadError::TooLarge { what: "inputs, or it has none", max: TENSORS_MAX });
    }
    for port in &ports {
        if port.element.is_none() {
            return Err(LoadError::Tensor {
                name: port.name.clone(),
                why: "its type cannot be served".into(),
            });
        }
    }
    Ok((ports, constants))
}

/// `ZipMap` nodes by the name of their output: the value that they would turn into maps.
type Zipped = HashMap<String, ValueId>;

fn nodes(
    protos: Vec<NodeProto>,
    opsets: &Opsets,
    names: &mut Names,
) -> Result<(Vec<Node>, Zipped), LoadError> {
    let mut nodes = Vec::with_capacity(protos.len());
    let mut zipped = Zipped::new();
    for proto in protos {
        let label = proto.output.first().filter(|_| proto.name.is_empty()).unwrap_or(&proto.name).clone();
        let Some(domain) = Domain::parse(&proto.domain) else {
            let opset =
                opsets.0.iter().find(|(name, _)| *name == proto.domain).map_or(0, |(_, version)| *version);
            return Err(LoadError::Operator { operator: proto.op_type, domain: proto.domain, opset });
        };
        let opset = opsets.version(&proto.domain, domain);
        let optional = |name: &String| if name.is_empty() { Ok(None) } else { names.find(name).map(Some) };
        let inputs: Vec<Option<ValueId>> = proto.input.iter().map(optional).collect::<Result<_, _>>()?;
        if let ("ZipMap", [Some(scores)], [output]) = (proto.op_type.as_str(), &inputs[..], &proto.output[..])
        {
            // A map per row says nothing that the tensor of scores does not; nothing else can take such a map.
            zipped.insert(output.clone(), *scores);
            continue;
        }
        let outputs = proto
            .output
            .iter()
            .map(|name| if name.is_empty() { Ok(None) } else { names.define(name).map(Some) })
            .collect::<Result<_, _>>()?;
        let attributes = Attributes::new(label, proto.op_type.clone(), proto.attribute)?;
        nodes.push(Node { operator: proto.op_type, domain, opset, inputs, outputs, attributes });
    }
    Ok((nodes, zipped))
}

fn outputs(infos: Vec<ValueInfoProto>, names: &Names, zipped: &Zipped) -> Result<Vec<Port>, LoadError> {
    if infos.is_empty() || infos.len() > TENSORS_MAX {
        return Err(LoadError::TooLarge { what: "outputs, or it has none", max: TENSORS_MAX });
    }
    let mut ports: Vec<Port> = Vec::with_capacity(infos.len());
    for info in infos {
        if ports.iter().any(|port| port.name == info.name) {
            return Err(LoadError::malformed(format!("output `{}` is given twice", info.name)));
        }
        ports.push(match zipped.get(&info.name) {
            Some(value) => Port { name: info.name, value: *value, element: None, shape: None },
            None => {
                let value = names.find(&info.name)?;
                port(info, value)?
            }
        });
    }
    Ok(ports)
}

fn port(info: ValueInfoProto, value: ValueId) -> Result<Port, LoadError> {
    let tensor = info.r#type.and_then(|kind| kind.tensor_type);
    let element = tensor.as_ref().and_then(|tensor| ElementType::from_onnx(tensor.elem_type));
    let shape = tensor.and_then(|tensor| tensor.shape).map(|shape| {
        // Exporters write an unknown extent as nothing, as a name, as 0 or as -1.
        let extent = |value: i64| usize::try_from(value).ok().filter(|_| (1..=EXTENT_MAX).contains(&value));
        shape.dim.iter().map(|dim| extent(dim.dim_value)).collect::<Vec<_>>()
    });
    if shape.as_ref().is_some_and(|shape| shape.len() > RANK_MAX) {
        return Err(LoadError::Tensor {
            name: info.name,
            why: format!("it has more than {RANK_MAX} dimensions"),
        });
    }
    Ok(Port { name: info.name, value, element, shape })
}
