//! Who may ask which model, who learns what of a denial, and what the record says.

use mantlet_types::{
    Action, Code, Entry, ModelName, Resource, Role, VersionRef,
    entry::{Decision, Token},
};

use super::{
    super::{asker::NO_ROLE, testing::*},
    *,
};
use crate::{directory::Directory, policy::Policy, releases::alias::Aliased};

fn number(version: u32) -> VersionRef {
    VersionRef::Number(version.try_into().unwrap())
}

/// What comes of asking: the version that answers and whether it is a candidate, or the code; and the entry.
fn asked(
    snapshot: &Snapshot,
    principal: &str,
    action: Action,
    model: &str,
    version: Option<u32>,
) -> (Result<(u32, bool), Code>, Entry) {
    let principal = id(principal);
    let question = Ask { model: id(model), version: version.map(number), action };
    let mut record = record();
    let outcome = ask(asker(&principal, snapshot), &question, NOW, &mut record)
        .map(|(model, candidate)| (model.contract().version.number(), candidate))
        .map_err(|rejection| rejection.code);
    (outcome, record.entry().clone())
}

fn check(
    directory: &Directory,
    principal: &str,
    model: &str,
    version: Option<u32>,
    expect: Result<(u32, bool), Code>,
) -> Entry {
    let snapshot = snapshot(directory.clone());
    let cold = asked(&snapshot, principal, Action::Predict, model, version);
    assert_eq!(cold.0, expect, "{principal} asks {model}@{version:?}");
    let warm = asked(&snapshot, principal, Action::Predict, model, version);
    assert_eq!(cold, warm, "a remembered decision is the decision");
    warm.1
}

fn home() -> Directory {
    let mut directory = directory();
    directory.consumers.insert(id("app"), consumer("red", &["red-model"]));
    directory.consumers.insert(id("greedy"), consumer("red", &["red-model", "blue-model"]));
    directory.users.insert(id("reader"), user(&[(Role::Reader, "red")]));
    directory.users.insert(id("nobody"), user(&[]));
    directory.users.insert(id("op"), operator("red"));
    directory
}

#[test]
fn a_consumer_asks_its_models_and_knows_of_no_other() {
    let home = home();
    let entry = check(&home, "consumer:app", "red-model", None, Ok((1, false)));
    assert_eq!(entry.decision, Some(Decision::Allow));
    assert_eq!(entry.policy_ids, [Token::of("P15_consumer")]);
    assert_eq!(entry.resource, Some(Token::of("Model:red-model")));
    assert_eq!((entry.model, entry.project), (Some(id("red-model")), Some(id("red"))));
    check(&home, "consumer:app", "red-model", Some(1), Ok((1, false)));
    check(&home, "consumer:app", "blue-model", None, Err(Code::NotFound));
}

#[test]
fn a_grant_does_not_cross_projects() {
    check(&home(), "consumer:greedy", "red-model", None, Ok((1, false)));
    let entry = check(&home(), "consumer:greedy", "blue-model", None, Err(Code::NotFound));
    assert_eq!(entry.policy_ids, [Token::of("F00_project")]);
    assert_eq!(entry.project, Some(id("blue")), "the denial belongs to the project whose model was asked");
}

#[test]
fn what_does_not_exist_and_what_may_not_be_known_answer_alike() {
    let home = home();
    for principal in
        ["consumer:app", "user:reader", "user:op", "user:nobody", "component:serving", "user:gone"]
    {
        let foreign = check(&home, principal, "blue-model", None, Err(Code::NotFound));
        let unknown = check(&home, principal, "no-model", None, Err(Code::NotFound));
        assert_eq!(unknown.decision, Some(Decision::Deny));
        let named = (unknown.project, unknown.model, unknown.resource);
        assert_eq!(named, (None, None, None), "nobody's entry names what is not there");
        let version = check(&home, principal, "red-model", Some(77), Err(Code::NotFound));
        assert_eq!(version.resource, None);
        assert_eq!(foreign.model, Some(id("blue-model")));
    }
}

#[test]
fn who_sees_a_model_learns_that_the_action_is_not_permitted() {
    let home = home();
    // A data scientist registers versions of the model, so they know it; but they do not ask what is live.
    check(&home, "user:rita", "red-model", None, Err(Code::Forbidden));
    let snapshot = snapshot(home);
    for action in [Action::Evaluate, Action::InspectFeatures, Action::ViewWeights, Action::Export] {
        let (outcome, entry) = asked(&snapshot, "user:reader", action, "red-model", None);
        assert_eq!(outcome, Err(Code::Forbidden), "{action}");
        assert_eq!(entry.action, Some(action));
        let (outcome, _) = asked(&snapshot, "user:reader", action, "blue-model", None);
        assert_eq!(outcome, Err(Code::NotFound), "{action}");
    }
}

#[test]
fn a_candidate_answers_its_author_alone() {
    let home = home();
    let entry = check(&home, "user:rita", "red-model", Some(2), Ok((2, true)));
    assert_eq!(entry.action, Some(Action::TryCandidate));
    assert_eq!(entry.policy_ids, [Token::of("P11_own_candidate")]);
    for other in ["user:reader", "consumer:app", "user:bob"] {
        check(&home, other, "red-model", Some(2), Err(Code::NotFound));
        check(&home, other, "red-model", Some(3), Err(Code::NotFound));
    }
}

