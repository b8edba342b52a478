use mantlet_types::Sha256;

use super::*;
use crate::{
    administer::administer,
    approvals::{Approved, Item},
    directory::User,
    identity::{Arrival, Certificate, Channel},
    ports::EngineFault,
    testing::{BEGIN, CERTIFICATE, FakeModel, Kit, MODEL, coin_contract, signers::approve, user},
};

const THREE_DAYS: i64 = 72 * 3_600;

pub(crate) fn version(number: u32) -> Version {
    number.try_into().unwrap()
}

pub(crate) fn way(number: u32) -> Way {
    Way { model: MODEL.parse().unwrap(), version: version(number) }
}

pub(crate) fn waits(number: u32) -> Item {
    Item::Deployment(MODEL.parse().unwrap(), version(number))
}

/// The kit's home, with two who deploy, one who oversees, one who made the data, and a candidate beside the live version.
pub(crate) fn team() -> Kit {
    Kit::with(|snapshot| {
        for (name, role) in [
            ("mel", Role::MlEngineer),
            ("max", Role::MlEngineer),
            ("sam", Role::Security),
            ("dan", Role::MlEngineer),
        ] {
            let person = User { certificates: [CERTIFICATE].into(), ..user(&[role]) };
            snapshot.directory.users.insert(name.parse().unwrap(), person);
        }
        add_candidates(snapshot);
    })
}

/// Versions 2 and 3 beside the live one.
pub(crate) fn add_candidates(snapshot: &mut crate::Snapshot) {
    let model = snapshot.directory.models.get_mut(MODEL).unwrap();
    let mut candidate = model.versions[&Version::FIRST].clone();
    candidate.was_live = false;
    // Dan deploys today, and made the data when that was his duty.
    candidate.data_authors = ["dan".parse().unwrap()].into();
    for number in [2, 3] {
        model.versions.insert(version(number), candidate.clone());
        let contract = mantlet_types::Contract { version: version(number), ..coin_contract() };
        let compute = |_: Vec<_>| Err(EngineFault::UnknownValue); // nobody asks it
        let served = snapshot.models.get_mut(MODEL).unwrap();
        served.versions.insert(version(number), std::sync::Arc::new(FakeModel::new(contract, compute)));
    }
}

pub(crate) async fn done<D: Deed>(kit: &Kit, who: &str, deed: D) -> Result<D::Reply, (Code, String)> {
    let (_, key) = kit.key(&format!("user:{who}"));
    let certificate = Certificate {
        digest: CERTIFICATE,
        user: who.parse().unwrap(),
        expires: BEGIN.plus_seconds(90 * 86_400),
    };
    let arrival = Arrival { channel: Channel::Tls(Some(certificate)), ..kit.bearer(&key) };
    let outcome = administer(kit.gate.clone(), arrival, deed).await.into_parts().0;
    outcome.map_err(|rejection| (rejection.code, rejection.detail.unwrap_or_default().into_owned()))
}

pub(crate) fn live(kit: &Kit) -> u32 {
    kit.gate.snapshot().directory.models[MODEL].live.unwrap().number()
}

#[tokio::test]
async fn an_approval_that_nobody_uses_ends_after_three_days() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    let approved = approve(&kit, "sam", &waits(2)).await.unwrap();
    let Approved::Deployment(approved) = approved else { panic!("{approved:?}") };
    assert_eq!(approved.ends, Some(BEGIN.plus_seconds(THREE_DAYS)));
    kit.clock.advance(THREE_DAYS);
    // Also where the decision was taken and remembered a moment before.
    let (code, detail) = done(&kit, "max", ActivateDeployment(way(2))).await.unwrap_err();
    assert_eq!(
        (code, detail.as_str()),
        (Code::Forbidden, "`activate_deployment` is forbidden by `F06_approved`")
    );
    assert_eq!(live(&kit), 1);
    // What has ended can be asked for again, and then nothing of it is left.
    let again = done(&kit, "max", RequestDeployment(way(2))).await.unwrap();
    assert!(again.approved_by.is_empty());
    assert!(done(&kit, "max", ActivateDeployment(way(2))).await.is_err());
}

#[tokio::test]
async fn an_approval_holds_until_the_last_moment() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    kit.clock.advance(THREE_DAYS - 1);
    done(&kit, "max", ActivateDeployment(way(2))).await.unwrap();
    assert_eq!(live(&kit), 2);
}

#[tokio::test]
async fn a_request_that_nobody_approves_ends_too() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    assert_eq!(done(&kit, "max", RequestDeployment(way(2))).await.unwrap_err().0, Code::Conflict);
    kit.clock.advance(THREE_DAYS);
    assert_eq!(approve(&kit, "sam", &waits(2)).await.unwrap_err().0, Code::Conflict);
    done(&kit, "max", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
}

#[tokio::test]
async fn who_made_the_data_takes_no_other_part() {
    let kit = team();
    let forbidden = |by: &str, action: &str| (Code::Forbidden, format!("`{action}` is forbidden by `{by}`"));
    let own = done(&kit, "dan", RequestDeployment(way(2))).await.unwrap_err();
    assert_eq!(own, forbidden("F21_request", "request_deployment"));
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    let own = approve(&kit, "dan", &waits(2)).await.unwrap_err();
    assert_eq!(own, forbidden("F05_four_eyes", "approve_deployment"));
    approve(&kit, "sam", &waits(2)).await.unwrap();
    let own = done(&kit, "dan", ActivateDeployment(way(2))).await.unwrap_err();
    assert_eq!(own, forbidden("F06_four_eyes", "activate_deployment"));
}

