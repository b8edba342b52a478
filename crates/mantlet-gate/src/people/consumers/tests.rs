use super::*;
use crate::{
    administer::administer,
    people::keys::{CreateKey, KeyRequest},
    testing::{CONSUMER, Kit, MODEL, OPERATOR, PROJECT},
};

async fn done<D: Deed>(kit: &Kit, deed: D) -> Result<D::Reply, Rejection> {
    administer(kit.gate.clone(), kit.operator(), deed).await.into_parts().0
}

fn app() -> ConsumerId {
    CONSUMER.parse().unwrap()
}

async fn change(kit: &Kit, request: ConsumerRequest) -> Result<ConsumerInfo, Code> {
    done(kit, ChangeConsumer { consumer: app(), request }).await.map_err(|rejection| rejection.code)
}

fn kept(kit: &Kit) -> Consumer {
    kit.gate.snapshot().directory.consumers[CONSUMER].clone()
}

#[tokio::test]
async fn a_disabled_application_is_out_with_all_its_keys() {
    let kit = Kit::new();
    let (_, second) = kit.key(&format!("consumer:{CONSUMER}"));
    for _ in 0..2 {
        assert!(done(&kit, DisableConsumer { consumer: app() }).await.unwrap().disabled);
    }
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_err());
    assert!(kit.authenticate(kit.bearer(&second)).is_err());
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.event, entry.subject.unwrap().as_str()), (Event::ConsumerChange, "consumer:fraud-app"));
    let enabled = ConsumerRequest { disabled: Some(false), ..ConsumerRequest::default() };
    assert!(!change(&kit, enabled).await.unwrap().disabled);
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_ok());
}

#[tokio::test]
async fn a_changed_scope_is_within_the_ceiling() {
    let kit = Kit::new();
    let rate = |rate| ConsumerRequest { rate_per_minute: Some(rate), ..ConsumerRequest::default() };
    assert_eq!(change(&kit, rate(10)).await.unwrap().rate_per_minute, 10);
    assert_eq!(change(&kit, rate(600)).await.unwrap().rate_per_minute, 600);
    assert_eq!(change(&kit, rate(601)).await, Err(Code::Forbidden));
    assert_eq!(change(&kit, rate(0)).await, Err(Code::InvalidArgument));
    let models = |names: &[&str]| ConsumerRequest {
        models: Some(names.iter().map(|name| name.parse().unwrap()).collect()),
        ..ConsumerRequest::default()
    };
    assert_eq!(change(&kit, models(&["ghost"])).await, Err(Code::NotFound));
    assert_eq!(change(&kit, models(&[])).await, Err(Code::InvalidArgument));
    let monitor = ConsumerRequest { monitor: Some(true), ..ConsumerRequest::default() };
    assert_eq!(change(&kit, monitor).await, Err(Code::Forbidden));
    assert_eq!((kept(&kit).rate_per_minute, kept(&kit).models.len(), kept(&kit).monitor), (600, 1, false));
}

#[tokio::test]
async fn another_project_s_application_is_as_unknown_as_none() {
    let kit = Kit::new();
    let theirs = Consumer { project: "other".parse().unwrap(), ..kept(&kit) };
    let id = |name: &str| name.parse::<ConsumerId>().unwrap();
    kit.change(&[Change::AddProject("other".parse().unwrap()), Change::PutConsumer(id("theirs"), theirs)]);
    for name in ["theirs", "ghost"] {
        let change = ChangeConsumer { consumer: id(name), request: ConsumerRequest::default() };
        let answers = [
            done(&kit, change).await.unwrap_err(),
            done(&kit, DisableConsumer { consumer: id(name) }).await.unwrap_err(),
        ];
        for answer in answers {
            assert_eq!((answer.code, answer.detail), (Code::NotFound, None), "{name}");
        }
    }
}

fn key_for(consumer: &str) -> KeyRequest {
    let body = serde_json::json!({ "consumer": consumer, "project": PROJECT });
    serde_json::from_value(body).unwrap()
}

#[tokio::test]
async fn asking_for_a_foreign_application_s_key_tells_nothing_of_its_models() {
    let kit = Kit::new();
    let other: ProjectId = "other".parse().unwrap();
    let mut model = kit.gate.snapshot().directory.models[MODEL].clone();
    model.project = other.clone();
    let secret: ModelName = "secret".parse().unwrap();
    let theirs = Consumer { project: other.clone(), models: [secret.clone()].into(), ..kept(&kit) };
    kit.change(&[
        Change::AddProject(other),
        Change::PutModel(secret, model),
        Change::PutConsumer("theirs".parse().unwrap(), theirs),
    ]);
    let request = KeyRequest { models: [MODEL.parse().unwrap()].into(), ..key_for("theirs") };
    for request in [key_for("theirs"), request] {
        let rejection = done(&kit, CreateKey::new(request).unwrap()).await.err().unwrap();
        assert_eq!(
            (rejection.code, rejection.detail.as_deref()),
            (Code::Conflict, Some("the name `theirs` is taken"))
        );
    }
}

#[tokio::test]
async fn nobody_makes_further_keys_with_a_right_beyond_their_ceiling() {
    let kit = Kit::new();
    kit.change(&[Change::PutConsumer(app(), Consumer { monitor: true, ..kept(&kit) })]);
    let rejection = done(&kit, CreateKey::new(key_for(CONSUMER)).unwrap()).await.err().unwrap();
    assert_eq!(
        (rejection.code, rejection.detail.as_deref()),
        (Code::Forbidden, Some("`monitor` is beyond your ceiling"))
    );
    let rotation = serde_json::from_value(serde_json::json!({ "which": { "consumer": CONSUMER } })).unwrap();
    let rotate = crate::people::keys::RotateKey::new(rotation).unwrap();
    assert_eq!(done(&kit, rotate).await.err().unwrap().code, Code::Forbidden);
    let mut operator = kit.gate.snapshot().directory.users[OPERATOR].clone();
    operator.ceiling.as_mut().unwrap().roles.insert(Role::Monitor);
    kit.change(&[Change::PutUser(OPERATOR.parse().unwrap(), operator)]);
    assert!(done(&kit, CreateKey::new(key_for(CONSUMER)).unwrap()).await.is_ok());
}
