//! Graphs, nodes, attributes and functions at any depth.

use std::collections::{BTreeMap, BTreeSet};

use super::{OPERATOR, is_allowed, tensor};
use crate::{
    format::{
        proto::{Field, Message, Wire},
        window::Window,
    },
    scan::{Scan, Stop},
};

/// Graphs within attributes of graphs; real models have three.
const DEPTH_MAX: u32 = 16;

/// The walk over one model.
pub(super) struct Walk<'a> {
    pub(super) window: Window<'a>,
    /// The model's own functions, by domain and name.
    pub(super) functions: BTreeMap<(String, String), usize>,
    /// Which function calls which.
    pub(super) calls: BTreeSet<(usize, usize)>,
}

/// A field that the schema does not have.
pub(super) fn unknown(at: u64, of: &str) -> Stop {
    Stop::malformed(at, format!("a {of} has a field that is not of the schema"))
}

/// A pair of strings.
pub(super) fn entry(window: &mut Window<'_>, mut message: Message) -> Result<(), Stop> {
    while let Some(Field { number, at, wire }) = message.next(window)? {
        match (number, wire) {
            (1 | 2, Wire::Bytes(_)) => {}
            _ => return Err(unknown(at, "pair")),
        }
    }
    Ok(())
}

/// Takes a text that may stand only once.
fn once(window: &mut Window<'_>, slot: &mut Option<String>, text: Message) -> Result<(), Stop> {
    let twice = slot.replace(text.text(window)?).is_some();
    if twice { Err(Stop::malformed(text.start(), "a name stands twice")) } else { Ok(()) }
}

