//! Finds the line of the table that a request is about.

use http::Method;

use super::{Route, TABLE, Verb};

/// What the table has for a request.
pub enum Found<'r, 'p> {
    /// A route, with its path's parameters.
    Route(&'r Route, matchit::Params<'r, 'p>),
    /// The path, but not this method; those it has, as `Allow` writes them.
    Methods(String),
    /// No such path.
    Nothing,
}

/// The table, ready to be searched.
pub struct Router(matchit::Router<[Option<&'static Route>; Verb::ALL.len()]>);

impl Router {
    /// The router of [`TABLE`].
    ///
    /// # Errors
    /// If two paths conflict.
    pub fn new() -> Result<Self, matchit::InsertError> {
        let mut router = matchit::Router::new();
        for route in TABLE {
            let known = TABLE.iter().filter(|other| other.path == route.path);
            let mut by_verb = [None; Verb::ALL.len()];
            for other in known {
                if let Some(slot) = by_verb.get_mut(other.verb as usize) {
                    *slot = Some(other);
                }
            }
            let first = TABLE.iter().find(|other| other.path == route.path);
            if first.is_some_and(|first| std::ptr::eq(first, route)) {
                router.insert(route.path, by_verb)?;
            }
        }
        Ok(Self(router))
    }

    /// Finds the route of a request.
    #[must_use]
    pub fn find<'r, 'p>(&'r self, method: &Method, path: &'p str) -> Found<'r, 'p> {
        let Ok(found) = self.0.at(path) else { return Found::Nothing };
        let route = Verb::of(method).and_then(|verb| found.value.get(verb as usize).copied().flatten());
        match route {
            Some(route) => Found::Route(route, found.params),
            None => Found::Methods(allowed(found.value)),
        }
    }
}

fn allowed(routes: &[Option<&Route>]) -> String {
    let mut methods: Vec<&str> = routes.iter().flatten().map(|route| route.verb.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(", ")
}
