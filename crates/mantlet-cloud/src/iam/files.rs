//! Roles and policies as Terraform configurations write them: which policies are whose, with the places of statements.

use std::collections::BTreeMap;

use super::policy::{Document, Invalid, Use, read, read_node};
use crate::{
    terraform::Resource,
    tree::{Member, Node, Place, Value},
};

/// Somebody with policies: a role or a user.
#[derive(Debug)]
pub struct Holder {
    /// Where it is made.
    pub place: Place,
    /// In which file.
    pub file: usize,
    /// Its name, or that of its resource.
    pub name: String,
    /// Whether it is a user.
    pub user: bool,
    /// Its policies, each with its file.
    pub policies: Vec<(usize, Document)>,
    /// Its boundary.
    pub boundary: Option<Document>,
    /// Who may take it on.
    pub trust: Option<Document>,
    /// Whether it has policies that are not known.
    pub partly: bool,
}

/// A policy that could not be read.
#[derive(Debug)]
pub struct Unread {
    /// In which file.
    pub file: usize,
    /// Why.
    pub invalid: Invalid,
}

/// What a configuration says of permissions.
#[derive(Debug, Default)]
pub struct Permissions {
    /// Roles and users, by the address of their resource.
    pub holders: BTreeMap<String, Holder>,
    /// Policies that could not be read.
    pub unread: Vec<Unread>,
    /// Policies of the cloud's own that are attached: the name, the place, the file.
    pub managed: Vec<(String, Place, usize)>,
}

/// Puts a policy document of Terraform's own notation into that of policies.
#[must_use]
pub fn statements(body: &Node) -> Node {
    let blocks = body.get("statement").map_or(&[][..], Node::items);
    let list = Node::new(body.place, Value::List(blocks.iter().map(statement).collect()));
    let version = Node::new(body.place, Value::Text("2012-10-17".to_owned()));
    let member = |name: &str, value| Member { name: name.to_owned(), place: body.place, value };
    Node::new(body.place, Value::Map(vec![member("Version", version), member("Statement", list)]))
}

fn statement(block: &Node) -> Node {
    let mut members = Vec::new();
    let mut has_effect = false;
    for member in block.members() {
        let name = match member.name.as_str() {
            "sid" => "Sid",
            "effect" => "Effect",
            "actions" => "Action",
            "not_actions" => "NotAction",
            "resources" => "Resource",
            "not_resources" => "NotResource",
            "principals" => "Principal",
            "not_principals" => "NotPrincipal",
            "condition" => "Condition",
            other => other,
        };
        has_effect |= name == "Effect";
        let value = match name {
            "Principal" | "NotPrincipal" => grouped(&member.value, "type", "identifiers"),
            "Condition" => conditions(&member.value),
            _ => member.value.clone(),
        };
        members.push(Member { name: name.to_owned(), place: member.place, value });
    }
    if !has_effect {
        let value = Node::new(block.place, Value::Text("Allow".to_owned()));
        members.push(Member { name: "Effect".to_owned(), place: block.place, value });
    }
    Node::new(block.place, Value::Map(members))
}

/// Blocks of a name and values as a map.
fn grouped(blocks: &Node, name: &str, values: &str) -> Node {
    let mut members: Vec<Member> = Vec::new();
    for block in blocks.items() {
        let (Some(kind), Some(own)) = (block.get(name).and_then(Node::text), block.get(values)) else {
            return Node::new(blocks.place, Value::Unknown(name.to_owned()));
        };
        match members.iter_mut().find(|member| member.name == kind) {
            Some(Member { value: Node { value: Value::List(items), .. }, .. }) => {
                items.extend(own.items().to_vec());
            }
            _ => members.push(Member { name: kind.to_owned(), place: own.place, value: own.clone() }),
        }
    }
    // In this notation everybody is a kind of its own.
    match members.iter().position(|member| member.name == "*") {
        Some(at) => members.swap_remove(at).value.items().first().cloned().unwrap_or_else(|| blocks.clone()),
        None => Node::new(blocks.place, Value::Map(members)),
    }
}

