//! The search for an allowed request under one assignment of variables.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
};

use super::{
    Explored, Question,
    automaton::{End, Matched, Product, Sign},
    bits::Bits,
    contexts::{self, Context},
    rules::Rules,
    signs::{self, Assignment, Shape},
};
use crate::iam::{
    data::Data,
    pattern::{Pattern, Piece},
    policy::Selection,
    request::Request,
};

/// States of one product; a tenth of a second and some ten megabytes.
const STATES_MAX: usize = 60_000;

/// What is known of the context.
pub(super) struct Setting<'s> {
    pub(super) fixed: &'s BTreeMap<String, Vec<String>>,
    pub(super) assignment: &'s Assignment,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    Request(Request),
    Nothing(Explored),
    TooLarge,
}

/// Actions that the same rules are about and that have the same resources.
struct Group {
    action: String,
    rules: Bits,
    /// Shapes of its resources; none where the action is not known, and any resource is one.
    shapes: Vec<usize>,
    alone: bool,
}

/// Rules that apply to some request, but for their resources.
struct Case<'c> {
    group: &'c Group,
    applying: Bits,
    context: &'c Context,
}

/// Patterns side by side, each once.
#[derive(Default)]
struct Patterns {
    all: Vec<Vec<Sign>>,
    places: HashMap<Vec<Sign>, usize>,
}

impl Patterns {
    fn place(&mut self, signs: Vec<Sign>) -> usize {
        let next = self.all.len();
        let place = *self.places.entry(signs.clone()).or_insert(next);
        if place == next {
            self.all.push(signs);
        }
        place
    }
}

/// Which resources a rule is about, by places of patterns.
#[derive(Clone)]
struct Resources {
    negated: bool,
    everything: bool,
    places: Vec<usize>,
}

impl Resources {
    fn include(&self, matched: &Matched) -> bool {
        (self.everything || self.places.iter().any(|place| matched.has(*place))) != self.negated
    }

    /// Whether no resource at all is included.
    fn is_none(&self) -> bool {
        if self.negated { self.everything } else { !self.everything && self.places.is_empty() }
    }

    fn is_all(&self) -> bool {
        if self.negated { !self.everything && self.places.is_empty() } else { self.everything }
    }
}

/// The place of the question's own pattern.
const ASKED: usize = 0;

/// Seeks a request that is allowed, one with a shortest resource.
pub(super) fn find(rules: &Rules<'_>, question: &Question, setting: &Setting<'_>) -> Found {
    let mut patterns = Patterns::default();
    let asked = match signs::resource(&question.resource, setting.assignment, true) {
        Shape::Signs(signs) => signs,
        Shape::Everything => vec![Sign::Star(None)],
        Shape::Nothing => return Found::Nothing(Explored::default()),
    };
    patterns.place(asked);
    let resources = resources(rules, setting.assignment, &mut patterns);
    let groups = groups(rules, question, &resources, &mut patterns);
    let mut matter = Bits::none(rules.rules.len());
    groups.iter().flat_map(|group| group.rules.iter()).for_each(|index| matter.insert(index));
    let contexts = contexts::of(&rules.rules, &matter, setting.fixed, setting.assignment);
    let cases = cases(rules, &groups, &contexts.contexts, &resources);
    let mut explored =
        Explored { actions: question.actions.len(), contexts: contexts.contexts.len(), states: 0 };
    let search = Search { rules, resources: &resources, patterns: &patterns.all, cases: &cases };
    let found = match search.run(0..cases.len()) {
        (End::TooMany, ..) => search.one_by_one(),
        other => other,
    };
    explored.states = found.1;
    match found {
        (End::Found, _, Some(request)) => Found::Request(request),
        (End::Exhausted, ..) if contexts.complete => Found::Nothing(explored),
        _ => Found::TooLarge,
    }
}

/// What each rule's resources are, as places among the patterns.
fn resources(rules: &Rules<'_>, assignment: &Assignment, patterns: &mut Patterns) -> Vec<Resources> {
    let of = |rule: &super::rules::Rule<'_>| {
        let Some(selection) = &rule.statement.resources else {
            return Resources { negated: false, everything: true, places: Vec::new() };
        };
        let wide = rule.widens() != selection.negated;
        let mut resources = Resources { negated: selection.negated, everything: false, places: Vec::new() };
        for (pattern, _) in &selection.patterns {
            match signs::resource(pattern, assignment, wide) {
                Shape::Signs(signs) => resources.places.push(patterns.place(signs)),
                Shape::Everything => resources.everything = true,
                Shape::Nothing => {}
            }
        }
        resources
    };
    rules.rules.iter().map(of).collect()
}

/// The question's actions, those alike together.
fn groups(
    rules: &Rules<'_>,
    question: &Question,
    resources: &[Resources],
    patterns: &mut Patterns,
) -> Vec<Group> {
    let data = Data::embedded();
    let mut groups: Vec<Group> = Vec::new();
    for action in &question.actions {
        let known = data.action(action);
        let shapes = match known {
            Some(known) if known.resources.is_empty() => vec![patterns.place(vec![Sign::Char('*')])],
            Some(known) => data.shapes(known).iter().map(|it| patterns.place(signs::arn_shape(it))).collect(),
            None => Vec::new(),
        };
        let mut about = Bits::none(rules.rules.len());
        for (index, (rule, resources)) in rules.rules.iter().zip(resources).enumerate() {
            if !resources.is_none() && selects(&rule.statement.actions, action) {
                about.insert(index);
            }
        }
        let alone = rules_alone(action);
        let alike = |group: &Group| group.rules == about && group.shapes == shapes && group.alone == alone;
        if !groups.iter().any(alike) {
            let action = known.map_or_else(|| action.clone(), |known| known.name.clone());
            groups.push(Group { action, rules: about, shapes, alone });
        }
    }
    groups
}

