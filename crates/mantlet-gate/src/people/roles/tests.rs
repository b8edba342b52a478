use mantlet_types::entry::Decision;

use super::*;
use crate::{
    administer::administer,
    approvals::Item,
    identity::{Arrival, Certificate, Channel},
    testing::{CERTIFICATE, Kit, OPERATOR, PROJECT, signers::approve, user},
};

/// A home with an operator who may give every role, two security people, and `ann`, who has no role.
fn team() -> Kit {
    home(false)
}

fn home(single_person: bool) -> Kit {
    Kit::with(|snapshot| {
        std::sync::Arc::make_mut(&mut snapshot.settings).single_person = single_person;
        let users = &mut snapshot.directory.users;
        let operator = users.get_mut(OPERATOR).unwrap();
        operator.ceiling.as_mut().unwrap().roles = Role::ALL.into_iter().collect();
        if single_person {
            operator.bindings.insert(Role::Security, [PROJECT.parse().unwrap()].into());
        }
        for (name, roles) in [("sam", &[Role::Security][..]), ("sue", &[Role::Security]), ("ann", &[])] {
            let person = User { certificates: [CERTIFICATE].into(), ..user(roles) };
            users.insert(name.parse().unwrap(), person);
        }
        snapshot.directory.projects.insert("other".parse().unwrap());
    })
}

/// A request of this person, with the second factor.
fn of(kit: &Kit, name: &str) -> Arrival {
    let (_, key) = kit.key(&format!("user:{name}"));
    let certificate = Certificate { digest: CERTIFICATE, user: name.parse().unwrap(), expires: ENDLESS };
    Arrival { channel: Channel::Tls(Some(certificate)), ..kit.bearer(&key) }
}

async fn done<D: Deed>(kit: &Kit, who: &str, deed: D) -> Result<D::Reply, (Code, String)> {
    let arrival = of(kit, who);
    let outcome = administer(kit.gate.clone(), arrival, deed).await.into_parts().0;
    outcome.map_err(|rejection| (rejection.code, rejection.detail.unwrap_or_default().into_owned()))
}

fn assignment(user: &str, role: &str) -> Assignment {
    Assignment { user: user.parse().unwrap(), role: role.into(), project: PROJECT.parse().unwrap() }
}

fn assign(user: &str, role: &str) -> AssignRole {
    AssignRole(assignment(user, role))
}

fn is_bound(kit: &Kit, user: &str, role: Role) -> bool {
    let snapshot = kit.gate.snapshot();
    snapshot.directory.users[user].bindings.get(&role).is_some_and(|bound| bound.contains(PROJECT))
}

async fn proposed(kit: &Kit, user: &str, role: &str) -> u64 {
    let reply = done(kit, OPERATOR, assign(user, role)).await.unwrap();
    let Assigned::Pending { grant, next, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(next, format!("mantlet --as DIR role approve {grant}"));
    grant
}

#[tokio::test]
async fn a_role_without_duty_is_bound_at_once() {
    let kit = team();
    let reply = done(&kit, OPERATOR, assign("ann", "reader")).await.unwrap();
    assert!(matches!(reply, Assigned::Bound(_)));
    assert!(is_bound(&kit, "ann", Role::Reader));
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.decision, entry.subject), (Some(Decision::Allow), Some(Token::of("ann/reader"))));
    let again = done(&kit, OPERATOR, assign("ann", "reader")).await.unwrap_err();
    assert_eq!(again.0, Code::Conflict);
}

#[tokio::test]
async fn an_unknown_role_is_refused_with_the_known_ones_named() {
    let kit = team();
    let (code, detail) = done(&kit, OPERATOR, assign("ann", "root")).await.unwrap_err();
    assert_eq!(code, Code::InvalidArgument);
    assert!(Role::ALL.iter().all(|role| detail.contains(role.as_str())), "{detail}");
    let (code, _) = done(&kit, OPERATOR, RevokeRole(assignment("ann", "root"))).await.unwrap_err();
    assert_eq!(code, Code::InvalidArgument);
    let (code, detail) = done(&kit, OPERATOR, assign("nobody", "reader")).await.unwrap_err();
    assert_eq!((code, detail.as_str()), (Code::NotFound, "there is no user `nobody`"));
}