#[tokio::test]
async fn what_is_no_business_of_somebody_is_not_there_for_them() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    let red: mantlet_types::ProjectId = "red".parse().unwrap();
    let elsewhere = User {
        projects: [red.clone()].into(),
        bindings: [(Role::MlEngineer, [red.clone()].into())].into(),
        certificates: [CERTIFICATE].into(),
        ..User::default()
    };
    kit.change(&[
        Change::AddProject(red),
        Change::PutUser("xen".parse().unwrap(), elsewhere),
        Change::PutUser(
            "rob".parse().unwrap(),
            User { certificates: [CERTIFICATE].into(), ..user(&[Role::Reader]) },
        ),
    ]);
    let elsewhere = Way { model: "nothing".parse().unwrap(), version: version(2) };
    for who in ["xen", "rob"] {
        let unknown = done(&kit, who, RequestDeployment(elsewhere.clone())).await.unwrap_err();
        assert_eq!(unknown.0, Code::NotFound);
        for number in [2, 9] {
            assert_eq!(done(&kit, who, RequestDeployment(way(number))).await.unwrap_err(), unknown, "{who}");
            assert_eq!(approve(&kit, who, &waits(number)).await.unwrap_err(), unknown, "{who}");
            assert_eq!(done(&kit, who, ActivateDeployment(way(number))).await.unwrap_err(), unknown, "{who}");
            let back = RollBack { model: MODEL.parse().unwrap(), version: Some(version(number)) };
            assert_eq!(done(&kit, who, back).await.unwrap_err(), unknown, "{who}");
        }
    }
}

#[tokio::test]
async fn what_was_approved_is_this_artifact_and_no_other() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    // Another artifact under the approved number, however it came there.
    let mut model = kit.gate.snapshot().directory.models[MODEL].clone();
    model.versions.get_mut(&version(2)).unwrap().digest = Sha256([0xEE; 32]);
    kit.change(&[Change::PutModel(MODEL.parse().unwrap(), model)]);
    assert_eq!(done(&kit, "max", ActivateDeployment(way(2))).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(live(&kit), 1);
}

#[tokio::test]
async fn what_was_not_loaded_does_not_go_live() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    let mut snapshot = kit.gate.snapshot().next(&[], Vec::new(), None);
    snapshot.models.get_mut(MODEL).unwrap().versions.remove(&version(2));
    kit.gate.replace(snapshot);
    let (code, detail) = done(&kit, "max", ActivateDeployment(way(2))).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("could not be loaded"), "{detail}");
    assert_eq!(live(&kit), 1);
}

#[tokio::test]
async fn rollbacks_go_back_step_by_step_and_never_to_a_candidate() {
    let kit = team();
    let back = |version| RollBack { model: MODEL.parse().unwrap(), version };
    for number in [2, 3] {
        done(&kit, "mel", RequestDeployment(way(number))).await.unwrap();
        approve(&kit, "sam", &waits(number)).await.unwrap();
        let to_candidate = done(&kit, "mel", back(Some(version(number)))).await.unwrap_err();
        assert_eq!(to_candidate.0, Code::Forbidden, "{to_candidate:?}");
        done(&kit, "max", ActivateDeployment(way(number))).await.unwrap();
    }
    for expect in [2, 1] {
        done(&kit, "mel", back(None)).await.unwrap();
        assert_eq!(live(&kit), expect);
    }
    assert_eq!(done(&kit, "mel", back(None)).await.unwrap_err().0, Code::Conflict);
    // What was rolled back from was live, and takes a second person again all the same.
    for left in [2, 3] {
        let (code, detail) = done(&kit, "mel", back(Some(version(left)))).await.unwrap_err();
        assert!(code == Code::Conflict && detail.contains("ask that it go live again"), "{detail}");
    }
    assert_eq!(live(&kit), 1);
    done(&kit, "mel", RequestDeployment(way(3))).await.unwrap();
    assert_eq!(done(&kit, "max", ActivateDeployment(way(3))).await.unwrap_err().0, Code::Forbidden);
    approve(&kit, "sam", &waits(3)).await.unwrap();
    done(&kit, "max", ActivateDeployment(way(3))).await.unwrap();
    assert_eq!(live(&kit), 3);
    assert_eq!(done(&kit, "sam", back(None)).await.unwrap_err().0, Code::Forbidden);
}

#[test]
fn the_way_back_names_each_version_once_and_never_the_live_one() {
    let mut model = Kit::new().gate.snapshot().directory.models[MODEL].clone();
    let mut seed = 7_u32;
    for _ in 0..200 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let next = version(1 + (seed >> 8) % 5);
        let step = Taken {
            step: Milestone::Live,
            by: "mel".parse().unwrap(),
            at: BEGIN,
            entry: None,
            single_person: false,
        };
        if seed >> 31 == 0 {
            model.put_live(next, &step);
        } else {
            model.roll_back(next, &step);
        }
        let distinct: std::collections::BTreeSet<_> = model.former.iter().collect();
        assert_eq!(distinct.len(), model.former.len(), "{model:?}");
        assert!(model.live == Some(next) && !model.former.contains(&next), "{model:?}");
    }
}
