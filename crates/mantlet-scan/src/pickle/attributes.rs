//! The attributes of objects that may hold other objects, or functions and classes.
//!
//! A state sets attributes by name, and one that takes the place of a method would be called. Numbers, text and arrays cannot
//! be called and may stand under any name; what can, only under a name that the libraries give to attributes.
//! `data/attributes.txt` is made from the same wheels as the list of names (`cargo xtask allow-list`).

use std::{collections::HashMap, sync::LazyLock};

use super::names::Name;

/// The list as text: names with their rights, and with the classes that have the attribute where others have such a method.
static TEXT: &str = include_str!("../../data/attributes.txt");

static ATTRIBUTES: LazyLock<HashMap<&'static str, Attribute>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let (name, rights) = (words.next()?, words.next()?);
        Some((name, Attribute { functions: rights.contains('f'), classes: words.next() }))
    };
    TEXT.lines().skip(1).filter_map(line).collect()
});

/// An attribute that is on the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    functions: bool,
    /// The only classes that have it, separated by commas.
    classes: Option<&'static str>,
}

impl Attribute {
    /// Looks a name up.
    pub(super) fn find(name: &[u8]) -> Option<Self> {
        std::str::from_utf8(name).ok().and_then(|name| ATTRIBUTES.get(name)).copied()
    }

    /// Whether it may hold a function or a class.
    pub(super) const fn keeps_functions(self) -> bool {
        self.functions
    }

    /// Whether objects of every class may have it.
    pub(super) const fn is_anybodys(self) -> bool {
        self.classes.is_none()
    }

    /// Whether objects of this class may have it.
    pub(super) fn is_of(self, class: Name) -> bool {
        let same = |path: &str| path.rsplit_once('.') == Some((class.module(), class.name()));
        self.classes.is_none_or(|classes| classes.split(',').any(same))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_attribute_takes_the_place_of_a_method() {
        for method in
            ["predict", "transform", "fit", "items", "get", "_build_f", "_check_n_features", "__setstate__"]
        {
            assert!(Attribute::find(method.as_bytes()).is_none_or(|it| !it.is_anybodys()), "`{method}`");
        }
        assert!(Attribute::find(b"func").is_some_and(Attribute::keeps_functions));
        assert!(Attribute::find(b"estimators_").is_some_and(Attribute::is_anybodys));
        assert!(Attribute::find(b"coef_").is_some_and(|it| !it.keeps_functions()));
        // `loss` is a method of some, and an attribute of others.
        let (loss, name) = (Attribute::find(b"loss").unwrap(), |class| {
            Name::find("sklearn.linear_model._stochastic_gradient", class).unwrap()
        });
        assert!(!loss.is_anybodys() && loss.is_of(name("SGDClassifier")));
        assert!(!Attribute::find(b"score").unwrap().is_of(name("SGDClassifier")));
    }

    #[test]
    fn both_lists_are_of_the_same_releases() {
        let first = TEXT.lines().next().unwrap();
        let mut words = first.trim_start_matches("# ").split(' ');
        let (day, wheels) = super::super::names::origin();
        assert_eq!(words.next(), Some(day));
        assert_eq!(words.collect::<Vec<_>>(), wheels);
        assert_eq!(ATTRIBUTES.len(), TEXT.lines().count() - 1, "no name twice");
    }
}
