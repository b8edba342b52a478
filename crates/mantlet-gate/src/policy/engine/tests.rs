use mantlet_types::Action;

use super::*;

#[test]
fn the_embedded_policies_are_sixty_one_with_a_name_each() {
    let ids: Vec<String> = named(POLICIES).unwrap().iter().map(|policy| policy.id().to_string()).collect();
    assert_eq!((ids.len(), ids[0].as_str()), (61, "P01_reader"));
}

#[test]
fn few_policies_remain_for_each_kind_of_request() {
    let engine = Engine::new(&[]).unwrap();
    let predict = &engine.actions[Action::Predict as usize];
    let [user, consumer, component] = &predict.policies;
    assert!((5..=10).contains(&user.num_of_policies()), "{}", user.num_of_policies());
    assert!((4..=6).contains(&consumer.num_of_policies()), "{}", consumer.num_of_policies());
    assert!(component.num_of_policies() <= 5);
    for action in Action::ALL {
        let kept: Vec<String> = engine.actions[*action as usize].policies[0]
            .policies()
            .map(|policy| policy.id().to_string())
            .collect();
        for everywhere in ["F00_project", "F01_protected", "F02_disabled", "F20_one_duty"] {
            assert!(kept.iter().any(|id| id == everywhere), "{action} without {everywhere}");
        }
    }
}

#[test]
fn a_permit_lifts_no_embedded_forbid() {
    let engine = Engine::unguarded(r#"@id("X_all") permit(principal, action, resource);"#);
    let kept = &engine.actions[Action::DeleteAudit as usize].policies[0];
    let ids: Vec<String> = kept.policies().map(|policy| policy.id().to_string()).collect();
    assert!(ids.contains(&"X_all".to_owned()) && ids.contains(&"F10_no_delete_audit".to_owned()));
}
