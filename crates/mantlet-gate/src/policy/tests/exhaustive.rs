//! Every set of roles and every action, against the oracle.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Context, Entities, EntityUid};
use mantlet_types::{Action, Role, entry::Decision};

use super::{
    super::{entities::user_uid, testing::POLICY},
    oracle::Flags,
    world::{self, Case, HERE},
};

/// For each set of roles and each action, so many cases are drawn, each with what the request carries. The draws of
/// all sets together cover every case of an action many times over.
const DRAWS: usize = 6;

/// Which of [`world::flags`] are drawn: those that leave the answer to the facts more often than the others.
const DRAWN_FLAGS: [usize; 11] = [0, 0, 0, 4, 4, 1, 2, 5, 6, 7, 3];

/// All cases with what they need, checked and built once.
struct World {
    cases: BTreeMap<Action, Vec<Case>>,
    things: Entities,
    contexts: HashMap<(Flags, Option<EntityUid>), Context>,
}

impl World {
    fn new() -> Self {
        let cases: BTreeMap<Action, Vec<Case>> =
            world::actions().map(|action| (action, world::cases(action, HERE))).collect();
        let all = || cases.values().flatten();
        let things = all().flat_map(|case| case.entities.iter().cloned());
        let things = Entities::from_entities(things, Some(POLICY.engine.schema())).unwrap();
        let models: BTreeSet<Option<EntityUid>> = all().map(|case| case.model.clone()).collect();
        let contexts = models.into_iter().flat_map(|model| {
            world::flags().map(|flags| ((flags, model.clone()), world::context(flags, model.as_ref())))
        });
        Self { contexts: contexts.collect(), cases, things }
    }

    fn with_me(&self, roles: &BTreeSet<Role>) -> Entities {
        let me = world::me(roles, HERE, &["here"], &["here"]);
        self.things.clone().add_entities([me], Some(POLICY.engine.schema())).unwrap()
    }

    fn check(&self, entities: &Entities, roles: &BTreeSet<Role>, action: Action, case: &Case, flags: Flags) {
        let context = self.contexts[&(flags, case.model.clone())].clone();
        let question = (user_uid("me"), action, case.resource.uid());
        let verdict = POLICY.engine.decide_over(entities, question, context);
        let expect = if world::expect(roles, action, case, flags) { Decision::Allow } else { Decision::Deny };
        assert_eq!(verdict.decision, expect, "{roles:?} {action} {:?} {flags:?}", case.fact);
    }
}

/// A fixed sequence (SplitMix64), so that every run asks the same.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// Half of all sets of roles, so that two threads share the work.
fn check_half(half: usize) -> usize {
    let world = World::new();
    let mut draw = Draw(7 + half as u64);
    let mut decisions = 0;
    for roles in world::role_sets().skip(half).step_by(2) {
        let entities = world.with_me(&roles);
        for (action, cases) in &world.cases {
            for _ in 0..DRAWS {
                let case = &cases[draw.below(cases.len())];
                let flags = world::flags()[DRAWN_FLAGS[draw.below(DRAWN_FLAGS.len())]];
                world.check(&entities, &roles, *action, case, flags);
                decisions += 1;
            }
        }
    }
    decisions
}

#[test]
fn every_set_of_roles_decides_as_the_oracle_first_half() {
    assert_eq!(check_half(0), 512 * 45 * DRAWS);
}

#[test]
fn every_set_of_roles_decides_as_the_oracle_second_half() {
    assert_eq!(check_half(1), 512 * 45 * DRAWS);
}

#[test]
fn every_case_decides_as_the_oracle_for_whoever_holds_one_role() {
    let world = World::new();
    for roles in world::role_sets().filter(|roles| roles.len() <= 1) {
        let entities = world.with_me(&roles);
        for (action, cases) in &world.cases {
            for case in cases {
                for flags in world::flags().into_iter().filter(|flags| flags.protected && flags.mfa) {
                    world.check(&entities, &roles, *action, case, flags);
                }
            }
        }
    }
}
