//! Graphs and function libraries.

use std::collections::HashSet;

use super::{FILE, FUNCTION, OPERATOR, OPERATORS};
use crate::{
    format::{
        keras,
        proto::{Field, Message, Wire},
        window::Window,
    },
    scan::{Scan, Stop},
};

/// Attributes of functions within attributes; TensorFlow writes one level.
const DEPTH_MAX: u32 = 16;

fn wrong(at: u64, of: &str) -> Stop {
    Stop::malformed(at, format!("a {of} has a field that is not of the schema"))
}

/// Judges a graph with its description.
pub(super) fn meta(window: &mut Window<'_>, mut meta: Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    while let Some(Field { number, at, wire }) = meta.next(window)? {
        match (number, wire) {
            (2, Wire::Bytes(found)) => graph(window, found, scan)?,
            (6, Wire::Bytes(found)) => asset(window, found, scan)?,
            (7, Wire::Bytes(found)) => objects(window, found, scan)?,
            (1 | 3..=5, Wire::Bytes(_)) => {}
            _ => return Err(wrong(at, "described graph")),
        }
    }
    Ok(())
}

/// An asset's name must stay within the folder of assets.
fn asset(window: &mut Window<'_>, mut asset: Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    while let Some(field) = asset.next(window)? {
        if let (2, Wire::Bytes(name)) = (field.number, field.wire) {
            let name = name.text(window)?;
            let plain = |part: &str| {
                !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0'])
            };
            if !name.split('/').all(plain) {
                scan.find(&FILE, field.at, format!("an asset is called `{name}`"));
            }
        }
    }
    Ok(())
}

/// Keras describes its layers in the metadata of user objects; loaders build them from there.
fn objects(window: &mut Window<'_>, mut graph: Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    while let Some(field) = graph.next(window)? {
        let (1, Wire::Bytes(mut node)) = (field.number, field.wire) else { continue };
        scan.charge(1)?;
        while let Some(field) = node.next(window)? {
            let (4, Wire::Bytes(mut user)) = (field.number, field.wire) else { continue };
            while let Some(field) = user.next(window)? {
                let (3, Wire::Bytes(metadata)) = (field.number, field.wire) else { continue };
                let text = metadata.text(window)?;
                if text.trim_start().starts_with('{') {
                    keras::judge_text(&text, metadata.start(), scan)?;
                }
            }
        }
    }
    Ok(())
}

/// Judges a graph and its library of functions.
pub(super) fn graph(window: &mut Window<'_>, graph: Message, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut functions = HashSet::new();
    let mut message = graph;
    while let Some(field) = message.next(window)? {
        if let (2, Wire::Bytes(library)) = (field.number, field.wire) {
            declare(window, library, &mut functions, scan)?;
        }
    }
    let mut message = graph;
    while let Some(Field { number, at, wire }) = message.next(window)? {
        match (number, wire) {
            (1, Wire::Bytes(found)) => node(window, found, &functions, scan)?,
            (2, Wire::Bytes(found)) => library(window, found, &functions, scan)?,
            (3, Wire::Number(_)) | (4 | 5, Wire::Bytes(_)) => {}
            _ => return Err(wrong(at, "graph")),
        }
    }
    Ok(())
}

/// Notes the names of all functions.
fn declare(
    window: &mut Window<'_>,
    mut library: Message,
    functions: &mut HashSet<String>,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    while let Some(field) = library.next(window)? {
        let (1, Wire::Bytes(mut function)) = (field.number, field.wire) else { continue };
        scan.charge(1)?;
        while let Some(field) = function.next(window)? {
            let (1, Wire::Bytes(mut signature)) = (field.number, field.wire) else { continue };
            while let Some(field) = signature.next(window)? {
                let (1, Wire::Bytes(name)) = (field.number, field.wire) else { continue };
                let name = name.text(window)?;
                // Operators begin with a capital: a function of such a name could stand for one that is not allowed.
                if name.trim_start_matches('_').starts_with(|c: char| c.is_ascii_uppercase())
                    && !OPERATORS.has("", &name)
                {
                    scan.find(
                        &FUNCTION,
                        field.at,
                        format!("a function is called `{name}`, like an operator"),
                    );
                }
                functions.insert(name);
            }
        }
    }
    Ok(())
}

