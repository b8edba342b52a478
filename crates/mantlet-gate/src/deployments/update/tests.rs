use super::*;
use crate::{
    deployments::tests::{done, live, team, version, waits, way},
    testing::{Kit, signers::approve},
};
use mantlet_types::Sha256;

/// What says that it is a comparison with a version, or that it is none.
struct Says(Result<u32, Rejection>);

impl Exhibit for Says {
    async fn attested(self, _: &Office<'_>, _: &Way) -> Result<Attached, Rejection> {
        let with = version(self.0?);
        Ok(Attached { digest: Sha256([5; 32]), with, document: "{}".into() })
    }
}

fn request(number: u32, with: u32) -> RequestCompared<Says> {
    RequestCompared { way: way(number), exhibit: Some(Says(Ok(with))) }
}

fn update(kit: &Kit, number: u32, with: u32) -> UpdateModel<Says> {
    UpdateModel { way: way(number), exhibit: Says(Ok(with)), began: kit.gate.now() }
}

fn attached(kit: &Kit, number: u32) -> Option<Version> {
    let model = kit.gate.snapshot().directory.models[crate::testing::MODEL].clone();
    model.versions[&version(number)].promotion.clone()?.compared.map(|compared| compared.with)
}

#[tokio::test]
async fn what_was_found_out_goes_with_the_request_to_its_approval() {
    let kit = team();
    done(&kit, "mel", request(2, 1)).await.unwrap();
    assert_eq!(attached(&kit, 2), Some(version(1)));
    approve(&kit, "sam", &waits(2)).await.unwrap();
    assert_eq!(attached(&kit, 2), Some(version(1)));
    let plain = RequestCompared::<Says> { way: way(3), exhibit: None };
    done(&kit, "mel", plain).await.unwrap();
    assert_eq!(attached(&kit, 3), None);
}

#[tokio::test]
async fn an_update_takes_what_an_activation_takes() {
    let kit = team();
    let forbidden = |by: &str| (Code::Forbidden, format!("`update_model` is forbidden by `{by}`"));
    // Nobody alone: not who deploys, and not an admin either.
    kit.change(&[Change::PutUser(
        "abe".parse().unwrap(),
        crate::directory::User {
            certificates: [crate::testing::CERTIFICATE].into(),
            ..crate::testing::user(&[mantlet_types::Role::Admin])
        },
    )]);
    for who in ["mel", "abe"] {
        assert_eq!(
            done(&kit, who, update(&kit, 2, 1)).await.unwrap_err(),
            forbidden("F06_approved"),
            "{who}"
        );
    }
    done(&kit, "mel", request(2, 1)).await.unwrap();
    assert_eq!(done(&kit, "abe", update(&kit, 2, 1)).await.unwrap_err(), forbidden("F06_approved"));
    approve(&kit, "sam", &waits(2)).await.unwrap();
    assert_eq!(done(&kit, "sam", update(&kit, 2, 1)).await.unwrap_err().0, Code::Forbidden);
    // Who made the data is still nobody to bring it live.
    assert_eq!(done(&kit, "dan", update(&kit, 2, 1)).await.unwrap_err(), forbidden("F06_four_eyes"));
    assert_eq!(live(&kit), 1);
    let stage = done(&kit, "abe", update(&kit, 2, 1)).await.unwrap();
    assert_eq!((stage.state, stage.replaced), ("live", Some(version(1))));
    assert_eq!(live(&kit), 2);
    // The approval was for once.
    assert_eq!(done(&kit, "abe", update(&kit, 2, 1)).await.unwrap_err(), forbidden("F06_approved"));
}

#[tokio::test]
async fn one_person_needs_nobody_else_but_the_comparison() {
    let kit = Kit::with(|snapshot| {
        let settings = crate::snapshot::Settings { single_person: true, ..(*snapshot.settings).clone() };
        snapshot.settings = std::sync::Arc::new(settings);
        crate::deployments::tests::add_candidates(snapshot);
        let admin = crate::testing::user(&[mantlet_types::Role::Admin]);
        let certificates = [crate::testing::CERTIFICATE].into();
        let admin = crate::directory::User { certificates, ..admin };
        snapshot.directory.users.insert("abe".parse().unwrap(), admin);
    });
    let none = UpdateModel {
        way: way(2),
        exhibit: Says(Err(Rejection::argument("no comparison"))),
        began: kit.gate.now(),
    };
    assert_eq!(done(&kit, "abe", none).await.unwrap_err().1, "no comparison");
    assert_eq!(live(&kit), 1);
    done(&kit, "abe", update(&kit, 2, 1)).await.unwrap();
    assert_eq!(live(&kit), 2);
    // What was compared with version 1 says nothing of what version 3 would change now.
    let (code, detail) = done(&kit, "abe", update(&kit, 3, 1)).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("compare again"), "{detail}");
    let (code, detail) = done(&kit, "abe", update(&kit, 2, 1)).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("is live"), "{detail}");
    assert_eq!(live(&kit), 2);
}

#[tokio::test]
async fn a_request_with_a_comparison_of_yesterday_is_none() {
    let kit = team();
    let (code, _) = done(&kit, "mel", request(3, 2)).await.unwrap_err();
    assert_eq!(code, Code::Conflict);
    assert_eq!(attached(&kit, 3), None);
    let (code, _) = done(&kit, "mel", request(1, 1)).await.unwrap_err();
    assert_eq!(code, Code::Conflict);
}
