use mantlet_types::{Role, entry::Decision};

use super::*;
use crate::{
    deployments::RollBack,
    directory::User,
    disable::{DisableModel, EnableModel},
    mediate::mediate,
    testing::{
        CONSUMER, FakePayload, Kit, MODEL, OPERATOR, PROJECT, ask,
        signers::{Signer, approve, done_by},
        user,
    },
};

/// A team's home: olga operates, sam and sue oversee, mel deploys, rob only asks.
fn team() -> Kit {
    Kit::with(|snapshot| {
        let people = [
            ("sam", Role::Security),
            ("sue", Role::Security),
            ("mel", Role::MlEngineer),
            ("dora", Role::DataScientist),
            ("rob", Role::Reader),
        ];
        for (name, role) in people {
            snapshot.directory.users.insert(name.parse().unwrap(), user(&[role]));
        }
    })
}

async fn done<D: crate::administer::Deed>(kit: &Kit, who: &str, deed: D) -> Result<D::Reply, (Code, String)> {
    let signer = Signer::new(kit, who);
    done_by(kit, signer.arrival(kit), deed).await
}

fn request(who: Option<&str>) -> RequestBreakGlass {
    RequestBreakGlass {
        project: PROJECT.parse().unwrap(),
        beneficiary: who.map(|who| who.parse().unwrap()),
        reason: Reason::WrongAnswers,
    }
}

fn disable() -> DisableModel {
    DisableModel { model: MODEL.parse().unwrap() }
}

fn enable() -> EnableModel {
    EnableModel { model: MODEL.parse().unwrap() }
}

async fn broken_for(kit: &Kit, by: &str, who: Option<&str>) {
    let asked = done(kit, by, request(who)).await.unwrap();
    approve(kit, "sam", &Item::BreakGlass(asked.change)).await.unwrap();
    done(kit, by, ApplyBreakGlass { number: asked.change }).await.unwrap();
}

/// What the application gets for a question.
async fn answered(kit: &Kit) -> Result<(), Code> {
    let arrival = kit.bearer(&kit.consumer_key);
    let (answer, _) = mediate(kit.gate.clone(), arrival, ask(), FakePayload::rows(1)).await.into_parts();
    answer.map(drop).map_err(|rejection| rejection.code)
}

