//! Terraform configurations (HCL) as trees with places: what can be known without a plan is worked out, and the rest is
//! unknown. It asks no provider and evaluates only what has no effects.

mod values;

use std::collections::BTreeMap;

use hcl_edit::{
    Span,
    structure::{Block, Body},
};

use self::values::Scope;
use crate::{
    json::Malformed,
    tree::{Member, Node, Place, Value},
};

/// The longest file; what is written by hand stays far below.
pub const BYTES_MAX: usize = 1 << 20;
/// How deep brackets may stand in one another: the parser descends for each.
const DEPTH_MAX: usize = 64;
/// Operators for which the parser descends without a bracket.
const OPERATORS_MAX: usize = 500;

/// A resource or data source.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Which of the files it stands in.
    pub file: usize,
    /// Whether it is only looked up.
    pub data: bool,
    /// Its type, as `aws_iam_role`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its attributes and blocks; of blocks there is always a list.
    pub body: Node,
    /// Attributes that are references to other resources: type and name.
    pub references: BTreeMap<String, (String, String)>,
}

/// One directory's files, parsed.
#[derive(Debug, Default)]
pub struct Configuration {
    files: Vec<(Body, Lines)>,
}

/// Where lines begin, to tell places from offsets.
#[derive(Debug)]
struct Lines {
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text: text.to_owned(), starts }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Place {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        }
    }

    fn of(&self, spanned: &impl Span) -> Place {
        self.place(spanned.span().map_or(0, |span| span.start))
    }
}

impl Configuration {
    /// Adds a file.
    ///
    /// # Errors
    ///
    /// Where it is no HCL, too long or too deep.
    pub fn add(&mut self, text: &str) -> Result<(), Malformed> {
        let refused = |why: String| Err(Malformed { place: Place { line: 1, column: 1 }, why });
        if text.len() > BYTES_MAX {
            return refused(format!("more than `{BYTES_MAX}` bytes"));
        }
        if is_deep(text) {
            return refused("too many expressions in one another".to_owned());
        }
        match hcl_edit::parser::parse_body(text) {
            Ok(body) => {
                self.files.push((body, Lines::new(text)));
                Ok(())
            }
            Err(error) => {
                let at = error.location();
                let place = Place {
                    line: u32::try_from(at.line()).unwrap_or(u32::MAX),
                    column: u32::try_from(at.column()).unwrap_or(u32::MAX),
                };
                Err(Malformed { place, why: error.message().to_owned() })
            }
        }
    }

    /// All resources and data sources, in order.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        let scope = Scope::new(&self.files);
        let mut resources = Vec::new();
        for (file, (body, lines)) in self.files.iter().enumerate() {
            for block in body.blocks() {
                let data = block.has_ident("data");
                if let ([kind, name], true) = (block.labels.as_slice(), data || block.has_ident("resource")) {
                    resources.push(Resource {
                        file,
                        data,
                        kind: kind.as_str().to_owned(),
                        name: name.as_str().to_owned(),
                        body: block_node(block, lines, &scope),
                        references: references(block),
                    });
                }
            }
        }
        resources
    }
}

/// Whether the parser would descend too far, judged by brackets, which also counts those within texts.
fn is_deep(text: &str) -> bool {
    let (mut depth, mut operators) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'?' | b'!' => operators += 1,
            _ => {}
        }
        if depth > DEPTH_MAX || operators > OPERATORS_MAX {
            return true;
        }
    }
    false
}

/// A block as a map of its attributes, and lists of its blocks by their names.
fn block_node(block: &Block, lines: &Lines, scope: &Scope<'_>) -> Node {
    let mut members: Vec<Member> = Vec::new();
    for attribute in block.body.attributes() {
        let value = scope.value(&attribute.value, lines);
        members.push(Member {
            name: attribute.key.to_string().trim().to_owned(),
            place: lines.of(&attribute.key),
            value,
        });
    }
    for inner in block.body.blocks() {
        let place = lines.of(&inner.ident);
        let name = inner.ident.to_string().trim().to_owned();
        if name == "dynamic" {
            let Some(label) = inner.labels.first() else { continue };
            for node in dynamic(inner, lines, scope, label.as_str()) {
                push(&mut members, label.as_str(), place, node);
            }
        } else {
            push(&mut members, &name, place, block_node(inner, lines, scope));
        }
    }
    Node::new(lines.of(&block.ident), Value::Map(members))
}

fn push(members: &mut Vec<Member>, name: &str, place: Place, node: Node) {
    if let Some(member) = members.iter_mut().find(|member| member.name == name) {
        if let Value::List(items) = &mut member.value.value {
            items.push(node);
        }
    } else {
        let value = Node::new(place, Value::List(vec![node]));
        members.push(Member { name: name.to_owned(), place, value });
    }
}

/// A `dynamic` block: its content for each item, or once with what is unknown where the items are not known.
fn dynamic(block: &Block, lines: &Lines, scope: &Scope<'_>, label: &str) -> Vec<Node> {
    let Some(content) = block.body.get_blocks("content").next() else { return Vec::new() };
    let iterator = block.body.get_attribute("iterator").map(|it| it.value.to_string().trim().to_owned());
    let iterator = iterator.unwrap_or_else(|| label.to_owned());
    let items = block.body.get_attribute("for_each").map(|it| scope.value(&it.value, lines));
    let unknown = |place| Node::new(place, Value::Unknown(format!("{iterator}.value")));
    let items: Vec<(Node, Node)> = match items.map(|node| (node.place, node.value)) {
        Some((_, Value::List(items))) => items.into_iter().map(|item| (item.clone(), item)).collect(),
        Some((_, Value::Map(members))) => members
            .into_iter()
            .map(|member| (Node::new(member.place, Value::Text(member.name)), member.value))
            .collect(),
        other => {
            let place = other.map_or_else(Place::default, |(place, _)| place);
            vec![(unknown(place), unknown(place))]
        }
    };
    let each = |(key, value): (Node, Node)| {
        let place = value.place;
        let member = |name: &str, value| Member { name: name.to_owned(), place, value };
        let item = Node::new(place, Value::Map(vec![member("key", key), member("value", value)]));
        block_node(content, lines, &scope.with(&iterator, item))
    };
    items.into_iter().map(each).collect()
}

/// Attributes that name another resource.
fn references(block: &Block) -> BTreeMap<String, (String, String)> {
    let attributes = block.body.attributes();
    let named = attributes.filter_map(|attribute| {
        let text = attribute.value.to_string();
        let mut parts = text.trim().split(['.', '[']);
        let (kind, name) = (parts.next()?, parts.next()?);
        let is_name = |text: &str| {
            !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it))
        };
        let key = attribute.key.to_string().trim().to_owned();
        (kind.contains('_') && is_name(kind) && is_name(name))
            .then(|| (key, (kind.to_owned(), name.to_owned())))
    });
    named.collect()
}