/// Whether the policy of the resource rules alone over an action: so it is for keys and for taking on roles.
pub(super) fn rules_alone(action: &str) -> bool {
    let lower = action.to_ascii_lowercase();
    lower.starts_with("kms:") || lower.starts_with("sts:assumerole")
}

/// Whether a selection of actions includes one.
pub(super) fn selects(selection: &Selection, action: &str) -> bool {
    selection.patterns.iter().any(|(pattern, _)| is_action(pattern, action)) != selection.negated
}

/// Most patterns are a name, or the beginning of one and `*`; the others go through an automaton.
fn is_action(pattern: &Pattern, action: &str) -> bool {
    let wild = |piece: &Piece| matches!(piece, Piece::Star | Piece::One);
    match pattern.pieces.iter().position(wild) {
        _ if pattern.has_variables() => false,
        None => pattern.text.eq_ignore_ascii_case(action),
        Some(at) if at + 1 == pattern.pieces.len() && pattern.text.ends_with('*') => {
            let front = pattern.text.strip_suffix('*').unwrap_or_default();
            action.get(..front.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(front))
        }
        Some(_) => {
            let fold = |piece: &Piece| match piece {
                Piece::Char(character) => Sign::Fold(*character),
                Piece::One => Sign::One(None),
                Piece::Star | Piece::Variable(..) => Sign::Star(None),
            };
            Product::new(&[pattern.pieces.iter().map(fold).collect()]).run(action).has(0)
        }
    }
}

/// What can apply together, leaving out what is never allowed.
fn cases<'c>(
    rules: &Rules<'_>,
    groups: &'c [Group],
    contexts: &'c [Context],
    resources: &[Resources],
) -> Vec<Case<'c>> {
    let surely = |index: usize| {
        let denies = rules.rules.get(index).is_some_and(|rule| rule.denies() && !rule.against);
        denies && resources.get(index).is_some_and(Resources::is_all)
    };
    let mut cases = Vec::new();
    for group in groups {
        let mut seen = HashSet::new();
        for context in contexts {
            let applying = group.rules.and(&context.holds);
            let hopeful = !applying.iter().any(surely) && rules.may_allow(applying.iter(), group.alone);
            if hopeful && seen.insert(applying.clone()) {
                cases.push(Case { group, applying, context });
            }
        }
    }
    cases.sort_by_key(|case| case.context.values.len());
    cases
}

struct Search<'s> {
    rules: &'s Rules<'s>,
    resources: &'s [Resources],
    patterns: &'s [Vec<Sign>],
    cases: &'s [Case<'s>],
}

type Result = (End, usize, Option<Request>);

impl Search<'_> {
    /// Searches for a resource on which one of these cases is allowed: only over the patterns that they are about.
    fn run(&self, range: std::ops::Range<usize>) -> Result {
        let cases = self.cases.get(range).unwrap_or_default();
        if cases.is_empty() {
            return (End::Exhausted, 0, None);
        }
        let needed = self.needed(cases);
        let signs: Vec<Vec<Sign>> =
            needed.iter().filter_map(|place| self.patterns.get(*place)).cloned().collect();
        let product = Product::new(&signs);
        let local = |place: usize| needed.binary_search(&place).ok();
        let shapes: Vec<usize> =
            cases.iter().flat_map(|it| &it.group.shapes).filter_map(|it| local(*it)).collect();
        let free = cases.iter().any(|case| case.group.shapes.is_empty());
        let mut request = None;
        let search = product.search(
            STATES_MAX,
            |row| !product.alive(row, ASKED) || !(free || shapes.iter().any(|it| product.alive(row, *it))),
            |matched, text| {
                if !matched.has(ASKED) {
                    return ControlFlow::Continue(());
                }
                let matched = matched.spread(&needed);
                match cases.iter().find(|case| self.allowed(case, &matched)) {
                    Some(case) => {
                        request = Some(Request {
                            action: case.group.action.clone(),
                            resource: text(),
                            context: case.context.values.clone(),
                        });
                        ControlFlow::Break(())
                    }
                    None => ControlFlow::Continue(()),
                }
            },
        );
        (search.end, search.rows, request)
    }

    /// One case after the other: slower, but each over fewer patterns.
    fn one_by_one(&self) -> Result {
        let mut worst = End::Exhausted;
        let mut states = 0;
        for index in 0..self.cases.len() {
            let (end, rows, request) = self.run(index..index + 1);
            states += rows;
            match end {
                End::Found => return (end, states, request),
                // What is allowed in another case is allowed for all that.
                End::TooMany => worst = End::TooMany,
                End::Exhausted => {}
            }
            if states > 10 * STATES_MAX {
                return (End::TooMany, states, None);
            }
        }
        (worst, states, None)
    }

    /// Places of the patterns that cases are about, in order.
    fn needed(&self, cases: &[Case<'_>]) -> Vec<usize> {
        let mut needed = vec![ASKED];
        let mut counted = Bits::none(self.rules.rules.len());
        for case in cases {
            needed.extend(&case.group.shapes);
            case.applying.iter().for_each(|index| counted.insert(index));
        }
        for resources in counted.iter().filter_map(|index| self.resources.get(index)) {
            needed.extend(&resources.places);
        }
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    fn allowed(&self, case: &Case<'_>, matched: &Matched) -> bool {
        let shaped = case.group.shapes.is_empty() || case.group.shapes.iter().any(|it| matched.has(*it));
        let about = |index: &usize| self.resources.get(*index).is_some_and(|it| it.include(matched));
        shaped && self.rules.allow(case.applying.iter().filter(about), case.group.alone)
    }
}