fn library(
    window: &mut Window<'_>,
    mut library: Message,
    functions: &HashSet<String>,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    while let Some(Field { number, at, wire }) = library.next(window)? {
        match (number, wire) {
            (1, Wire::Bytes(mut function)) => {
                while let Some(Field { number, at, wire }) = function.next(window)? {
                    match (number, wire) {
                        (3, Wire::Bytes(found)) => node(window, found, functions, scan)?,
                        (5, Wire::Bytes(found)) => attribute(window, found, functions, 0, scan)?,
                        (1 | 2 | 4 | 6..=8, Wire::Bytes(_)) => {}
                        _ => return Err(wrong(at, "function")),
                    }
                }
            }
            (2, Wire::Bytes(mut gradient)) => {
                while let Some(field) = gradient.next(window)? {
                    if let (1 | 2, Wire::Bytes(name)) = (field.number, field.wire) {
                        let name = name.text(window)?;
                        callee(&name, field.at, functions, scan);
                    }
                }
            }
            (3, Wire::Bytes(_)) => {}
            _ => return Err(wrong(at, "library")),
        }
    }
    Ok(())
}

/// The operator of a node, if it has a name and an operator.
pub(super) fn operator(window: &mut Window<'_>, mut node: Message) -> Result<Option<String>, Stop> {
    let (mut named, mut operator) = (false, None);
    while let Some(field) = node.next(window)? {
        match (field.number, field.wire) {
            (1, Wire::Bytes(_)) => named = true,
            (2, Wire::Bytes(text)) => operator = text.text(window).ok(),
            _ => {}
        }
    }
    let plain = |name: &String| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'>' | b'.' | b'-' | b'/'))
    };
    Ok(operator.filter(|operator| named && plain(operator)))
}

fn node(
    window: &mut Window<'_>,
    mut node: Message,
    functions: &HashSet<String>,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    scan.charge(1)?;
    while let Some(Field { number, at, wire }) = node.next(window)? {
        match (number, wire) {
            // All that are given: of several, readers take the last.
            (2, Wire::Bytes(name)) => {
                let name = name.text(window)?;
                callee(&name, at, functions, scan);
            }
            (5, Wire::Bytes(found)) => attribute(window, found, functions, 0, scan)?,
            (1 | 3 | 4 | 6 | 7, Wire::Bytes(_)) => {}
            _ => return Err(wrong(at, "node")),
        }
    }
    Ok(())
}

/// An operator, or a function of the library.
fn callee(name: &str, at: u64, functions: &HashSet<String>, scan: &mut Scan<'_>) {
    if OPERATORS.has("", name) || functions.contains(name) {
        return;
    }
    let files =
        ["File", "Reader", "Dataset", "Summary", "Save", "Restore", "LMDB", "Record", "Cache", "Snapshot"];
    let rule = if files.iter().any(|word| name.contains(word)) { &FILE } else { &OPERATOR };
    scan.find(rule, at, format!("the graph uses the operator `{name}`"));
}

/// An entry of a node's attributes: functions may be named in its value.
fn attribute(
    window: &mut Window<'_>,
    mut entry: Message,
    functions: &HashSet<String>,
    depth: u32,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    while let Some(field) = entry.next(window)? {
        if let (2, Wire::Bytes(found)) = (field.number, field.wire) {
            value(window, found, functions, depth, scan)?;
        }
    }
    Ok(())
}

fn value(
    window: &mut Window<'_>,
    mut value_of: Message,
    functions: &HashSet<String>,
    depth: u32,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    if depth > DEPTH_MAX {
        return Err(Stop::malformed(value_of.start(), "attributes are nested too deeply"));
    }
    while let Some(field) = value_of.next(window)? {
        match (field.number, field.wire) {
            (1, Wire::Bytes(mut list)) => {
                while let Some(field) = list.next(window)? {
                    if let (9, Wire::Bytes(function)) = (field.number, field.wire) {
                        named(window, function, functions, depth, scan)?;
                    }
                }
            }
            (10, Wire::Bytes(function)) => named(window, function, functions, depth, scan)?,
            _ => {}
        }
    }
    Ok(())
}

fn named(
    window: &mut Window<'_>,
    mut function: Message,
    functions: &HashSet<String>,
    depth: u32,
    scan: &mut Scan<'_>,
) -> Result<(), Stop> {
    while let Some(field) = function.next(window)? {
        match (field.number, field.wire) {
            (1, Wire::Bytes(name)) => {
                let name = name.text(window)?;
                if !name.is_empty() {
                    callee(&name, field.at, functions, scan);
                }
            }
            (2, Wire::Bytes(found)) => attribute(window, found, functions, depth + 1, scan)?,
            _ => {}
        }
    }
    Ok(())
}
