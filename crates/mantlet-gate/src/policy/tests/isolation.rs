//! Two projects share nothing, in any action.

use mantlet_types::{Role, entry::Decision, entry::Token};

use super::{
    super::{
        engine::{Question, Verdict},
        names::PrincipalType,
        sample::Samples,
        testing::POLICY,
    },
    oracle::Flags,
    world::{self, Case, HERE},
};

const THERE: Samples = Samples { project: "there" };

/// Everything lifted that can be lifted.
const LENIENT: Flags = Flags { mfa: true, protected: true, single_person: true };

fn decide(me: &cedar_policy::Entity, action: mantlet_types::Action, case: &Case) -> Verdict {
    POLICY.engine.decide(Question {
        asker: PrincipalType::User,
        principal: me.uid(),
        action,
        resource: case.resource.uid(),
        context: world::context(LENIENT, case.model.as_ref()),
        entities: [vec![me.clone()], case.entities.clone()].concat(),
    })
}

#[test]
fn all_roles_and_grants_in_one_project_reach_nothing_of_another() {
    let all = Role::ALL.into_iter().collect();
    // Bound to everything here; and granted routes, features and datasets there, as by a mistake.
    let bound_here = world::me(&all, THERE, &["here"], &["here"]);
    // Bound to everything in both, but belonging here alone: a binding outside one's projects counts for nothing.
    let bound_in_both = world::me(&all, THERE, &["here", "there"], &["here"]);
    let mut decisions = 0;
    for action in world::actions() {
        for case in world::cases(action, THERE) {
            for me in [&bound_here, &bound_in_both] {
                let verdict = decide(me, action, &case);
                assert_eq!(verdict.decision, Decision::Deny, "{action} {:?}", case.fact);
                assert!(verdict.policies.contains(&Token::of("F00_project")), "{action} {:?}", case.fact);
                decisions += 1;
            }
        }
    }
    assert!(decisions > 500, "{decisions}");
}

#[test]
fn the_same_person_reaches_it_all_at_home() {
    let all = Role::ALL.into_iter().collect();
    let me = world::me(&all, HERE, &["here"], &["here"]);
    for action in world::actions().filter(|action| action.as_str() != "delete_audit") {
        let allowed = world::cases(action, HERE).iter().any(|case| decide(&me, action, case).is_allowed());
        assert!(allowed, "the isolation test proves something about {action}");
    }
}