#[test]
fn a_user_without_a_role_is_told_so_whatever_is_asked() {
    let snapshot = snapshot(home());
    for model in ["red-model", "blue-model", "no-model"] {
        let principal = id("user:nobody");
        let question = Ask { model: id(model), version: None, action: Action::Predict };
        let mut record = record();
        let rejection = ask(asker(&principal, &snapshot), &question, NOW, &mut record).err().unwrap();
        assert_eq!((rejection.code, rejection.detail.as_deref()), (Code::NotFound, Some("no role assigned")));
        assert_eq!(rejection.cause.as_deref(), Some("no role assigned"));
        assert!(record.entry().policy_ids.contains(&Token::of(NO_ROLE)), "{model}");
    }
}

#[test]
fn a_model_that_is_not_loaded_is_unavailable_to_those_who_may_ask_it() {
    let mut snapshot = snapshot(home());
    snapshot.models.clear();
    let (outcome, entry) = asked(&snapshot, "consumer:app", Action::Predict, "red-model", None);
    assert_eq!((outcome, entry.decision), (Err(Code::Unavailable), Some(Decision::Allow)));
    let (outcome, _) = asked(&snapshot, "consumer:app", Action::Predict, "blue-model", None);
    assert_eq!(outcome, Err(Code::NotFound));
}

#[test]
fn time_ends_a_remembered_decision() {
    let snapshot = snapshot(home());
    let (principal, model) = (id("consumer:app"), Resource::Model(id("red-model")));
    let asker = asker(&principal, &snapshot);
    assert!(asker.decide(Action::Predict, &model, NOW).is_allowed());
    let expiry = NOW.plus_seconds(3_600);
    assert!(asker.decide(Action::Predict, &model, expiry.plus_seconds(-1)).is_allowed());
    let verdict = asker.decide(Action::Predict, &model, expiry);
    assert_eq!(verdict.policies.as_ref(), [Token::of("F03_expired")]);
}

#[test]
fn everything_that_policies_see_is_part_of_what_is_remembered() {
    let snapshot = snapshot(home());
    let (principal, version) =
        (id("user:root"), Resource::ModelVersion(id("red-model"), 1.try_into().unwrap()));
    let mut home = snapshot.directory.clone();
    home.users.insert(id("root"), user(&[(Role::Admin, "red")]));
    let snapshot = snapshot_with(home, POLICY.renewed(), false);
    let strong = asker(&principal, &snapshot);
    assert!(strong.decide(Action::Export, &version, NOW).is_allowed());
    assert!(!Asker { mfa: false, ..strong }.decide(Action::Export, &version, NOW).is_allowed());
    assert!(!Asker { protected: false, ..strong }.decide(Action::Export, &version, NOW).is_allowed());
    assert!(strong.decide(Action::Export, &version, NOW).is_allowed());
}

#[test]
fn an_error_in_any_policy_denies_and_is_recorded_as_such() {
    // Strictly valid, and it overflows: Cedar alone would skip this forbid and allow.
    let custom = r#"@id("X_overflow") forbid(principal, action == Mantlet::Action::"predict", resource)
                    when { 9223372036854775807 + 1 == 0 };"#;
    let snapshot = snapshot_with(home(), Policy::unguarded(custom), false);
    let (outcome, entry) = asked(&snapshot, "consumer:app", Action::Predict, "red-model", None);
    assert_eq!(outcome, Err(Code::Forbidden), "explain still shows the model to this consumer");
    assert_eq!(entry.decision, Some(Decision::Error));
    assert_eq!(entry.policy_ids, [Token::of("X_overflow")]);
    let (outcome, _) = asked(&snapshot, "consumer:app", Action::Explain, "red-model", None);
    assert_eq!(outcome, Ok((1, false)), "an action that the policy does not speak of is untouched");
}

fn claimed(
    snapshot: &Snapshot,
    principal: &str,
    action: Action,
    target: &Target,
) -> Result<Entry, Rejection> {
    let principal = id(principal);
    let mut record = record();
    claim(asker(&principal, snapshot), action, target, NOW, &mut record)?;
    Ok(record.entry().clone())
}

fn denied(snapshot: &Snapshot, principal: &str, action: Action, target: &Target) -> (Code, Option<String>) {
    let rejection = claimed(snapshot, principal, action, target).unwrap_err();
    (rejection.code, rejection.detail.map(String::from))
}

#[test]
fn deeds_are_forbidden_to_members_and_hidden_from_others() {
    let snapshot = snapshot(home());
    let target = |project: &str| Target::Resource(Resource::Project(id(project)));
    let entry = claimed(&snapshot, "user:op", Action::ManageUsers, &target("red")).unwrap();
    assert_eq!((entry.project, entry.resource), (Some(id("red")), Some(Token::of("Project:red"))));
    let detail = Some("no policy permits `manage_users` here".to_owned());
    assert_eq!(
        denied(&snapshot, "user:reader", Action::ManageUsers, &target("red")),
        (Code::Forbidden, detail)
    );
    for hidden in ["blue", "home", "nowhere"] {
        let answer = denied(&snapshot, "user:op", Action::ManageUsers, &target(hidden));
        assert_eq!(answer, (Code::NotFound, None), "{hidden}");
    }
    let answer = denied(&snapshot, "consumer:app", Action::ManageUsers, &target("red"));
    assert_eq!(answer, (Code::NotFound, None), "an application never learns of a project");
}