#[tokio::test]
async fn a_duty_takes_three_steps_by_two_people() {
    let kit = team();
    let number = proposed(&kit, "ann", "ml_engineer").await;
    assert!(!is_bound(&kit, "ann", Role::MlEngineer), "a proposal binds nobody");
    let early = done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap_err();
    assert_eq!(early, (Code::Forbidden, "`grant` is forbidden by `F24_approved`".to_owned()));

    let approved = approve(&kit, "sam", &Item::Grant(number)).await.unwrap();
    let crate::approvals::Approved::Grant(approved) = approved else { panic!("{approved:?}") };
    assert_eq!(approved.next, format!("mantlet role apply {number}"));
    assert!(!is_bound(&kit, "ann", Role::MlEngineer), "an approval binds nobody");

    done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap();
    assert!(is_bound(&kit, "ann", Role::MlEngineer));
    assert!(kit.gate.snapshot().directory.grants.is_empty());
    assert_eq!(done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap_err().0, Code::NotFound);
}

#[tokio::test]
async fn nobody_approves_who_has_a_part_in_it() {
    let kit = team();
    let number = proposed(&kit, "ann", "security").await;
    for (who, code) in [(OPERATOR, Code::Forbidden), ("ann", Code::NotFound)] {
        assert_eq!(approve(&kit, who, &Item::Grant(number)).await.unwrap_err().0, code, "{who}");
    }
    approve(&kit, "sam", &Item::Grant(number)).await.unwrap();
    let twice = approve(&kit, "sam", &Item::Grant(number)).await.unwrap_err();
    assert_eq!(twice.0, Code::Conflict);
}

#[tokio::test]
async fn an_approval_falls_with_its_approver_s_right() {
    let kit = team();
    let number = proposed(&kit, "ann", "admin").await;
    approve(&kit, "sam", &Item::Grant(number)).await.unwrap();
    done(&kit, OPERATOR, RevokeRole(assignment("sam", "security"))).await.unwrap();
    let (code, detail) = done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap_err();
    assert_eq!((code, detail.as_str()), (Code::Forbidden, "`grant` is forbidden by `F24_approved`"));
    approve(&kit, "sue", &Item::Grant(number)).await.unwrap();
    done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap();
    assert!(is_bound(&kit, "ann", Role::Admin));
}

#[tokio::test]
async fn conflicting_duties_are_refused_and_both_named() {
    let kit = team();
    let (code, detail) = done(&kit, OPERATOR, assign("sam", "data_engineer")).await.unwrap_err();
    assert_eq!(code, Code::Conflict);
    assert!(detail.contains("`security`") && detail.contains("`data_engineer`"), "{detail}");
    // Two proposals at once: the second is refused when it would be approved or applied.
    let (first, second) = (proposed(&kit, "ann", "admin").await, proposed(&kit, "ann", "ml_engineer").await);
    for number in [first, second] {
        approve(&kit, "sam", &Item::Grant(number)).await.unwrap();
    }
    done(&kit, OPERATOR, ApplyGrant { number: first }).await.unwrap();
    let (code, detail) = done(&kit, OPERATOR, ApplyGrant { number: second }).await.unwrap_err();
    assert_eq!(code, Code::Conflict);
    assert!(detail.contains("`admin`") && detail.contains("`ml_engineer`"), "{detail}");
}

#[tokio::test]
async fn who_makes_models_or_hands_out_keys_is_no_reviewer_there() {
    let kit = team();
    let duties = [Role::DataEngineer, Role::DataScientist, Role::Operator];
    for duty in duties {
        kit.change(&[Change::PutUser("dan".parse().unwrap(), user(&[duty]))]);
        let (code, detail) = done(&kit, OPERATOR, assign("dan", "reviewer")).await.unwrap_err();
        assert!(code == Code::Conflict && detail.contains(duty.as_str()), "{detail}");
        assert!(!is_bound(&kit, "dan", Role::Reviewer));
    }
    // The other way round, also for what was proposed before.
    let number = proposed(&kit, "ann", "operator").await;
    done(&kit, OPERATOR, assign("ann", "reviewer")).await.unwrap();
    assert_eq!(approve(&kit, "sam", &Item::Grant(number)).await.unwrap_err().0, Code::Conflict);
    for duty in duties {
        let (code, detail) = done(&kit, OPERATOR, assign("ann", duty.as_str())).await.unwrap_err();
        assert!(code == Code::Conflict && detail.contains("reviewer"), "{detail}");
    }
    // Other duties go with it, and so does a part in another project.
    proposed(&kit, "ann", "ml_engineer").await;
    let elsewhere =
        User { bindings: [(Role::DataScientist, ["other".parse().unwrap()].into())].into(), ..user(&[]) };
    kit.change(&[Change::PutUser("eva".parse().unwrap(), elsewhere)]);
    done(&kit, OPERATOR, assign("eva", "reviewer")).await.unwrap();
    // One person does it all.
    let kit = home(true);
    done(&kit, OPERATOR, assign(OPERATOR, "reviewer")).await.unwrap();
}

