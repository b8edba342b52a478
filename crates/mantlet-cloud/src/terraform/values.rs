//! Values of expressions, as far as they can be known.

use hcl_edit::{
    expr::{Expression, ObjectKey, Traversal, TraversalOperator},
    structure::{Block, Body},
    template::{Element, Template},
};

use super::{Lines, block_node};
use crate::{
    iam::pattern::UNRESOLVED,
    tree::{Member, Node, Place, Value},
};

/// How deep references may lead to one another; what leads in a circle ends here as unknown.
const DEPTH_MAX: usize = 32;

/// What names mean where an expression stands.
#[derive(Clone)]
pub(super) struct Scope<'c> {
    files: &'c [(Body, Lines)],
    names: Vec<(String, Node)>,
    depth: usize,
}

fn unknown(place: Place, why: impl Into<String>) -> Node {
    Node::new(place, Value::Unknown(why.into()))
}

impl<'c> Scope<'c> {
    pub(super) fn new(files: &'c [(Body, Lines)]) -> Self {
        Self { files, names: Vec::new(), depth: 0 }
    }

    /// The same with one more name.
    pub(super) fn with(&self, name: &str, value: Node) -> Self {
        let mut scope = self.clone();
        scope.names.push((name.to_owned(), value));
        scope
    }

    fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, ..self.clone() }
    }

    /// The value of an expression.
    pub(super) fn value(&self, expression: &Expression, lines: &Lines) -> Node {
        let place = lines.of(expression);
        if self.depth > DEPTH_MAX {
            return unknown(place, "a circle of references");
        }
        let value = match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(value) => Value::Bool(*value.value()),
            Expression::Number(number) => Value::Number(number.value().to_string()),
            Expression::String(text) => Value::Text(text.value().clone()),
            Expression::Array(items) => {
                Value::List(items.iter().map(|item| self.value(item, lines)).collect())
            }
            Expression::Object(_) => return self.object(expression, place, lines),
            Expression::StringTemplate(template) => return self.template(template.iter(), place, lines),
            Expression::HeredocTemplate(heredoc) => {
                let template: &Template = &heredoc.template;
                let place = Place { line: place.line.saturating_add(1), column: 1 };
                return self.template(template.iter(), place, lines);
            }
            Expression::Parenthesis(inner) => return self.value(inner.inner(), lines),
            Expression::Variable(name) => return self.named(name.as_str(), place),
            Expression::Conditional(conditional) => {
                return match self.value(&conditional.cond_expr, lines).boolean() {
                    Some(true) => self.value(&conditional.true_expr, lines),
                    Some(false) => self.value(&conditional.false_expr, lines),
                    None => unknown(place, "a condition"),
                };
            }
            Expression::FuncCall(call) => {
                let arguments: Vec<Node> = call.args.iter().map(|it| self.value(it, lines)).collect();
                return called(call.name.name.as_str(), &arguments, place);
            }
            Expression::Traversal(traversal) => return self.traversed(traversal, place, lines),
            Expression::UnaryOp(_) | Expression::BinaryOp(_) => Value::Unknown("an operation".to_owned()),
            Expression::ForExpr(_) => Value::Unknown("a `for` expression".to_owned()),
        };
        Node::new(place, value)
    }

    fn object(&self, expression: &Expression, place: Place, lines: &Lines) -> Node {
        let Some(object) = expression.as_object() else { return unknown(place, "an object") };
        let mut members: Vec<Member> = Vec::new();
        for (key, value) in object.iter() {
            let (name, at) = match key {
                ObjectKey::Ident(name) => (Some(name.as_str().to_owned()), lines.of(name)),
                ObjectKey::Expression(key) => {
                    let node = self.value(key, lines);
                    (node.scalar(), node.place)
                }
            };
            let Some(name) = name else { return unknown(place, "a key") };
            members.retain(|member| member.name != name);
            members.push(Member { name, place: at, value: self.value(value.expr(), lines) });
        }
        Node::new(place, Value::Map(members))
    }

    /// A text with parts that are worked out; what is not known stands in it marked.
    fn template<'e>(&self, elements: impl Iterator<Item = &'e Element>, place: Place, lines: &Lines) -> Node {
        let mut text = String::new();
        for element in elements {
            match element {
                Element::Literal(literal) => text.push_str(literal),
                Element::Interpolation(inner) => {
                    let node = self.value(&inner.expr, lines);
                    match (node.scalar(), &node.value) {
                        (Some(part), _) => text.push_str(&part),
                        (None, Value::Unknown(of)) => text.push_str(&marked(of)),
                        _ => text.push_str(&marked("a value")),
                    }
                }
                Element::Directive(_) => text.push_str(&marked("a directive")),
            }
        }
        Node::new(place, Value::Text(text))
    }

    fn named(&self, name: &str, place: Place) -> Node {
        match self.names.iter().rev().find(|(own, _)| own == name) {
            Some((_, node)) => node.clone(),
            None => unknown(place, name),
        }
    }

    fn traversed(&self, traversal: &Traversal, place: Place, lines: &Lines) -> Node {
        let Expression::Variable(root) = &traversal.expr else { return unknown(place, "a value") };
        let steps: Option<Vec<String>> =
            traversal.operators.iter().map(|it| self.step(it.value(), lines)).collect();
        let Some(steps) = steps else { return unknown(place, "a splat") };
        let path: Vec<&str> = steps.iter().map(String::as_str).collect();
        let node = match (root.as_str(), path.as_slice()) {
            ("var", [name, rest @ ..]) => self.variable(name).map(|node| follow(node, rest)),
            ("local", [name, rest @ ..]) => self.local(name).map(|node| follow(node, rest)),
            ("data", [kind, name, rest @ ..]) => self.looked_up(kind, name, rest),
            (name, rest) if self.names.iter().any(|(own, _)| own == name) => {
                Some(follow(self.named(name, place), rest))
            }
            (kind, [name, attribute]) => self.attribute(kind, name, attribute),
            _ => None,
        };
        match node {
            // Where it is used counts, for what is a single value; policies keep the places of their statements.
            Some(Node { value: value @ (Value::Text(_) | Value::Bool(_) | Value::Number(_)), .. }) => {
                Node::new(place, value)
            }
            Some(node) => node,
            None => unknown(place, format!("{}.{}", root.as_str(), path.join("."))),
        }
    }

    fn step(&self, operator: &TraversalOperator, lines: &Lines) -> Option<String> {
        match operator {
            TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
            TraversalOperator::Index(index) => self.value(index, lines).scalar(),
            TraversalOperator::LegacyIndex(index) => Some(index.value().to_string()),
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => None,
        }
    }

    fn blocks(&self, ident: &'c str) -> impl Iterator<Item = (&'c Block, &'c Lines)> + 'c {
        let files = self.files;
        files.iter().flat_map(move |(body, lines)| body.get_blocks(ident).map(move |block| (block, lines)))
    }

    /// A variable has its default, unless somebody says otherwise where the configuration is used.
    fn variable(&self, name: &str) -> Option<Node> {
        let (block, lines) = self.blocks("variable").find(|(block, _)| block.has_exact_labels(&[name]))?;
        let default = block.body.get_attribute("default")?;
        Some(self.deeper().value(&default.value, lines))
    }

    fn local(&self, name: &str) -> Option<Node> {
        let found =
            self.blocks("locals").find_map(|(block, lines)| Some((block.body.get_attribute(name)?, lines)));
        let (attribute, lines) = found?;
        Some(self.deeper().value(&attribute.value, lines))
    }

    /// What is known of a resource before there is one.
    fn attribute(&self, kind: &str, name: &str, attribute: &str) -> Option<Node> {
        let (block, lines) =
            self.blocks("resource").find(|(block, _)| block.has_exact_labels(&[kind, name]))?;
        let own = |name: &str| {
            let attribute = block.body.get_attribute(name)?;
            Some(self.deeper().value(&attribute.value, lines))
        };
        match (kind, attribute) {
            ("aws_s3_bucket", "arn") => {
                let bucket = own("bucket")?;
                Some(Node::new(bucket.place, Value::Text(format!("arn:aws:s3:::{}", bucket.text()?))))
            }
            ("aws_s3_bucket", "id" | "bucket") => own("bucket"),
            ("aws_iam_role" | "aws_iam_user", "id" | "name") => own("name"),
            (_, "arn" | "id") => None,
            (_, attribute) => own(attribute),
        }
    }

    fn looked_up(&self, kind: &str, name: &str, rest: &[&str]) -> Option<Node> {
        let (block, lines) = self.blocks("data").find(|(block, _)| block.has_exact_labels(&[kind, name]))?;
        match (kind, rest) {
            ("aws_iam_policy_document", ["json" | "minified_json"]) => {
                Some(super::super::iam::files::statements(&block_node(block, lines, &self.deeper())))
            }
            _ => None,
        }
    }
}