#[test]
fn a_consumers_scope_stays_within_the_ceiling_and_the_project() {
    let snapshot = snapshot(home());
    let target = |project: &str, models: &[&str], rate_per_minute| Target::ConsumerScope {
        project: id(project),
        models: models.iter().map(|name| id(name)).collect(),
        routes: Vec::new(),
        rate_per_minute,
    };
    assert!(claimed(&snapshot, "user:op", Action::Grant, &target("red", &["red-model"], 60)).is_ok());
    let check = |target, code| assert_eq!(denied(&snapshot, "user:op", Action::Grant, &target).0, code);
    check(target("red", &["red-model"], 61), Code::Forbidden);
    check(target("red", &["blue-model"], 60), Code::NotFound);
    check(target("red", &["no-model"], 60), Code::NotFound);
    check(target("blue", &["blue-model"], 60), Code::NotFound);
}

#[test]
fn a_new_model_cannot_take_another_projects_name() {
    let snapshot = snapshot(home());
    let target = |model: &str| Target::NewModel { project: id("red"), model: id(model) };
    assert!(claimed(&snapshot, "user:rita", Action::RegisterVersion, &target("new")).is_ok());
    assert!(claimed(&snapshot, "user:rita", Action::RegisterVersion, &target("red-model")).is_ok());
    let taken = denied(&snapshot, "user:rita", Action::RegisterVersion, &target("blue-model"));
    assert_eq!(taken.0, Code::Conflict);
    let hidden = denied(&snapshot, "user:bob", Action::RegisterVersion, &target("blue-model"));
    assert_eq!(hidden, (Code::NotFound, None), "who may not register here learns nothing of names");
}

/// A name is a caller's text until something has it.
#[test]
fn the_record_names_nothing_that_is_not_there() {
    let snapshot = snapshot(home());
    let target = |project: &str| Target::NewModel { project: id(project), model: id("new") };
    let recorded = |principal: &str, action, target: &Target| {
        let principal = id(principal);
        let mut record = record();
        let outcome = claim(asker(&principal, &snapshot), action, target, NOW, &mut record);
        let entry = record.entry().clone();
        (outcome.is_ok(), entry.resource.map(|token| token.as_str().to_owned()), entry.model.is_some())
    };
    let registers = |principal, project| recorded(principal, Action::RegisterVersion, &target(project));
    assert_eq!(registers("user:rita", "red"), (true, Some("Model:new".to_owned()), true));
    assert_eq!(registers("user:bob", "red"), (false, None, false));
    assert_eq!(registers("user:rita", "nowhere"), (false, None, false));
    let nowhere = Target::Resource(Resource::Project(id("nowhere")));
    assert_eq!(recorded("user:op", Action::ManageUsers, &nowhere), (false, None, false));
}

/// A name is resolved in the directory that decides, and one that names nothing is answered as a number that is not there.
#[test]
fn a_name_stands_for_its_version_and_tells_nobody_what_there_is() {
    let mut home = home();
    let model = home.models.get_mut(&id::<ModelName>("red-model")).unwrap();
    for (alias, version) in [("champion", 1), ("challenger", 2)] {
        let aliased = Aliased { version: version.try_into().unwrap(), by: id("bob"), since: NOW };
        model.aliases.insert(id(alias), aliased);
    }
    let snapshot = snapshot(home);
    let named = |principal: &str, name: &str| {
        let principal = id(principal);
        let version = Some(name.parse().unwrap());
        let question = Ask { model: id("red-model"), version, action: Action::Predict };
        let mut record = record();
        let outcome = ask(asker(&principal, &snapshot), &question, NOW, &mut record)
            .map(|(model, candidate)| (model.contract().version.number(), candidate))
            .map_err(|rejection| (rejection.code, rejection.detail));
        (outcome, record.entry().clone())
    };
    assert_eq!(named("consumer:app", "champion").0, Ok((1, false)));
    assert_eq!(named("consumer:app", "live").0, Ok((1, false)));
    assert_eq!(named("user:rita", "challenger").0, Ok((2, true)), "its author tries it by its name");
    for stranger in ["consumer:app", "user:reader", "user:bob", "user:nobody", "component:serving"] {
        let hidden = named(stranger, "challenger").0;
        assert!(matches!(hidden, Err((Code::NotFound, _))), "{stranger}");
        for other in ["no-such-alias", "2", "77"] {
            assert_eq!(named(stranger, other).0, hidden, "{stranger} {other}");
        }
        let (_, entry) = named(stranger, "no-such-alias");
        assert_eq!(entry.resource, None, "an alias that nothing has is a caller's text");
    }
}