#[tokio::test]
async fn a_proposal_ends_and_its_number_is_not_used_again() {
    let kit = team();
    let number = proposed(&kit, "ann", "admin").await;
    let again = done(&kit, OPERATOR, assign("ann", "admin")).await.unwrap_err();
    assert_eq!(again.0, Code::Conflict, "the same is proposed already");
    kit.clock.advance(GRANT_SECONDS);
    let (code, detail) = approve(&kit, "sam", &Item::Grant(number)).await.unwrap_err();
    assert_eq!((code, detail.as_str()), (Code::Forbidden, "`approve_change` is forbidden by `F23_ended`"));
    let next = proposed(&kit, "ann", "admin").await;
    assert_ne!(next, number);
    let waiting: Vec<u64> = kit.gate.snapshot().directory.grants.keys().copied().collect();
    assert_eq!(waiting, [next], "what is void is cleared away");
}

#[tokio::test]
async fn nobody_gives_to_themselves_or_more_than_the_ceiling() {
    let kit = team();
    let (code, detail) = done(&kit, OPERATOR, assign(OPERATOR, "reader")).await.unwrap_err();
    assert_eq!((code, detail.as_str()), (Code::Forbidden, "`grant` is forbidden by `F26_own_grant`"));
    let kit = Kit::with(|snapshot| {
        snapshot.directory.users.insert("ann".parse().unwrap(), user(&[]));
    });
    let arrival = kit.operator();
    let outcome = administer(kit.gate.clone(), arrival, assign("ann", "reviewer")).await.into_parts().0;
    let rejection = outcome.unwrap_err();
    assert_eq!(rejection.detail.as_deref(), Some("no policy permits `grant` here"));
}

#[tokio::test]
async fn one_person_binds_duties_at_once() {
    let kit = home(true);
    for role in ["admin", "ml_engineer", "data_scientist"] {
        let reply = done(&kit, OPERATOR, assign(OPERATOR, role)).await.unwrap();
        assert!(matches!(reply, Assigned::Bound(_)), "{role}");
    }
    let owner = kit.gate.snapshot().directory.users[OPERATOR].clone();
    assert!(conflicting_duties(&owner).is_some());
}

#[tokio::test]
async fn a_new_operator_gives_no_more_than_who_bound_them() {
    let kit = team();
    let number = proposed(&kit, "ann", "operator").await;
    approve(&kit, "sam", &Item::Grant(number)).await.unwrap();
    done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap();
    let ceiling = |name: &str| kit.gate.snapshot().directory.users[name].ceiling.clone();
    assert!(ceiling("ann").is_some());
    assert_eq!(ceiling("ann"), ceiling(OPERATOR));
    done(&kit, OPERATOR, RevokeRole(assignment("ann", "operator"))).await.unwrap();
    assert_eq!(ceiling("ann"), None);
    let (code, _) = done(&kit, OPERATOR, RevokeRole(assignment(OPERATOR, "operator"))).await.unwrap_err();
    assert_eq!(code, Code::Conflict, "the last operator stays");
    assert!(is_bound(&kit, OPERATOR, Role::Operator));
}

#[tokio::test]
async fn a_revoked_role_is_gone_for_the_next_request() {
    let kit = team();
    assert!(done(&kit, "sam", ListRoles).await.unwrap().bindings.len() > 1);
    done(&kit, OPERATOR, RevokeRole(assignment("sam", "security"))).await.unwrap();
    assert_eq!(done(&kit, "sam", ListRoles).await.unwrap(), RoleList::default());
    let (code, _) = done(&kit, OPERATOR, RevokeRole(assignment("sam", "security"))).await.unwrap_err();
    assert_eq!(code, Code::Conflict);
}

#[tokio::test]
async fn lists_show_the_caller_s_projects_only() {
    let kit = team();
    let number = proposed(&kit, "ann", "admin").await;
    let stranger = User {
        projects: ["other".parse().unwrap()].into(),
        bindings: [(Role::Security, ["other".parse().unwrap()].into())].into(),
        certificates: [CERTIFICATE].into(),
        ..User::default()
    };
    kit.change(&[Change::PutUser("otto".parse().unwrap(), stranger)]);
    let list = done(&kit, "sam", ListRoles).await.unwrap();
    assert!(list.bindings.iter().all(|binding| binding.project.as_str() == PROJECT));
    assert_eq!(list.pending.iter().map(|pending| pending.grant).collect::<Vec<_>>(), [number]);
    let list = done(&kit, "otto", ListRoles).await.unwrap();
    let users: Vec<_> = list.bindings.iter().map(|binding| binding.user.as_str()).collect();
    assert_eq!((users, list.pending), (vec!["otto"], Vec::new()));
    assert_eq!(approve(&kit, "otto", &Item::Grant(number)).await.unwrap_err().0, Code::NotFound);
    assert_eq!(done(&kit, "ann", ListRoles).await.unwrap(), RoleList::default());
}

