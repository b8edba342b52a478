//! Typed access to a node's attributes. Every attribute must be read: one that is left over is one whose meaning would
//! be ignored, so the node is refused.

use super::{
    error::LoadError,
    proto::{AttributeProto, TensorProto},
};

/// What a node is and says, while a kernel is made from it.
#[derive(Default)]
pub(crate) struct Attributes {
    node: String,
    operator: String,
    list: Vec<AttributeProto>,
}

/// `AttributeProto.AttributeType`.
mod kind {
    pub(super) const FLOAT: i32 = 1;
    pub(super) const INT: i32 = 2;
    pub(super) const STRING: i32 = 3;
    pub(super) const TENSOR: i32 = 4;
    pub(super) const FLOATS: i32 = 6;
    pub(super) const INTS: i32 = 7;
    pub(super) const STRINGS: i32 = 8;
}

impl Attributes {
    /// The attributes of a node; names must differ.
    pub(crate) fn new(node: String, operator: String, list: Vec<AttributeProto>) -> Result<Self, LoadError> {
        let attributes = Self { node, operator, list };
        let mut names: Vec<&str> = attributes.list.iter().map(|attribute| attribute.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(attributes.error("an attribute is given twice"));
        }
        Ok(attributes)
    }

    /// An error about this node.
    pub(crate) fn error(&self, why: impl Into<String>) -> LoadError {
        LoadError::Node { node: self.node.clone(), operator: self.operator.clone(), why: why.into() }
    }

    /// The node's name, or that of its first output.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Refuses attributes that were not read.
    pub(crate) fn finish(self) -> Result<(), LoadError> {
        match self.list.first() {
            None => Ok(()),
            Some(attribute) => Err(self.error(format!("attribute `{}` is unknown here", attribute.name))),
        }
    }

    /// Drops attributes without influence on what the node computes.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        self.list.retain(|attribute| !names.contains(&attribute.name.as_str()));
    }

    /// Whether the node has this attribute.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|attribute| attribute.name == name)
    }

    fn take(&mut self, name: &str, kind: i32) -> Result<Option<AttributeProto>, LoadError> {
        let Some(index) = self.list.iter().position(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        let attribute = self.list.swap_remove(index);
        // Files older than IR version 2 leave the type out.
        if attribute.r#type != kind && attribute.r#type != 0 {
            return Err(self.error(format!("attribute `{name}` has another type")));
        }
        Ok(Some(attribute))
    }

    /// A float, if given.
    pub(crate) fn float(&mut self, name: &str) -> Result<Option<f32>, LoadError> {
        Ok(self.take(name, kind::FLOAT)?.map(|attribute| attribute.f))
    }

    /// An integer, if given.
    pub(crate) fn int(&mut self, name: &str) -> Result<Option<i64>, LoadError> {
        Ok(self.take(name, kind::INT)?.map(|attribute| attribute.i))
    }

    /// An integer that is a truth value.
    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool, LoadError> {
        match self.int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(self.error(format!("attribute `{name}` is neither 0 nor 1"))),
        }
    }

    /// A string of UTF-8, if given.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, LoadError> {
        let Some(attribute) = self.take(name, kind::STRING)? else { return Ok(None) };
        String::from_utf8(attribute.s)
            .map(Some)
            .map_err(|_| self.error(format!("attribute `{name}` is not valid text")))
    }

    /// A tensor, if given.
    pub(crate) fn tensor(&mut self, name: &str) -> Result<Option<TensorProto>, LoadError> {
        Ok(self.take(name, kind::TENSOR)?.and_then(|attribute| attribute.t))
    }

    /// Floats; empty when not given.
    pub(crate) fn floats(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        Ok(self.take(name, kind::FLOATS)?.map(|attribute| attribute.floats).unwrap_or_default())
    }

    /// Integers; empty when not given.
    pub(crate) fn ints(&mut self, name: &str) -> Result<Vec<i64>, LoadError> {
        Ok(self.take(name, kind::INTS)?.map(|attribute| attribute.ints).unwrap_or_default())
    }

    /// Strings of UTF-8; empty when not given.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<Vec<u8>>, LoadError> {
        let texts = self.take(name, kind::STRINGS)?.map(|attribute| attribute.strings).unwrap_or_default();
        if texts.iter().all(|text| std::str::from_utf8(text).is_ok()) {
            Ok(texts)
        } else {
            Err(self.error(format!("attribute `{name}` is not valid text")))
        }
    }
}
