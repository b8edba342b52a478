use std::collections::BTreeSet;

use mantlet_types::Role;

use super::{
    super::{Policy, engine::Engine},
    *,
};

fn refused(custom: &str) -> PolicyError {
    Engine::new(&[custom]).err().unwrap_or_else(|| panic!("taken: {custom}"))
}

fn place(line: usize, column: usize) -> Option<Place> {
    Some(Place { line, column })
}

#[test]
fn what_cannot_be_read_is_refused_with_the_place() {
    let error =
        refused("@id(\"X_1\")\nforbid(principal, action, resource)\n  when { principal.disabled && };");
    let PolicyError::Syntax { place: found, .. } = error else { panic!("{error}") };
    assert_eq!(found, place(3, 32));
    for text in
        ["forbid(", "", "// nothing", "@id(\"X_1\") forbid(principal, action, resource)", "\"", "\"\\"]
    {
        let error = refused(text);
        assert!(matches!(error, PolicyError::Syntax { .. } | PolicyError::Count { .. }), "{text}: {error}");
    }
    let error = refused(r#"@id("X_t") permit(principal == ?principal, action, resource);"#);
    assert!(matches!(error, PolicyError::Template), "{error}");
}

#[test]
fn what_does_not_fit_the_schema_or_looks_too_far_is_refused_with_policy_and_place() {
    let error = refused("@id(\"X_typo\") forbid(principal, action, resource)\nwhen { principal.rol };");
    let PolicyError::Invalid { policy, place: found, reason } = error else { panic!("{error}") };
    assert_eq!((policy.as_str(), found.unwrap().line), ("X_typo", 2));
    assert!(reason.contains("rol"), "{reason}");
    // Two steps away: the requester's own attributes are not loaded.
    let error = refused(
        r#"@id("X_far") forbid(principal, action == Mantlet::Action::"rollback", resource)
           when { resource.requested_by.disabled };"#,
    );
    let PolicyError::Invalid { policy, reason, .. } = error else { panic!("{error}") };
    assert!(policy == "X_far" && reason.contains("level"), "{reason}");
    // An extension's function takes nothing but what can be checked before.
    let error = refused(
        r#"@id("X_ip") forbid(principal, action, resource) unless { context.ip.isInRange(ip(context.authn)) };"#,
    );
    assert!(matches!(error, PolicyError::Invalid { .. }), "{error}");
}

#[test]
fn names_say_whose_a_policy_is() {
    for taken in ["F00_project", "P01_reader", "X_", "own_credential", "x_1"] {
        let error = refused(&format!(
            r#"@id("{taken}") forbid(principal, action == Mantlet::Action::"predict", resource);"#
        ));
        assert!(matches!(&error, PolicyError::Reserved(id) if id == taken), "{error}");
    }
    let error = refused(
        "@id(\"X_1\") forbid(principal, action, resource) when { false };\nforbid(principal, action, resource);",
    );
    assert!(matches!(error, PolicyError::Unnamed { place: 2 }), "{error}");
    let error = refused(r#"@id("two words") forbid(principal, action, resource);"#);
    assert!(matches!(error, PolicyError::Unnamed { place: 1 }), "{error}");
    let one = r#"@id("X_1") forbid(principal, action == Mantlet::Action::"predict", resource);"#;
    assert!(matches!(refused(&format!("{one}{one}")), PolicyError::Duplicate(id) if id == "X_1"));
    assert!(matches!(Engine::new(&[one, one]).err(), Some(PolicyError::Duplicate(id)) if id == "X_1"));
}

#[test]
fn a_permit_gives_nothing_but_asking_and_watching() {
    for action in Action::ALL {
        let text =
            format!(r#"@id("X_p") permit(principal, action == Mantlet::Action::"{action}", resource);"#);
        let outcome = Engine::new(&[&text]);
        if PERMITTABLE.contains(action) {
            assert!(outcome.is_ok(), "{action}: {:?}", outcome.err());
        } else {
            let Some(PolicyError::Permits { action: named, .. }) = outcome.as_ref().err() else {
                panic!("{action}: {:?}", outcome.err())
            };
            assert_eq!(named, action);
        }
    }
    // By a group, by all actions, or beside one that it may name.
    for scope in [
        "action",
        r#"action in Mantlet::Action::"reader""#,
        r#"action in Mantlet::Action::"release""#,
        r#"action in [Mantlet::Action::"predict", Mantlet::Action::"export"]"#,
    ] {
        let text = format!(r#"@id("X_p") permit(principal, {scope}, resource);"#);
        let outcome = Engine::new(&[&text]).map(drop);
        let reads = scope.contains("reader");
        assert_eq!(outcome.is_ok(), reads, "{scope}: {outcome:?}");
    }
    assert!(
        Engine::new(&[
            r#"@id("X_p") permit(principal, action in [Mantlet::Action::"predict", Mantlet::Action::"monitor"], resource);"#
        ])
        .is_ok()
    );
}

#[test]
fn a_forbid_cannot_shut_out_those_who_would_take_it_back() {
    let engine = Engine::new(&[r#"@id("X_all") forbid(principal, action, resource);"#]).unwrap();
    for action in Action::ALL {
        for asker in super::super::names::PrincipalType::ALL {
            let asked = !engine.asked(asker, *action).is_empty();
            let component = asker == super::super::names::PrincipalType::Component;
            assert_eq!(asked, !component && !SPARED.contains(action), "{action} {asker:?}");
        }
    }
    for action in SPARED {
        let text =
            format!(r#"@id("X_f") forbid(principal, action == Mantlet::Action::"{action}", resource);"#);
        assert!(matches!(refused(&text), PolicyError::Pointless { .. }), "{action}");
    }
}

#[test]
fn nothing_in_a_custom_policy_can_err() {
    for body in [
        "9223372036854775807 + 1 == 0",
        "1 - 2 == 0",
        "2 * 3 == 6",
        r#"context.now.offset(duration("9223372036854775807ms")) < context.now"#,
        "-1 == 0",
    ] {
        let error = refused(&format!(r#"@id("X_1") forbid(principal, action, resource) when {{ {body} }};"#));
        assert!(matches!(error, PolicyError::Arithmetic { .. }), "{body}: {error}");
    }
    // In strings and comments these are signs like others.
    let text = "// + - *\n@id(\"X_1\") forbid(principal, action, resource) when { context.authn like \"a-*+ offset\" };";
    Engine::new(&[text]).unwrap();
}

#[test]
fn what_an_approver_sees_is_what_is_signed() {
    for trick in ["\u{202e}", "\u{200b}", "\u{430}", "\u{0}", "\u{1b}[2K", "\u{a0}"] {
        let text = format!("// {trick}\n@id(\"X_1\") forbid(principal, action, resource);");
        let error = refused(&text);
        assert!(matches!(error, PolicyError::Foreign { place: Place { line: 1, .. } }), "{trick:?}: {error}");
    }
}

/// Conditions of one kind of nesting, as long as they may be: read, validated, indexed and evaluated on the stack that a
/// worker has, in a build without optimization.
#[test]
fn the_deepest_policy_that_is_taken_can_be_decided() {
    type Nested = fn(usize) -> String;
    let deep: [(&str, Nested); 5] = [
        ("and", |n| vec!["context.mfa"; n].join(" && ")),
        ("or", |n| vec!["false"; n].join(" || ")),
        ("brackets", |n| format!("{}context.mfa{}", "(".repeat(n), ")".repeat(n))),
        ("if", |n| format!("{}context.mfa", "if context.mfa then false else ".repeat(n))),
        ("sets", |n| format!("{}1{}.isEmpty()", "[".repeat(n), "]".repeat(n))),
    ];
    let work = move || {
        for (what, nested) in deep {
            let text = |n: usize| {
                format!(r#"@id("X_1") forbid(principal, action, resource) when {{ {} }};"#, nested(n))
            };
            let most = (1..600).rev().find(|n| check_bounds(&text(*n)).is_ok()).unwrap();
            assert!(most > 12, "{what} {most}");
            assert!(matches!(refused(&text(most + 1)), PolicyError::Nested { .. }), "{what}");
            // Whatever comes of it, it comes as an answer. Sets of sets are of no use and may be refused.
            if let Ok(policy) = Policy::new([text(most).as_str()]) {
                assert!(!policy.matrix().is_empty(), "{what}");
                drop(policy);
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn texts_and_sets_are_bounded() {
    let long = format!("// {}\n", "x".repeat(TEXT_BYTES_MAX));
    assert!(matches!(refused(&long), PolicyError::TooLong { .. }));
    let one = |n: usize| format!(r#"@id("X_{n}") forbid(principal, action, resource) when {{ false }};"#);
    let many: String = (0..=64).map(one).collect();
    assert!(matches!(refused(&many), PolicyError::Count { .. }));
    let sets: Vec<String> = (0..=SETS_MAX).map(one).collect();
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    assert!(matches!(Engine::new(&sets).err(), Some(PolicyError::Sets { .. })));
    assert!(Engine::new(&sets[1..]).is_ok());
}

#[test]
fn whatever_is_permitted_the_duties_stay_apart() {
    // The widest permit that is taken, against every role: nothing but the five actions is given, and a live model stays
    // closed to those who make models.
    let widest = r#"@id("X_wide") permit(principal, action in [Mantlet::Action::"predict", Mantlet::Action::"explain",
        Mantlet::Action::"evaluate", Mantlet::Action::"inspect_features", Mantlet::Action::"monitor"], resource);"#;
    let (before, after) = (Policy::new(None).unwrap().matrix(), Policy::new([widest]).unwrap().matrix());
    let mut given = BTreeSet::new();
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((old.role, old.action), (new.role, new.action));
        if PERMITTABLE.contains(&new.action) {
            given.insert(new.action);
            let makes = new.role == Role::DataScientist.as_str() && new.action != Action::Monitor;
            assert_eq!(new.condition, makes.then_some("the model is not live"), "{new:?}");
        } else {
            assert_eq!(old, new);
        }
    }
    assert_eq!(given, PERMITTABLE.into());
}
