//! What a template says, as far as its rules look at it.

/// An expression and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) at: u64,
    pub(super) kind: ExprKind,
}

/// Arguments of a call, a filter or a test.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arguments {
    pub(super) plain: Vec<Expr>,
    pub(super) named: Vec<(String, Expr)>,
}

impl Arguments {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Expr> {
        self.plain.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ExprKind {
    /// A string.
    Text(String),
    /// A whole number; `None` if it is too large to compute with.
    Whole(Option<i128>),
    /// A number with a fraction, a truth value, or none.
    Other,
    /// A variable.
    Name(String),
    /// `of.name`
    Attribute(Box<Expr>, String),
    /// `of[index]`
    Item(Box<Expr>, Box<Expr>),
    /// `of[from:to:step]`
    Slice(Box<Expr>, Vec<Expr>),
    /// `what(arguments)`
    Call(Box<Expr>, Arguments),
    /// `of | name(arguments)`
    Filter(Box<Expr>, String, Arguments),
    /// `of is name(arguments)`
    Test(Box<Expr>, String, Arguments),
    /// `left op right`; comparisons and logic too.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `not x`, `-x`, `+x`
    Unary(&'static str, Box<Expr>),
    /// `then if test else otherwise`
    Choice(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// A list or tuple.
    List(Vec<Expr>),
    /// A dictionary, keys and values in turn.
    Dictionary(Vec<Expr>),
}

impl Expr {
    /// The expressions that this one is made of.
    pub(super) fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Text(_) | ExprKind::Whole(_) | ExprKind::Other | ExprKind::Name(_) => Vec::new(),
            ExprKind::Attribute(of, _) | ExprKind::Unary(_, of) => vec![of],
            ExprKind::Item(of, index) => vec![of, index],
            ExprKind::Slice(of, bounds) => std::iter::once(&**of).chain(bounds).collect(),
            ExprKind::Call(of, arguments)
            | ExprKind::Filter(of, _, arguments)
            | ExprKind::Test(of, _, arguments) => std::iter::once(&**of).chain(arguments.all()).collect(),
            ExprKind::Binary(_, left, right) => vec![left, right],
            ExprKind::Choice(then, test, otherwise) => {
                [&**then, test].into_iter().chain(otherwise.as_deref()).collect()
            }
            ExprKind::List(items) | ExprKind::Dictionary(items) => items.iter().collect(),
        }
    }
}

/// What a statement assigns to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// A variable.
    Name(String),
    /// A member of a namespace.
    Member(String, String),
}

/// A macro: a function of the template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Macro {
    pub(super) at: u64,
    pub(super) name: String,
    pub(super) parameters: Vec<(String, Option<Expr>)>,
    pub(super) body: Vec<Statement>,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    /// `{{ expression }}`
    Print(Expr),
    /// `{% for targets in over if test %}`; both bodies in one.
    For { targets: Vec<Target>, over: Expr, test: Option<Expr>, body: Vec<Statement> },
    /// All branches of an `if` one after another.
    If { tests: Vec<Expr>, bodies: Vec<Statement> },
    /// `{% set targets = value %}`
    Set { targets: Vec<Target>, value: Expr },
    /// `{% set target %}…{% endset %}`; what the block prints is assigned.
    SetBlock { target: Target, body: Vec<Statement> },
    /// `{% macro … %}`
    Macro(Macro),
    /// `{% call(parameters) call %}…{% endcall %}`
    CallBlock { parameters: Vec<(String, Option<Expr>)>, call: Expr, body: Vec<Statement> },
    /// `{% filter … %}…{% endfilter %}`: `value` is the filter on an empty string.
    FilterBlock { value: Expr, body: Vec<Statement> },
    /// A body without an effect of its own: `generation`, `with` after its assignments.
    Block(Vec<Statement>),
    /// `break`, `continue`
    Jump,
}