fn marked(of: &str) -> String {
    format!("{UNRESOLVED}{}{UNRESOLVED}", of.replace(UNRESOLVED, ""))
}

fn follow(mut node: Node, path: &[&str]) -> Node {
    for step in path {
        let next = match &node.value {
            Value::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)).cloned(),
            _ => node.get(step).cloned(),
        };
        node = next.unwrap_or_else(|| unknown(node.place, format!("`{step}`")));
    }
    node
}

/// Functions that policies are written with; others are unknown.
fn called(name: &str, arguments: &[Node], place: Place) -> Node {
    let texts = |node: &Node| node.items().iter().map(Node::scalar).collect::<Option<Vec<_>>>();
    let value = match (name, arguments) {
        // What is encoded stays a tree, so that its places are kept.
        ("jsonencode" | "jsondecode" | "tolist" | "toset" | "tostring", [node]) => return node.clone(),
        ("concat" | "setunion", lists) if lists.iter().all(|it| matches!(it.value, Value::List(_))) => {
            Value::List(lists.iter().flat_map(Node::items).cloned().collect())
        }
        ("merge", maps) if maps.iter().all(|it| matches!(it.value, Value::Map(_))) => {
            let mut members: Vec<Member> = Vec::new();
            for member in maps.iter().flat_map(Node::members) {
                members.retain(|own| own.name != member.name);
                members.push(member.clone());
            }
            Value::Map(members)
        }
        ("join", [separator, list]) => match (separator.text(), texts(list)) {
            (Some(separator), Some(texts)) => Value::Text(texts.join(separator)),
            _ => Value::Unknown("join".to_owned()),
        },
        ("format", [pattern, rest @ ..]) => formatted(pattern, rest),
        ("lower", [node]) => {
            node.text().map_or(Value::Unknown("lower".to_owned()), |it| Value::Text(it.to_lowercase()))
        }
        _ => Value::Unknown(format!("{name}()")),
    };
    Node::new(place, value)
}

fn formatted(pattern: &Node, arguments: &[Node]) -> Value {
    let mut arguments = arguments.iter();
    let Some(pattern) = pattern.text() else { return Value::Unknown("format()".to_owned()) };
    let mut text = String::new();
    for (index, part) in pattern.split("%s").enumerate() {
        if index > 0 {
            match arguments.next().map(|node| (node.scalar(), &node.value)) {
                Some((Some(argument), _)) => text.push_str(&argument),
                Some((None, Value::Unknown(of))) => text.push_str(&marked(of)),
                _ => return Value::Unknown("format()".to_owned()),
            }
        }
        text.push_str(part);
    }
    if text.contains('%') { Value::Unknown("format()".to_owned()) } else { Value::Text(text) }
}
