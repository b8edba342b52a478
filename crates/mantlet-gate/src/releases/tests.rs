use std::collections::BTreeSet;

use mantlet_types::{Code, PrincipalId, Rejection, Role, Sha256, Timestamp, Version};

use super::{
    alias::{AliasRule, Bearing, RemoveAlias, SetAlias},
    attach::{AttachEvaluation, Report},
    conditions::Conditions,
    facts::{Evaluated, Figure, Milestone, STEPS_MAX, ScanVerdict, Scanned, State, Taken},
    retire::RetireVersion,
};
use crate::{
    Snapshot,
    administer::Office,
    deployments::{
        ActivateDeployment, RequestDeployment, RollBack, Way,
        tests::{add_candidates, done, live, team, version, waits, way},
    },
    directory::{Change, VersionRecord},
    testing::{BEGIN, Kit, MODEL, signers::approve, user},
};

const DATA: Sha256 = Sha256([0xDA; 32]);

fn figure(value: f64) -> Figure {
    value.try_into().unwrap()
}

fn evaluated(data: Sha256, roc_auc: f64, brier: f64) -> Evaluated {
    Evaluated {
        report: Sha256([(roc_auc * 200.0) as u8; 32]),
        data,
        rows: 100,
        figures: [("roc_auc".into(), figure(roc_auc)), ("brier".into(), figure(brier))].into(),
        by: PrincipalId::User("dora".parse().unwrap()),
        at: BEGIN,
        entry: Some(7),
    }
}

fn strict() -> Conditions {
    Conditions {
        scan_clean: true,
        signed_by: [Sha256([0x51; 32])].into(),
        evaluated_on: Some(DATA),
        at_least: [("roc_auc".into(), figure(0.9))].into(),
        at_most: [("brier".into(), figure(0.1))].into(),
    }
}

fn candidate() -> VersionRecord {
    team().gate.snapshot().directory.models[MODEL].versions[&version(2)].clone()
}

#[test]
fn every_condition_that_is_not_met_is_named() {
    let check = |change: fn(&mut VersionRecord), expect: &[&str]| {
        let mut record = candidate();
        record.facts.scan = Some(Scanned { scanner: "s/1".into(), verdict: ScanVerdict::Safe, at: BEGIN });
        record.facts.signer = Some(Sha256([0x51; 32]));
        record.facts.evaluations = vec![evaluated(DATA, 0.95, 0.05)];
        change(&mut record);
        let unmet = strict().unmet(&record);
        assert_eq!(unmet.len(), expect.len(), "{unmet:?}");
        for (sentence, words) in unmet.iter().zip(expect) {
            assert!(sentence.contains(words), "{sentence}");
        }
    };
    check(|_| {}, &[]);
    check(|record| record.facts.scan = None, &["no scan of the package"]);
    check(|record| record.facts.scan.as_mut().unwrap().verdict = ScanVerdict::Unsafe, &["found unsafe"]);
    check(|record| record.facts.scan.as_mut().unwrap().verdict = ScanVerdict::Unknown, &["found unknown"]);
    check(|record| record.facts.signer = None, &["nobody known"]);
    check(|record| record.facts.signer = Some(DATA), &["it was signed by `dadada"]);
    check(|record| record.facts.evaluations.clear(), &["no evaluation on `dadada"]);
    check(|record| record.facts.evaluations[0].data = Sha256([1; 32]), &["no evaluation on `dadada"]);
    check(
        |record| record.facts.evaluations = vec![evaluated(DATA, 0.89, 0.2)],
        &["roc_auc is 0.89 and has to be 0.9 or more", "brier is 0.2 and has to be 0.1 or less"],
    );
    // What each of two evaluations meets, neither meets.
    let halves = |record: &mut VersionRecord| {
        record.facts.evaluations = vec![evaluated(DATA, 0.95, 0.2), evaluated(DATA, 0.85, 0.05)];
    };
    check(halves, &["roc_auc is 0.85"]);
    check(|record| record.facts.evaluations.insert(0, evaluated(DATA, 0.1, 0.9)), &[]);
    let without =
        |record: &mut VersionRecord| record.facts.evaluations[0].figures.retain(|name, _| &**name != "brier");
    check(without, &["has no brier"]);
    check(|record| *record = candidate(), &["`scan`", "`signed_by`", "`evaluated_on`"]);
}