impl Walk<'_> {
    /// The domain of an import.
    pub(super) fn import(&mut self, mut import: Message) -> Result<String, Stop> {
        let mut domain = None;
        while let Some(Field { number, at, wire }) = import.next(&mut self.window)? {
            match (number, wire) {
                (1, Wire::Bytes(text)) => once(&mut self.window, &mut domain, text)?,
                (2, Wire::Number(_)) => {}
                _ => return Err(unknown(at, "import")),
            }
        }
        Ok(domain.unwrap_or_default())
    }

    /// The graphs of training information.
    pub(super) fn training(&mut self, mut training: Message) -> Result<Vec<(u64, Message)>, Stop> {
        let mut graphs = Vec::new();
        while let Some(Field { number, at, wire }) = training.next(&mut self.window)? {
            match (number, wire) {
                (1 | 2, Wire::Bytes(graph)) => graphs.push((at, graph)),
                (3 | 4, Wire::Bytes(binding)) => entry(&mut self.window, binding)?,
                _ => return Err(unknown(at, "training information")),
            }
        }
        Ok(graphs)
    }

    /// Notes a function's name, so that nodes before it may call it.
    pub(super) fn declare(&mut self, mut function: Message) -> Result<(), Stop> {
        let start = function.start();
        let (mut name, mut domain) = (None, None);
        while let Some(field) = function.next(&mut self.window)? {
            match (field.number, field.wire) {
                (1, Wire::Bytes(text)) => once(&mut self.window, &mut name, text)?,
                (10, Wire::Bytes(text)) => once(&mut self.window, &mut domain, text)?,
                _ => {}
            }
        }
        let index = self.functions.len();
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Stop::malformed(start, "a function has no name"))?;
        // Overloads of one function share its name, and what is said of one is said of all.
        self.functions.entry((domain.unwrap_or_default(), name)).or_insert(index);
        Ok(())
    }

    /// Judges a function's body.
    pub(super) fn function(
        &mut self,
        mut function: Message,
        _order: usize,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        let whole = function;
        let (mut name, mut domain) = (String::new(), String::new());
        while let Some(field) = function.next(&mut self.window)? {
            match (field.number, field.wire) {
                (1, Wire::Bytes(text)) => name = text.text(&mut self.window)?,
                (10, Wire::Bytes(text)) => domain = text.text(&mut self.window)?,
                _ => {}
            }
        }
        let own = self.functions.get(&(domain, name)).copied();
        function = whole;
        while let Some(Field { number, at, wire }) = function.next(&mut self.window)? {
            match (number, wire) {
                (1 | 4..=6 | 8 | 10 | 12 | 13, Wire::Bytes(_)) => {}
                (7, Wire::Bytes(node)) => self.node(node, 0, own, scan)?,
                (9, Wire::Bytes(import)) => {
                    self.import(import)?;
                }
                (11, Wire::Bytes(attribute)) => self.attribute(attribute, 0, own, scan)?,
                (14, Wire::Bytes(pair)) => entry(&mut self.window, pair)?,
                _ => return Err(unknown(at, "function")),
            }
        }
        Ok(())
    }

    /// Judges a graph; `own` is the function that it is part of.
    pub(super) fn graph(
        &mut self,
        mut graph: Message,
        depth: u32,
        own: Option<usize>,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop::malformed(graph.start(), "graphs are nested too deeply"));
        }
        while let Some(Field { number, at, wire }) = graph.next(&mut self.window)? {
            scan.charge(1)?;
            match (number, wire) {
                (1, Wire::Bytes(node)) => self.node(node, depth, own, scan)?,
                (5, Wire::Bytes(tensor)) => tensor::judge(&mut self.window, tensor, scan)?,
                (15, Wire::Bytes(sparse)) => tensor::sparse(&mut self.window, sparse, scan)?,
                (2 | 10..=14, Wire::Bytes(_)) => {}
                (16, Wire::Bytes(pair)) => entry(&mut self.window, pair)?,
                _ => return Err(unknown(at, "graph")),
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        mut node: Message,
        depth: u32,
        own: Option<usize>,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        scan.charge(1)?;
        let start = node.start();
        let (mut operator, mut domain) = (None, None);
        while let Some(Field { number, at, wire }) = node.next(&mut self.window)? {
            match (number, wire) {
                (1..=3 | 6 | 8 | 10, Wire::Bytes(_)) => {}
                (4, Wire::Bytes(text)) => once(&mut self.window, &mut operator, text)?,
                (7, Wire::Bytes(text)) => once(&mut self.window, &mut domain, text)?,
                (5, Wire::Bytes(attribute)) => self.attribute(attribute, depth, own, scan)?,
                (9, Wire::Bytes(pair)) => entry(&mut self.window, pair)?,
                _ => return Err(unknown(at, "node")),
            }
        }
        let key = (domain.unwrap_or_default(), operator.unwrap_or_default());
        if let Some(called) = self.functions.get(&key) {
            if let Some(own) = own {
                self.calls.insert((own, *called));
            }
            return Ok(());
        }
        if !is_allowed(&key.0, &key.1) {
            let of = if key.0.is_empty() { String::new() } else { format!(" of `{}`", key.0) };
            scan.find(&OPERATOR, start, format!("the model uses the operator `{}`{of}", key.1));
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        mut attribute: Message,
        depth: u32,
        own: Option<usize>,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        while let Some(Field { number, at, wire }) = attribute.next(&mut self.window)? {
            match (number, wire) {
                (1 | 4 | 7..=9 | 13..=15 | 21, Wire::Bytes(_))
                | (2 | 7, Wire::Fixed32)
                | (3 | 8 | 20, Wire::Number(_)) => {}
                (5 | 10, Wire::Bytes(tensor)) => tensor::judge(&mut self.window, tensor, scan)?,
                (22 | 23, Wire::Bytes(sparse)) => tensor::sparse(&mut self.window, sparse, scan)?,
                (6 | 11, Wire::Bytes(graph)) => self.graph(graph, depth + 1, own, scan)?,
                _ => return Err(unknown(at, "attribute")),
            }
        }
        Ok(())
    }

    /// A function that calls itself, by whatever way round.
    pub(super) fn recursion(&self) -> Option<&str> {
        let mut open: BTreeSet<(usize, usize)> = self.calls.clone();
        // Calls to functions that call nothing (any more) are taken away; what is left goes round.
        loop {
            let callers: BTreeSet<usize> = open.iter().map(|(caller, _)| *caller).collect();
            let before = open.len();
            open.retain(|(_, called)| callers.contains(called));
            if open.len() == before {
                break;
            }
        }
        let (caller, _) = open.first()?;
        self.functions.iter().find(|(_, index)| *index == caller).map(|((_, name), _)| name.as_str())
    }
}
