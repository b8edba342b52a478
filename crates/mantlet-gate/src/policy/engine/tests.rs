use mantlet_types::Action;

use super::*;

fn refused(custom: &str) -> PolicyError {
    Engine::new(Some(custom)).err().unwrap()
}

#[test]
fn the_embedded_policies_are_sixty_with_a_name_each() {
    let ids: Vec<String> = named(POLICIES).unwrap().iter().map(|policy| policy.id().to_string()).collect();
    assert_eq!((ids.len(), ids[0].as_str()), (60, "P01_reader"));
}

#[test]
fn few_policies_remain_for_each_kind_of_request() {
    let engine = Engine::new(None).unwrap();
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
fn a_custom_policy_is_held_to_the_same_rules() {
    let error = refused(r#"@id("X_typo") forbid(principal, action, resource) when { principal.rol };"#);
    assert!(matches!(&error, PolicyError::Invalid { policy, .. } if policy == "X_typo"), "{error}");

    // Two steps away: the requester's own attributes are not loaded.
    let error = refused(
        r#"@id("X_far") forbid(principal, action == Mantlet::Action::"rollback", resource)
           when { resource.requested_by.disabled };"#,
    );
    assert!(matches!(&error, PolicyError::Invalid { policy, .. } if policy == "X_far"), "{error}");

    let error = refused(r#"@id("F00_project") permit(principal, action, resource);"#);
    assert!(matches!(&error, PolicyError::Duplicate(id) if id == "F00_project"), "{error}");

    let error = refused(
        "@id(\"X_1\") forbid(principal, action, resource) when { false };\npermit(principal, action, resource);",
    );
    assert!(matches!(error, PolicyError::Unnamed { place: 2 }), "{error}");

    let error = refused(r#"@id("two words") permit(principal, action, resource);"#);
    assert!(matches!(error, PolicyError::Unnamed { place: 1 }), "{error}");

    let error = refused(r#"@id("X_t") permit(principal == ?principal, action, resource);"#);
    assert!(matches!(error, PolicyError::Template), "{error}");

    assert!(matches!(refused("forbid("), PolicyError::Syntax(_)));
}

#[test]
fn a_custom_permit_lifts_no_embedded_forbid() {
    let custom = r#"@id("X_all") permit(principal, action, resource);"#;
    let engine = Engine::new(Some(custom)).unwrap();
    let kept = &engine.actions[Action::DeleteAudit as usize].policies[0];
    let ids: Vec<String> = kept.policies().map(|policy| policy.id().to_string()).collect();
    assert!(ids.contains(&"X_all".to_owned()) && ids.contains(&"F10_no_delete_audit".to_owned()));
}