#[test]
fn a_figure_is_a_number() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Figure::try_from(bad).is_err());
    }
    assert_eq!(figure(-0.0), figure(0.0));
    assert_eq!(figure(0.1).to_string(), "0.1");
}

/// Sets what versions must be, as a reload does.
fn require(kit: &Kit, conditions: Conditions) {
    let mut settings = crate::snapshot::Settings::clone(&kit.gate.snapshot().settings);
    settings.conditions = [(MODEL.parse().unwrap(), conditions)].into();
    kit.gate.replace(kit.gate.snapshot().next(&[], Vec::new(), Some(settings)));
}

fn auc(bound: f64) -> Conditions {
    let at_least = [("roc_auc".into(), figure(bound))].into();
    Conditions { evaluated_on: Some(DATA), at_least, ..Conditions::default() }
}

fn change(kit: &Kit, number: u32, change: impl FnOnce(&mut VersionRecord)) {
    let mut model = kit.gate.snapshot().directory.models[MODEL].clone();
    change(model.versions.get_mut(&version(number)).unwrap());
    kit.change(&[Change::PutModel(MODEL.parse().unwrap(), model)]);
}

#[tokio::test]
async fn conditions_hold_when_it_is_asked_for_and_when_it_goes_live() {
    let kit = team();
    require(&kit, auc(0.9));
    let (code, detail) = done(&kit, "mel", RequestDeployment(way(2))).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("no evaluation on"), "{detail}");
    change(&kit, 2, |record| record.facts.evaluations = vec![evaluated(DATA, 0.95, 0.1)]);
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    // Stricter by now: that counts.
    require(&kit, auc(0.99));
    let (_, detail) = done(&kit, "max", ActivateDeployment(way(2))).await.unwrap_err();
    assert!(detail.contains("roc_auc is 0.95 and has to be 0.99 or more"), "{detail}");
    require(&kit, auc(0.9));
    done(&kit, "max", ActivateDeployment(way(2))).await.unwrap();
    assert_eq!(live(&kit), 2);
}

#[tokio::test]
async fn conditions_that_were_lowered_since_count_as_they_were() {
    let kit = team();
    require(&kit, auc(0.9));
    change(&kit, 2, |record| record.facts.evaluations = vec![evaluated(DATA, 0.95, 0.1)]);
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    // Somebody takes the evaluation away, and then the condition: neither is a way.
    change(&kit, 2, |record| record.facts.evaluations.clear());
    require(&kit, Conditions::default());
    let (code, detail) = done(&kit, "max", ActivateDeployment(way(2))).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("no evaluation on"), "{detail}");
    assert_eq!(live(&kit), 1);
}

#[tokio::test]
async fn approvals_are_of_the_conditions_and_outlast_later_evaluations() {
    let kit = team();
    change(&kit, 2, |record| record.facts.evaluations = vec![evaluated(DATA, 0.95, 0.1)]);
    require(&kit, auc(0.9));
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    let approved = kit.gate.snapshot().directory.approvals.values().next().unwrap().clone();
    let (subject, report) = (&approved.subject, Sha256([190; 32]).to_string());
    assert!(subject.contains("roc_auc >= 0.9") && subject.contains(&report), "{subject}");
    // What is found out later voids nothing; other conditions than those that were approved do.
    change(&kit, 2, |record| record.facts.evaluations.push(evaluated(DATA, 0.5, 0.5)));
    let mut lowered = kit.gate.snapshot().directory.models[MODEL].clone();
    let way_of = |model: &mut crate::directory::ModelRecord, conditions| {
        model.versions.get_mut(&version(2)).unwrap().promotion.as_mut().unwrap().conditions = conditions;
    };
    way_of(&mut lowered, auc(0.1));
    kit.change(&[Change::PutModel(MODEL.parse().unwrap(), lowered.clone())]);
    assert_eq!(done(&kit, "max", ActivateDeployment(way(2))).await.unwrap_err().0, Code::Forbidden);
    way_of(&mut lowered, auc(0.9));
    kit.change(&[Change::PutModel(MODEL.parse().unwrap(), lowered)]);
    done(&kit, "max", ActivateDeployment(way(2))).await.unwrap();
}