#[tokio::test]
async fn the_matrix_is_for_those_who_operate_or_oversee() {
    let kit = team();
    assert_eq!(done(&kit, "sam", RoleMatrix).await.unwrap().len(), 45 * 11);
    assert_eq!(done(&kit, "ann", RoleMatrix).await.unwrap_err().0, Code::NotFound);
}

#[tokio::test]
async fn an_application_binds_nobody() {
    let kit = team();
    let arrival = kit.bearer(&kit.consumer_key);
    let outcome = administer(kit.gate.clone(), arrival, assign("ann", "reader")).await.into_parts().0;
    assert_eq!(outcome.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn no_duty_is_bound_to_a_key_that_others_have_seen() {
    let kit = team();
    let (kid, _) = kit.key("user:ann");
    let seen = |handed_over| Change::PutKey(kid, crate::directory::Key { handed_over, ..kit.kept(kid) });
    kit.change(&[seen(true)]);
    let next = format!("mantlet --as DIR key rotate {kid}");
    let (code, detail) = done(&kit, OPERATOR, assign("ann", "admin")).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains(&next), "{detail}");
    kit.change(&[seen(false)]);
    let number = proposed(&kit, "ann", "admin").await;
    kit.change(&[seen(true)]);
    let (code, detail) = approve(&kit, "sam", &Item::Grant(number)).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains(&next), "{detail}");
    kit.change(&[seen(false)]);
    approve(&kit, "sam", &Item::Grant(number)).await.unwrap();
    kit.change(&[seen(true)]);
    assert_eq!(done(&kit, OPERATOR, ApplyGrant { number }).await.unwrap_err().0, Code::Conflict);
    assert!(!is_bound(&kit, "ann", Role::Admin));
    done(&kit, OPERATOR, assign("ann", "reader")).await.unwrap();
}

#[tokio::test]
async fn one_person_alone_does_not_end_oversight() {
    let kit = team();
    done(&kit, OPERATOR, RevokeRole(assignment("sam", "security"))).await.unwrap();
    let (code, detail) = done(&kit, OPERATOR, RevokeRole(assignment("sue", "security"))).await.unwrap_err();
    assert_eq!(code, Code::Conflict);
    assert_eq!(detail, "`sue` is the last enabled security of `home`; bind another one first");
    assert!(is_bound(&kit, "sue", Role::Security));
}

#[tokio::test]
async fn who_belongs_elsewhere_is_brought_in_by_the_home_s_operators_only() {
    let kit = team();
    let other: ProjectId = "other".parse().unwrap();
    let theirs = User {
        projects: [other.clone()].into(),
        bindings: [(Role::Operator, [other.clone()].into())].into(),
        ceiling: kit.gate.snapshot().directory.users[OPERATOR].ceiling.clone(),
        certificates: [CERTIFICATE].into(),
        ..User::default()
    };
    kit.change(&[Change::PutUser("otto".parse().unwrap(), theirs)]);
    let into_other =
        |user: &str| AssignRole(Assignment { project: other.clone(), ..assignment(user, "reader") });
    let answers = [
        done(&kit, "otto", into_other("ann")).await.unwrap_err(),
        done(&kit, "otto", into_other("nobody")).await.unwrap_err(),
    ];
    assert_eq!(answers, [(Code::NotFound, String::new()), (Code::NotFound, String::new())]);
    assert!(!kit.gate.snapshot().directory.users["ann"].projects.contains("other"));
    // The home's operator brings people into the home.
    let outsider = User { projects: [other].into(), ..User::default() };
    kit.change(&[Change::PutUser("ida".parse().unwrap(), outsider)]);
    done(&kit, OPERATOR, assign("ida", "reader")).await.unwrap();
}

#[tokio::test]
async fn grants_keep_their_numbers_to_themselves_when_the_clock_goes_back() {
    let kit = team();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let number = proposed(&kit, "ann", "admin").await;
        assert!(seen.insert(number), "an approval of the earlier grant would count for the later one");
        kit.change(&[Change::RemoveGrant(number)]);
        kit.clock.advance(-3_600);
    }
}