#[tokio::test]
async fn break_glass_takes_two_people_and_ends_by_itself() {
    let kit = team();
    let forbidden = |by: &str| (Code::Forbidden, by.to_owned());
    // Nobody has it to begin with, nor by asking, nor by approving what they asked for.
    assert_eq!(done(&kit, OPERATOR, disable()).await.unwrap_err().0, Code::Forbidden);
    let asked = done(&kit, OPERATOR, request(None)).await.unwrap();
    assert_eq!((asked.kind, asked.state), ("break_glass", "pending"));
    let number = asked.change;
    assert_eq!(
        done(&kit, OPERATOR, ApplyBreakGlass { number }).await.unwrap_err(),
        forbidden("`apply_change` is forbidden by `F24_approved`")
    );
    let own = approve(&kit, OPERATOR, &Item::BreakGlass(number)).await.unwrap_err();
    assert_eq!(own, forbidden("`approve_change` is forbidden by `F11_own_change`"));
    approve(&kit, "sam", &Item::BreakGlass(number)).await.unwrap();
    assert_eq!(done(&kit, OPERATOR, disable()).await.unwrap_err().0, Code::Forbidden);
    kit.ledger.take();
    let began = done(&kit, OPERATOR, ApplyBreakGlass { number }).await.unwrap();
    assert_eq!(began.running.until, kit.gate.now().plus_seconds(15 * 60));
    assert_eq!(kit.ledger.take().pop().unwrap().event, mantlet_types::entry::Event::BreakGlass);
    // What was used is gone.
    assert_eq!(done(&kit, OPERATOR, ApplyBreakGlass { number }).await.unwrap_err().0, Code::NotFound);

    assert_eq!(answered(&kit).await, Ok(()));
    done(&kit, OPERATOR, disable()).await.unwrap();
    let entry = kit.ledger.take().pop().unwrap();
    let ids: Vec<&str> = entry.policy_ids.iter().map(|id| id.as_str()).collect();
    assert_eq!((entry.decision, ids), (Some(Decision::Allow), vec!["P23_break_glass"]));
    assert_eq!(answered(&kit).await, Err(Code::Unavailable));
    kit.clock.advance(15 * 60 - 1);
    done(&kit, OPERATOR, enable()).await.unwrap();
    assert_eq!(answered(&kit).await, Ok(()));
    assert_eq!(running(&kit.gate.snapshot().directory, kit.gate.now()).len(), 1);
    // Also where the decision was taken and remembered a moment before.
    kit.clock.advance(1);
    assert_eq!(done(&kit, OPERATOR, disable()).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(running(&kit.gate.snapshot().directory, kit.gate.now()), []);
}

#[tokio::test]
async fn break_glass_opens_nothing_else() {
    let kit = team();
    broken_for(&kit, "mel", Some("rob")).await;
    done(&kit, "rob", disable()).await.unwrap();
    let back = RollBack { model: MODEL.parse().unwrap(), version: None };
    // Leave is given; there is nothing to go back to.
    assert_eq!(done(&kit, "rob", back).await.unwrap_err().0, Code::Conflict);
    let way =
        || crate::deployments::Way { model: MODEL.parse().unwrap(), version: mantlet_types::Version::FIRST };
    for refused in [
        done(&kit, "rob", crate::deployments::RequestDeployment(way())).await.err(),
        done(&kit, "rob", crate::deployments::ActivateDeployment(way())).await.err(),
    ] {
        assert_eq!(refused.unwrap().0, Code::Forbidden);
    }
    assert_eq!(done(&kit, "rob", request(None)).await.err().unwrap().0, Code::Forbidden);
    // It is one person's.
    done(&kit, "rob", enable()).await.unwrap();
    assert_eq!(done(&kit, OPERATOR, disable()).await.unwrap_err().0, Code::Forbidden);
}

#[tokio::test]
async fn break_glass_is_for_those_who_may_release() {
    let kit = team();
    for who in ["dora", "sue"] {
        let (code, detail) = done(&kit, OPERATOR, request(Some(who))).await.unwrap_err();
        assert!(code == Code::Conflict && detail.contains("F08_no_release"), "{detail}");
    }
    assert_eq!(done(&kit, OPERATOR, request(Some("nobody"))).await.unwrap_err().0, Code::NotFound);
    for who in ["rob", "dora", "sue"] {
        assert_eq!(done(&kit, who, request(None)).await.unwrap_err().0, Code::Forbidden, "{who}");
    }
    // Nor does it lift a forbid for whoever takes on such a duty meanwhile.
    broken_for(&kit, OPERATOR, Some("rob")).await;
    let mut rob = kit.gate.snapshot().directory.users["rob"].clone();
    rob.bindings.insert(Role::DataEngineer, [PROJECT.parse().unwrap()].into());
    kit.change(&[Change::PutUser("rob".parse().unwrap(), rob)]);
    let (code, detail) = done(&kit, "rob", disable()).await.unwrap_err();
    assert!(code == Code::Forbidden && detail.contains("F08_no_release"), "{detail}");
}

#[tokio::test]
async fn break_glass_ends_with_its_approver_s_right() {
    let kit = team();
    broken_for(&kit, OPERATOR, None).await;
    let sam = kit.gate.snapshot().directory.users["sam"].clone();
    kit.change(&[Change::PutUser("sam".parse().unwrap(), User { disabled: true, ..sam })]);
    assert_eq!(done(&kit, OPERATOR, disable()).await.unwrap_err().0, Code::Forbidden);
}

#[tokio::test]
async fn a_request_for_break_glass_is_about_now() {
    let kit = team();
    let asked = done(&kit, OPERATOR, request(None)).await.unwrap();
    assert_eq!(done(&kit, OPERATOR, request(None)).await.unwrap_err().0, Code::Conflict);
    kit.clock.advance(3_600);
    let late = approve(&kit, "sam", &Item::BreakGlass(asked.change)).await.unwrap_err();
    assert_eq!(late, (Code::Forbidden, "`approve_change` is forbidden by `F23_ended`".to_owned()));
    let again = done(&kit, OPERATOR, request(None)).await.unwrap();
    assert_ne!(again.change, asked.change);
    assert_eq!(kit.gate.snapshot().directory.proposals.len(), 1, "what is void is cleared away");
}

#[tokio::test]
async fn a_number_is_of_one_kind() {
    let kit = team();
    let asked = done(&kit, OPERATOR, request(None)).await.unwrap();
    for item in [Item::Grant(asked.change), Item::Policy(asked.change)] {
        assert_eq!(approve(&kit, "sam", &item).await.unwrap_err().0, Code::NotFound, "{item}");
    }
}

#[tokio::test]
async fn a_stopped_model_answers_nobody() {
    let kit = team();
    assert_eq!(done(&kit, "mel", enable()).await.unwrap_err().0, Code::Conflict);
    done(&kit, "mel", disable()).await.unwrap();
    assert_eq!(done(&kit, "mel", disable()).await.unwrap_err().0, Code::Conflict);
    assert_eq!(answered(&kit).await, Err(Code::Unavailable));
    for who in ["rob", "dora", "sam"] {
        assert_eq!(done(&kit, who, enable()).await.unwrap_err().0, Code::Forbidden, "{who}");
    }
    let record = &kit.gate.snapshot().directory.models[MODEL];
    assert_eq!(record.disabled.as_ref().unwrap().by.as_str(), "mel");
    done(&kit, "mel", enable()).await.unwrap();
    assert_eq!(answered(&kit).await, Ok(()));
    assert!(kit.gate.snapshot().directory.consumers.contains_key(CONSUMER));
}

fn propose_set(name: &str, text: &str) -> ProposePolicies {
    ProposePolicies { name: name.parse().unwrap(), text: Some(text.into()) }
}

const NOBODY_ASKS: &str =
    r#"@id("X_stop") forbid(principal, action == Mantlet::Action::"predict", resource);"#;

/// Proposes and approves a set; its number.
async fn approved_set(kit: &Kit, name: &str, text: &str) -> u64 {
    let asked = done(kit, OPERATOR, propose_set(name, text)).await.unwrap();
    approve(kit, "sam", &Item::Policy(asked.change)).await.unwrap();
    asked.change
}

#[tokio::test]
async fn policies_come_into_force_with_the_next_snapshot_and_by_nothing_else() {
    let kit = team();
    assert_eq!(answered(&kit).await, Ok(()));
    for who in ["sam", "mel", "rob"] {
        assert!(done(&kit, who, propose_set("stop", NOBODY_ASKS)).await.is_err(), "{who}");
    }
    let number = approved_set(&kit, "stop", NOBODY_ASKS).await;
    assert_eq!(answered(&kit).await, Ok(()), "an approval puts nothing in force");
    assert_eq!(done(&kit, "sam", ApplyPolicies { number }).await.unwrap_err().0, Code::Forbidden);
    done(&kit, OPERATOR, ApplyPolicies { number }).await.unwrap();
    // Also for a decision that was remembered a moment before.
    assert_eq!(answered(&kit).await, Err(Code::Forbidden));
    // Any other change goes on from there.
    kit.change(&[]);
    assert_eq!(answered(&kit).await, Err(Code::Forbidden));
    let withdrawn = ProposePolicies { name: "stop".parse().unwrap(), text: None };
    let asked = done(&kit, OPERATOR, withdrawn.clone()).await.unwrap();
    approve(&kit, "sue", &Item::Policy(asked.change)).await.unwrap();
    done(&kit, OPERATOR, ApplyPolicies { number: asked.change }).await.unwrap();
    assert_eq!(answered(&kit).await, Ok(()));
    assert_eq!(done(&kit, OPERATOR, withdrawn).await.unwrap_err().0, Code::NotFound);
}

#[tokio::test]
async fn an_approval_is_of_one_text() {
    let kit = team();
    let number = approved_set(&kit, "stop", NOBODY_ASKS).await;
    let mut other = kit.gate.snapshot().directory.proposals[&number].clone();
    let wide = r#"@id("X_wide") permit(principal, action == Mantlet::Action::"predict", resource);"#;
    other.what = Proposed::Policy { name: "stop".parse().unwrap(), text: Some(wide.into()) };
    kit.change(&[Change::PutProposal(number, other)]);
    let (code, detail) = done(&kit, OPERATOR, ApplyPolicies { number }).await.unwrap_err();
    assert_eq!((code, detail.as_str()), (Code::Forbidden, "`apply_change` is forbidden by `F24_approved`"));
}

#[tokio::test]
async fn what_was_approved_beside_other_policies_has_to_be_proposed_again() {
    let kit = team();
    let (one, other) =
        (approved_set(&kit, "one", NOBODY_ASKS).await, approved_set(&kit, "two", NOBODY_ASKS).await);
    done(&kit, OPERATOR, ApplyPolicies { number: one }).await.unwrap();
    assert_eq!(done(&kit, OPERATOR, ApplyPolicies { number: other }).await.unwrap_err().0, Code::NotFound);
    let again = ProposePolicies { name: "two".parse().unwrap(), text: Some(NOBODY_ASKS.into()) };
    let (code, detail) = done(&kit, OPERATOR, again).await.unwrap_err();
    assert!(code == Code::InvalidArgument && detail.contains("`X_stop` is taken"), "{detail}");
    let listed = done(&kit, "sam", ListPolicies).await.unwrap();
    let names: Vec<&str> = listed.in_force.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["one"]);
    assert_eq!(done(&kit, "rob", ListPolicies).await.err().unwrap().0, Code::NotFound);
}