fn conditions(blocks: &Node) -> Node {
    let mut operators: Vec<Member> = Vec::new();
    for block in blocks.items() {
        let text = |name| block.get(name).and_then(Node::text).map(str::to_owned);
        let (Some(test), Some(variable), Some(values)) =
            (text("test"), text("variable"), block.get("values"))
        else {
            return Node::new(blocks.place, Value::Unknown("condition".to_owned()));
        };
        let key = Member { name: variable, place: values.place, value: values.clone() };
        match operators.iter_mut().find(|member| member.name == test) {
            Some(Member { value: Node { value: Value::Map(keys), .. }, .. }) => keys.push(key),
            _ => {
                let value = Node::new(block.place, Value::Map(vec![key]));
                operators.push(Member { name: test, place: block.place, value });
            }
        }
    }
    Node::new(blocks.place, Value::Map(operators))
}

/// Reads roles, users and their policies.
#[must_use]
pub fn permissions(resources: &[Resource]) -> Permissions {
    let mut found = Permissions::default();
    for resource in
        resources.iter().filter(|it| !it.data && matches!(it.kind.as_str(), "aws_iam_role" | "aws_iam_user"))
    {
        let holder = holder(resource, resources, &mut found);
        found.holders.insert(format!("{}.{}", resource.kind, resource.name), holder);
    }
    for resource in resources.iter().filter(|it| !it.data) {
        let whose = ["role", "user"].iter().find_map(|name| resource.references.get(*name));
        let document = match resource.kind.as_str() {
            "aws_iam_role_policy" | "aws_iam_user_policy" => {
                document(resource, "policy", Use::Identity, &mut found)
            }
            "aws_iam_role_policy_attachment" | "aws_iam_user_policy_attachment" => {
                attached(resource, resources, &mut found)
            }
            _ => continue,
        };
        let whose = whose.and_then(|(kind, name)| found.holders.get_mut(&format!("{kind}.{name}")));
        match (whose, document) {
            (Some(holder), Some(document)) => holder.policies.push(document),
            (Some(holder), None) => holder.partly = true,
            _ => {}
        }
    }
    found
}

fn holder(resource: &Resource, resources: &[Resource], found: &mut Permissions) -> Holder {
    let name = resource.body.get("name").and_then(Node::text).unwrap_or(&resource.name);
    let trust = document(resource, "assume_role_policy", Use::Trust, found).map(|(_, document)| document);
    let boundary = resource.references.get("permissions_boundary");
    let boundary =
        boundary.and_then(|(kind, name)| resources.iter().find(|it| it.kind == *kind && it.name == *name));
    let boundary =
        boundary.and_then(|it| document(it, "policy", Use::Identity, found)).map(|(_, document)| document);
    Holder {
        place: resource.body.place,
        file: resource.file,
        name: name.to_owned(),
        user: resource.kind == "aws_iam_user",
        policies: Vec::new(),
        partly: boundary.is_none() && resource.body.get("permissions_boundary").is_some(),
        boundary,
        trust,
    }
}

/// The policy of an attachment; one of the cloud's own is noted.
fn attached(
    resource: &Resource,
    resources: &[Resource],
    found: &mut Permissions,
) -> Option<(usize, Document)> {
    if let Some((kind, name)) = resource.references.get("policy_arn") {
        let policy = resources.iter().find(|it| !it.data && it.kind == *kind && it.name == *name)?;
        return document(policy, "policy", Use::Identity, found);
    }
    let node = resource.body.get("policy_arn")?;
    let name = node.text()?.strip_prefix("arn:aws:iam::aws:policy/")?;
    found.managed.push((name.to_owned(), node.place, resource.file));
    None
}

fn document(
    resource: &Resource,
    attribute: &str,
    put_to_use: Use,
    found: &mut Permissions,
) -> Option<(usize, Document)> {
    let node = resource.body.get(attribute)?;
    let read = match &node.value {
        Value::Unknown(_) => return None,
        Value::Text(text) => read(text, put_to_use).map_err(|error| Invalid { place: node.place, ..error }),
        _ => read_node(node, put_to_use),
    };
    match read {
        Ok(document) => Some((resource.file, document)),
        Err(invalid) => {
            found.unread.push(Unread { file: resource.file, invalid });
            None
        }
    }
}
