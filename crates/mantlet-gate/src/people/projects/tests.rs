use super::*;
use crate::{
    administer::administer,
    identity::Arrival,
    testing::{Kit, OPERATOR, PROJECT, user},
};

async fn create(kit: &Kit, arrival: Arrival, project: &str) -> Result<ProjectInfo, Code> {
    let deed = CreateProject { project: project.parse().unwrap() };
    administer(kit.gate.clone(), arrival, deed).await.into_parts().0.map_err(|rejection| rejection.code)
}

#[tokio::test]
async fn a_new_project_has_who_runs_and_who_watches_the_home() {
    let kit = Kit::new();
    kit.change(&[Change::PutUser("sue".parse().unwrap(), user(&[Role::Security]))]);
    let ceiling = kit.gate.snapshot().directory.users[OPERATOR].ceiling.clone();
    let made = create(&kit, kit.operator(), "red").await.unwrap();
    assert_eq!(
        (made.operators, made.security),
        (vec![OPERATOR.parse().unwrap()], vec!["sue".parse().unwrap()])
    );
    let snapshot = kit.gate.snapshot();
    let (users, red) = (&snapshot.directory.users, "red".parse().unwrap());
    assert!(users[OPERATOR].is_bound(Role::Operator, &red) && users["sue"].is_bound(Role::Security, &red));
    assert!(users[OPERATOR].projects.contains("red") && !users["ada"].projects.contains("red"));
    assert_eq!(users[OPERATOR].ceiling, ceiling);
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.event, entry.subject.unwrap().as_str()), (Event::ProjectChange, "project:red"));
    assert_eq!(create(&kit, kit.operator(), "red").await, Err(Code::Conflict));
}

#[tokio::test]
async fn only_the_home_s_operators_make_projects() {
    let kit = Kit::new();
    let other: ProjectId = "other".parse().unwrap();
    let mut theirs = user(&[]);
    theirs.projects = [other.clone()].into();
    theirs.bindings = [(Role::Operator, [other.clone()].into())].into();
    kit.change(&[
        Change::AddProject(other),
        Change::PutUser("otto".parse().unwrap(), theirs),
        Change::PutUser("sue".parse().unwrap(), user(&[Role::Security])),
    ]);
    for (who, code) in [("otto", Code::NotFound), ("sue", Code::Forbidden), ("ada", Code::Forbidden)] {
        let arrival = kit.bearer(&kit.key(&format!("user:{who}")).1);
        assert_eq!(create(&kit, arrival, "red").await, Err(code), "{who}");
    }
    assert_eq!(create(&kit, kit.bearer(&kit.consumer_key), "red").await, Err(Code::NotFound));
    assert_eq!(create(&kit, kit.bearer(&kit.operator_key), "red").await, Err(Code::Forbidden), "one factor");
    assert!(
        !kit.gate.snapshot().directory.projects.contains("red")
            && kit.gate.snapshot().directory.projects.contains(PROJECT)
    );
}