#[tokio::test]
async fn a_retired_version_is_nobodys_any_more() {
    let kit = team();
    let back = |version| RollBack { model: MODEL.parse().unwrap(), version };
    for number in [2, 3] {
        done(&kit, "mel", RequestDeployment(way(number))).await.unwrap();
        approve(&kit, "sam", &waits(number)).await.unwrap();
        done(&kit, "max", ActivateDeployment(way(number))).await.unwrap();
    }
    let named = SetAlias { way: way(2), alias: "stable".parse().unwrap() };
    done(&kit, "mel", named).await.unwrap();
    // What is live makes room first, and who oversees or made it has no say.
    let (_, detail) = done(&kit, "mel", RetireVersion(way(3))).await.unwrap_err();
    assert!(detail.contains("is live"), "{detail}");
    assert_eq!(done(&kit, "sam", RetireVersion(way(2))).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(done(&kit, "ada", RetireVersion(way(2))).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(done(&kit, "mel", RetireVersion(way(9))).await.unwrap_err().0, Code::NotFound);
    done(&kit, "mel", RetireVersion(way(2))).await.unwrap();
    let snapshot = kit.gate.snapshot();
    let model = &snapshot.directory.models[MODEL];
    assert_eq!(model.state(version(2), BEGIN), Some(State::Retired));
    assert!(model.aliases.is_empty() && model.former == [Version::FIRST]);
    assert!(snapshot.model(&MODEL.parse().unwrap(), Some(version(2))).is_none());
    let forbidden = done(&kit, "mel", back(Some(version(2)))).await.unwrap_err();
    assert_eq!(forbidden, (Code::Forbidden, "`rollback` is forbidden by `F22_rollback`".to_owned()));
    for refused in [
        done(&kit, "mel", RequestDeployment(way(2))).await.err(),
        done(&kit, "mel", SetAlias { way: way(2), alias: "again".parse().unwrap() }).await.err(),
        done(&kit, "mel", RetireVersion(way(2))).await.err(),
    ] {
        let (code, detail) = refused.unwrap();
        assert!(code == Code::Conflict && detail.contains("retired"), "{detail}");
    }
    // The way back passes it by.
    done(&kit, "mel", back(None)).await.unwrap();
    assert_eq!(live(&kit), 1);
}

#[tokio::test]
async fn an_author_withdraws_what_never_was_live() {
    let kit = team();
    // Ada made it, and carl has the same duty.
    kit.change(&[
        Change::PutUser("carl".parse().unwrap(), with_certificate(Role::DataScientist)),
        Change::PutUser("ada".parse().unwrap(), with_certificate(Role::DataScientist)),
    ]);
    assert_eq!(done(&kit, "carl", RetireVersion(way(2))).await.unwrap_err().0, Code::Forbidden);
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    done(&kit, "ada", RetireVersion(way(2))).await.unwrap();
    assert!(
        done(&kit, "max", ActivateDeployment(way(2))).await.is_err(),
        "approved before, and withdrawn since"
    );
    assert_eq!(done(&kit, "ada", RetireVersion(way(1))).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(live(&kit), 1);
}

fn with_certificate(role: Role) -> crate::directory::User {
    crate::directory::User { certificates: [crate::testing::CERTIFICATE].into(), ..user(&[role]) }
}

#[tokio::test]
async fn an_alias_is_given_by_whom_and_to_what_the_rule_says() {
    let kit = team();
    kit.change(&[Change::PutUser("carl".parse().unwrap(), with_certificate(Role::DataScientist))]);
    let set = |number, alias: &str| SetAlias { way: way(number), alias: alias.parse().unwrap() };
    // Unless said otherwise, an ML engineer names what is approved or was live.
    let (code, detail) = done(&kit, "mel", set(2, "champion")).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("approved, or live now or before"), "{detail}");
    done(&kit, "mel", set(1, "champion")).await.unwrap();
    for who in ["carl", "sam"] {
        assert_eq!(done(&kit, who, set(1, "champion")).await.unwrap_err().0, Code::Forbidden, "{who}");
    }
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    assert_eq!(done(&kit, "mel", set(2, "champion")).await.unwrap_err().0, Code::Conflict);
    approve(&kit, "sam", &waits(2)).await.unwrap();
    // Who made the data names nothing either (F21).
    assert_eq!(done(&kit, "dan", set(2, "champion")).await.unwrap_err().0, Code::Forbidden);
    let moved = done(&kit, "mel", set(2, "champion")).await.unwrap();
    assert_eq!((moved.version, moved.before), (Some(version(2)), Some(Version::FIRST)));
    assert_eq!(live(&kit), 1, "a name changes nothing of what is live");
    // By rules: whoever may set aliases may set this one, and not that.
    let mut settings = crate::snapshot::Settings::clone(&kit.gate.snapshot().settings);
    let science = BTreeSet::from([Role::DataScientist]);
    let rules = [
        ("challenger".parse().unwrap(), AliasRule { state: Bearing::Registered, by: science }),
        ("champion".parse().unwrap(), AliasRule { state: Bearing::Live, ..AliasRule::default() }),
    ];
    settings.alias_rules = [(MODEL.parse().unwrap(), rules.into())].into();
    kit.gate.replace(kit.gate.snapshot().next(&[], Vec::new(), Some(settings)));
    done(&kit, "carl", set(3, "challenger")).await.unwrap();
    assert_eq!(done(&kit, "carl", set(3, "champion")).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(done(&kit, "mel", set(3, "challenger")).await.unwrap_err().0, Code::Forbidden);
    assert_eq!(done(&kit, "mel", set(2, "champion")).await.unwrap_err().0, Code::Conflict);
    done(&kit, "mel", set(1, "champion")).await.unwrap();
    // Taken away by whom it is to give.
    let remove = || RemoveAlias { model: MODEL.parse().unwrap(), alias: "challenger".parse().unwrap() };
    assert_eq!(done(&kit, "mel", remove()).await.unwrap_err().0, Code::Forbidden);
    done(&kit, "carl", remove()).await.unwrap();
    assert_eq!(done(&kit, "carl", remove()).await.unwrap_err().0, Code::NotFound);
}

/// A report that is what it says.
struct Told(Evaluated);

impl Report for Told {
    async fn attested(self, _: &Office<'_>, _: &Way) -> Result<Evaluated, Rejection> {
        Ok(self.0)
    }
}

#[tokio::test]
async fn an_evaluation_is_attached_once_by_who_may_evaluate_or_makes_models() {
    let kit = team();
    kit.change(&[Change::PutUser("carl".parse().unwrap(), with_certificate(Role::DataScientist))]);
    let attach = |auc| AttachEvaluation { way: way(2), report: Told(evaluated(DATA, auc, 0.1)) };
    assert_eq!(done(&kit, "sam", attach(0.9)).await.unwrap_err().0, Code::Forbidden);
    done(&kit, "carl", attach(0.9)).await.unwrap();
    let (code, detail) = done(&kit, "mel", attach(0.9)).await.unwrap_err();
    assert!(code == Code::Conflict && detail.contains("attached already"), "{detail}");
    for number in 1..16 {
        done(&kit, "mel", attach(f64::from(number) / 100.0)).await.unwrap();
    }
    assert_eq!(done(&kit, "mel", attach(0.99)).await.unwrap_err().0, Code::Conflict, "the seventeenth");
    let model = kit.gate.snapshot().directory.models[MODEL].clone();
    assert_eq!(model.state(version(2), BEGIN), Some(State::Evaluated));
}

#[tokio::test]
async fn every_step_is_written_down_with_who_and_where_in_the_log() {
    let kit = team();
    done(&kit, "mel", RequestDeployment(way(2))).await.unwrap();
    approve(&kit, "sam", &waits(2)).await.unwrap();
    done(&kit, "max", ActivateDeployment(way(2))).await.unwrap();
    done(&kit, "mel", RollBack { model: MODEL.parse().unwrap(), version: None }).await.unwrap();
    let steps = |kit: &Kit, number| {
        let model = kit.gate.snapshot().directory.models[MODEL].clone();
        let steps = model.versions[&version(number)].facts.steps.clone();
        assert!(steps.iter().all(|step| step.entry.is_some() && !step.single_person), "{steps:?}");
        steps.iter().map(|step| (step.step, step.by.to_string())).collect::<Vec<_>>()
    };
    let by = |step, who: &str| (step, who.to_owned());
    assert_eq!(
        steps(&kit, 2),
        [
            by(Milestone::Requested, "mel"),
            by(Milestone::Approved, "sam"),
            by(Milestone::Live, "max"),
            by(Milestone::Replaced, "mel"),
        ]
    );
    assert_eq!(steps(&kit, 1), [by(Milestone::Replaced, "max"), by(Milestone::Restored, "mel")]);
    // Each entry is the intent of another deed.
    let model = kit.gate.snapshot().directory.models[MODEL].clone();
    let entries: BTreeSet<_> =
        model.versions[&version(2)].facts.steps.iter().map(|step| step.entry).collect();
    assert_eq!(entries.len(), 4);
}

#[test]
fn of_many_steps_the_first_and_the_latest_are_kept() {
    let mut facts = candidate().facts;
    for number in 0..200 {
        facts.took(Taken {
            step: Milestone::Requested,
            by: "mel".parse().unwrap(),
            at: Timestamp::from_micros(number),
            entry: None,
            single_person: false,
        });
    }
    assert_eq!(facts.steps.len(), STEPS_MAX);
    assert_eq!((facts.steps[0].at.micros(), facts.steps[63].at.micros()), (0, 199));
    assert_eq!(facts.steps[1].at.micros(), 137);
}

#[test]
fn a_state_is_the_last_that_a_version_is_in() {
    let kit = Kit::with(|snapshot: &mut Snapshot| add_candidates(snapshot));
    let mut model = kit.gate.snapshot().directory.models[MODEL].clone();
    let two = version(2);
    assert_eq!(model.state(two, BEGIN), Some(State::Registered));
    let facts = |model: &mut crate::directory::ModelRecord, change: fn(&mut VersionRecord)| {
        change(model.versions.get_mut(&two).unwrap());
        model.state(two, BEGIN)
    };
    let scan = |record: &mut VersionRecord| {
        record.facts.scan = Some(Scanned { scanner: "s/1".into(), verdict: ScanVerdict::Safe, at: BEGIN });
    };
    assert_eq!(facts(&mut model, scan), Some(State::Scanned));
    assert_eq!(facts(&mut model, |record| record.facts.signer = Some(DATA)), Some(State::Signed));
    let evaluated = |record: &mut VersionRecord| record.facts.evaluations = vec![evaluated(DATA, 0.9, 0.1)];
    assert_eq!(facts(&mut model, evaluated), Some(State::Evaluated));
    assert_eq!(facts(&mut model, |record| record.was_live = true), Some(State::Former));
    assert_eq!(model.state(Version::FIRST, BEGIN), Some(State::Live));
    assert_eq!(model.state(version(9), BEGIN), None);
}