#[tokio::test]
async fn a_trial_says_what_would_change_and_changes_nothing() {
    let kit = team();
    let trial = |text: &str| TestPolicies {
        name: "trial".parse().unwrap(),
        text: Some(text.into()),
        from: None,
        at: None,
    };
    let stopped = done(&kit, "sam", trial(NOBODY_ASKS)).await.unwrap();
    // mel and rob, each with and without a second factor, and the application.
    assert_eq!((stopped.newly_allowed, stopped.newly_denied), (0, 5), "{stopped:?}");
    assert!(stopped.complete && stopped.invariants.is_empty());
    let wide = r#"@id("X_wide") permit(principal is Mantlet::User, action == Mantlet::Action::"monitor", resource);"#;
    let opened = done(&kit, "sam", trial(wide)).await.unwrap();
    // Everybody of the home's one project, seven people, whatever their factor.
    assert_eq!((opened.newly_allowed, opened.newly_denied), (14, 0), "{opened:?}");
    assert_eq!((opened.invariants.len(), opened.invariants[0].invariants), (1, "S16"));
    assert_eq!(answered(&kit).await, Ok(()));
    assert_eq!(done(&kit, "rob", trial(wide)).await.err().unwrap().0, Code::NotFound);
    assert_eq!(done(&kit, "sam", trial("nonsense")).await.err().unwrap().0, Code::InvalidArgument);
}
