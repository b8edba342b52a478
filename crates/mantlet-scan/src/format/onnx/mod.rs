//! ONNX: every message of a model, walked without decoding its tensors.
//!
//! Field numbers are those of `onnx.proto3` (IR version 13). A field that is not in the schema is refused: what some
//! reader takes it for cannot be known. Advisories that the rules answer: CVE-2022-25882, CVE-2024-27318, CVE-2026-27489,
//! CVE-2026-34446 (external data that leads elsewhere), and operators of other people's libraries.

mod external;
mod graph;
mod tensor;

use std::sync::LazyLock;

use super::{
    operators::Operators,
    proto::{Field, Message, Wire},
    window::Window,
};
use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The file is ONNX by its schema.
pub(crate) static MALFORMED: Rule = Rule {
    id: "onnx/structure",
    class: "onnx-malformed",
    demands: "an ONNX file has no fields but the schema's, and tensors as long as their shapes say",
};

/// External data.
pub(crate) static EXTERNAL: Rule = Rule {
    id: "onnx/external",
    class: "onnx-external",
    demands: "external data is a regular file with one name beside the model, long enough for the tensor",
};

/// Operators.
pub(crate) static OPERATOR: Rule = Rule {
    id: "onnx/operator",
    class: "onnx-custom-op",
    demands: "every operator is of the standard's sets, of ONNX Runtime's list, or a function of the model itself",
};

/// Local functions.
pub(crate) static FUNCTION: Rule = Rule {
    id: "onnx/function",
    class: "onnx-custom-op",
    demands: "a model's functions do not call themselves",
};

static OPERATORS: LazyLock<Operators> = LazyLock::new(|| Operators::of(include_str!("operators.txt")));

/// Whether an operator of a domain is allowed.
fn is_allowed(domain: &str, name: &str) -> bool {
    let section = match domain {
        "" => "ai.onnx",
        "ai.onnx.preview.training" => "ai.onnx.training",
        other => other,
    };
    OPERATORS.has(section, name)
}

/// Domains that exporters import whether or not they use them.
fn may_import(domain: &str) -> bool {
    const DOMAINS: [&str; 7] = [
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "com.microsoft",
    ];
    const RUNTIMES: [&str; 4] = ["com.microsoft.", "com.ms.", "pkg.onnxscript.", "pkg.torch."];
    DOMAINS.contains(&domain)
        || domain == "org.pytorch.aten"
        || RUNTIMES.iter().any(|prefix| domain.starts_with(prefix))
}

/// Whether the outermost message is a model: fields of the schema with their types, among them a graph.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let mut window = Window::new(input);
    let mut message = Message::whole(&window);
    let (mut graph, mut version) = (false, false);
    loop {
        let start = message.start();
        match message.next(&mut window) {
            Ok(None) => return Ok(graph),
            Ok(Some(field)) => match (field.number, field.wire) {
                (1, Wire::Number(number)) if number < 1 << 16 => version = true,
                (5, Wire::Number(_)) => {}
                (7, Wire::Bytes(_)) => graph = true,
                (2..=4 | 6 | 8 | 14 | 20 | 25 | 26, Wire::Bytes(_)) => {}
                _ => return Ok(false),
            },
            // A model that was cut is still a model, if it began like one.
            Err(Stop::Cut { .. }) => {
                return Ok((version && start > 0 && begins_graph(&mut window, start)) || graph);
            }
            Err(Stop::Malformed { .. }) => return Ok(false),
            Err(stop) => return Err(stop),
        }
    }
}

fn begins_graph(window: &mut Window<'_>, at: u64) -> bool {
    matches!(window.byte(at), Ok(0x3a))
}

/// Judges a model.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut walk =
        graph::Walk { window: Window::new(input), functions: Default::default(), calls: Default::default() };
    let model = Message::whole(&walk.window);
    let mut functions = Vec::new();
    let mut graphs = Vec::new();
    let mut imports = Vec::new();
    let mut message = model;
    while let Some(Field { number, at, wire }) = message.next(&mut walk.window)? {
        match (number, wire) {
            (1 | 5, Wire::Number(_)) | (2..=4 | 6 | 26, Wire::Bytes(_)) => {}
            (7, Wire::Bytes(graph)) => graphs.push((at, graph)),
            (8, Wire::Bytes(import)) => imports.push(import),
            (14, Wire::Bytes(entry)) => graph::entry(&mut walk.window, entry)?,
            (20, Wire::Bytes(training)) => graphs.extend(walk.training(training)?),
            (25, Wire::Bytes(function)) => functions.push(function),
            _ => return Err(graph::unknown(at, "model")),
        }
    }
    if imports.is_empty() || graphs.is_empty() {
        return Err(Stop::malformed(
            0,
            "the model has no graph, or does not say which operators it is written in",
        ));
    }
    for function in &functions {
        walk.declare(*function)?;
    }
    for import in imports {
        let domain = walk.import(import)?;
        if !may_import(&domain) && !walk.functions.keys().any(|(of, _)| *of == domain) {
            scan.find(&OPERATOR, import.start(), format!("the model imports the operators of `{domain}`"));
        }
    }
    for (index, function) in functions.into_iter().enumerate() {
        walk.function(function, index, scan)?;
    }
    for (_, graph) in graphs {
        walk.graph(graph, 0, None, scan)?;
    }
    if let Some(name) = walk.recursion() {
        scan.find(&FUNCTION, None, format!("the function `{name}` calls itself"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
