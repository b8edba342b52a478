//! Contexts of requests, as far as conditions tell them apart: which sets of rules hold in some context, each with one
//! of the fewest keys.

use std::collections::{BTreeMap, HashMap};

use super::{
    bits::Bits,
    classes::{self, Posed},
    rules::Rule,
    signs::Assignment,
};
use crate::iam::condition::Condition;

/// Sets of rules that are told apart.
const CONTEXTS_MAX: usize = 20_000;

/// A context, and the rules whose conditions hold in it.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) holds: Bits,
    pub(super) values: BTreeMap<String, Vec<String>>,
}

/// All contexts, fewest keys first, or as many as there was room for.
#[derive(Debug)]
pub(super) struct Contexts {
    pub(super) contexts: Vec<Context>,
    pub(super) complete: bool,
}

/// The contexts that the conditions of the rules in `matter` tell apart. `fixed` are values that are known, an empty list
/// for a key that is absent.
pub(super) fn of(
    rules: &[Rule<'_>],
    matter: &Bits,
    fixed: &BTreeMap<String, Vec<String>>,
    assignment: &Assignment,
) -> Contexts {
    let mut keys: BTreeMap<&str, Vec<(usize, &Condition, bool)>> = BTreeMap::new();
    for index in matter.iter() {
        let Some(rule) = rules.get(index) else { continue };
        for condition in &rule.statement.conditions {
            keys.entry(&condition.key).or_default().push((index, condition, rule.widens()));
        }
    }
    let first = Context { holds: matter.clone(), values: BTreeMap::new() };
    let mut found = Contexts { contexts: vec![first], complete: true };
    for (key, conditions) in keys {
        let posed: Vec<Posed<'_>> =
            conditions.iter().map(|(_, condition, wide)| (*condition, *wide)).collect();
        let classes = classes::of(&posed, fixed.get(key).map(Vec::as_slice), assignment);
        found.complete &= classes.complete;
        let mut next: Vec<Context> = Vec::new();
        let mut places: HashMap<Bits, usize> = HashMap::new();
        for context in &found.contexts {
            for class in &classes.classes {
                let mut context = context.clone();
                for ((index, ..), holds) in conditions.iter().zip(&class.holds) {
                    if !holds {
                        context.holds.remove(*index);
                    }
                }
                if !class.values.is_empty() {
                    context.values.insert(key.to_owned(), class.values.clone());
                }
                keep(&mut next, &mut places, context);
            }
            if next.len() > CONTEXTS_MAX {
                found.complete = false;
                break;
            }
        }
        found.contexts = next;
    }
    found.contexts.sort_by_key(|context| context.values.values().map(Vec::len).sum::<usize>());
    found
}

/// Keeps a context, unless one with no more keys is there in which the same rules hold.
fn keep(contexts: &mut Vec<Context>, places: &mut HashMap<Bits, usize>, context: Context) {
    match places.get(&context.holds).and_then(|place| contexts.get_mut(*place)) {
        Some(other) if other.values.len() > context.values.len() => *other = context,
        Some(_) => {}
        None => {
            places.insert(context.holds.clone(), contexts.len());
            contexts.push(context);
        }
    }
}
