//! Decisions against trying everything: all requests over a small alphabet. The evaluator, which tries, shares no matching
//! with the procedure, which decides.

#![expect(clippy::unwrap_used, reason = "whatever a test does not expect ends it")]

use std::collections::{BTreeMap, BTreeSet};

use mantlet_cloud::iam::{
    decide::{
        Answer, Question, decide,
        diff::{Difference, diff},
    },
    evaluate::{Outcome, evaluate},
    pattern::Pattern,
    policy::{Document, Use, read},
    request::{Policies, Request},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Characters of resources: two that patterns name, and one that none does.
const ALPHABET: [char; 3] = ['a', 'b', 'z'];
const LENGTH_MAX: usize = 3;

fn texts(length_max: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..length_max {
        last = last.iter().flat_map(|text| ALPHABET.map(|character| format!("{text}{character}"))).collect();
        all.extend(last.clone());
    }
    all
}

/// Contexts that tell apart whatever the conditions of policies that are made here can.
fn contexts(policies: &Policies) -> Vec<BTreeMap<String, Vec<String>>> {
    let documents = policies.identity.iter().chain(&policies.boundaries).chain(&policies.service_controls);
    let keys: BTreeSet<&str> = documents
        .flat_map(|document| &document.statements)
        .flat_map(|statement| &statement.conditions)
        .map(|condition| condition.key.as_str())
        .collect();
    let one: [&[&str]; 14] = [
        &[],
        &["a"],
        &["b"],
        &["ab"],
        &["az"],
        &["zb"],
        &["azb"],
        &["z"],
        &["zz"],
        &["A"],
        &["B"],
        &["AB"],
        &["aB"],
        &["Ab"],
    ];
    let many: [&[&str]; 16] = [
        &[],
        &["a"],
        &["b"],
        &["z"],
        &["zz"],
        &["a", "b"],
        &["a", "z"],
        &["a", "zz"],
        &["b", "z"],
        &["b", "zz"],
        &["z", "zz"],
        &["a", "b", "z"],
        &["a", "b", "zz"],
        &["a", "z", "zz"],
        &["b", "z", "zz"],
        &["a", "b", "z", "zz"],
    ];
    let number: [&[&str]; 6] = [&[], &["4"], &["5"], &["6"], &["7"], &["8"]];
    let address: [&[&str]; 4] = [&[], &["10.0.0.1"], &["10.0.0.9"], &["192.0.2.1"]];
    let mut all = vec![BTreeMap::new()];
    let values = [("x:one", &one[..]), ("x:many", &many), ("x:number", &number), ("x:address", &address)];
    for (key, values) in values.into_iter().filter(|(key, _)| keys.contains(key)) {
        let with = |context: &BTreeMap<String, Vec<String>>, values: &[&str]| {
            let mut context = context.clone();
            if !values.is_empty() {
                context.insert(key.to_owned(), values.iter().map(|it| (*it).to_owned()).collect());
            }
            context
        };
        all = all.iter().flat_map(|context| values.iter().map(|values| with(context, values))).collect();
    }
    all
}

fn pattern() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec!["a", "b", "*", "?"]), 1..4).prop_map(|it| it.concat())
}

fn condition() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["a", "b", "ab", "a*", "*b", "?"]);
    let texts = proptest::collection::vec(text, 1..3);
    let short = proptest::collection::vec(prop::sample::select(vec!["a", "b", "?"]), 1..3);
    let of_one = [
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIgnoreCase",
        "StringEqualsIfExists",
        "StringNotLikeIfExists",
    ];
    let of_many = [
        "ForAnyValue:StringEquals",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotEquals",
        "ForAllValues:StringLike",
        "ForAllValues:StringNotEquals",
    ];
    let of_number = ["NumericLessThan", "NumericGreaterThanEquals", "NumericEquals", "NumericNotEquals"];
    prop_oneof![
        (prop::sample::select(of_one.to_vec()), texts.clone())
            .prop_map(|(it, texts)| json!({ it: { "x:one": texts } })),
        (prop::sample::select(of_many.to_vec()), short)
            .prop_map(|(it, texts)| json!({ it: { "x:many": texts } })),
        (prop::sample::select(of_number.to_vec()), 5u8..8)
            .prop_map(|(it, value)| json!({ it: { "x:number": value } })),
        prop::sample::select(vec!["IpAddress", "NotIpAddress"])
            .prop_map(|it| json!({ it: { "x:address": "10.0.0.0/29" } })),
        prop::sample::select(vec!["true", "false"]).prop_map(|it| json!({ "Null": { "x:one": it } })),
    ]
}

fn statement() -> impl Strategy<Value = Value> {
    let actions = prop::sample::select(vec!["x:A", "x:B", "x:*", "*", "X:a"]);
    (
        prop::bool::weighted(0.6),
        actions,
        prop::bool::weighted(0.2),
        proptest::collection::vec(pattern(), 1..3),
        prop::bool::weighted(0.25),
        proptest::option::weighted(0.5, condition()),
    )
        .prop_map(|(allow, action, not_action, resources, not_resource, condition)| {
            let mut statement = json!({
                "Effect": if allow { "Allow" } else { "Deny" },
                if not_action { "NotAction" } else { "Action" }: action,
                if not_resource { "NotResource" } else { "Resource" }: resources,
            });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        })
}

fn document(statements: usize) -> impl Strategy<Value = Document> {
    proptest::collection::vec(statement(), 1..=statements).prop_map(|statements| {
        let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        read(&text, Use::Identity).unwrap()
    })
}

fn policies() -> impl Strategy<Value = Policies> {
    let limit = || proptest::option::weighted(0.3, document(2));
    (document(4), limit(), limit()).prop_map(|(identity, boundary, organization)| Policies {
        identity: vec![identity],
        boundaries: boundary.into_iter().collect(),
        service_controls: organization.into_iter().collect(),
        ..Policies::default()
    })
}

const ACTIONS: [&str; 2] = ["x:A", "x:B"];

/// The first request that is wanted, resources in the order of their length.
fn tried(policies: &Policies) -> Option<Request> {
    let contexts = contexts(policies);
    for resource in texts(LENGTH_MAX).into_iter().filter(|text| text.starts_with('a')) {
        for action in ACTIONS {
            for context in &contexts {
                let request = Request {
                    action: action.to_owned(),
                    resource: resource.clone(),
                    context: context.clone(),
                };
                if evaluate(policies, &request) == Outcome::Allowed {
                    return Some(request);
                }
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn what_trying_finds_is_decided_to_be_possible(policies in policies()) {
        let question = Question {
            actions: ACTIONS.map(str::to_owned).to_vec(),
            resource: Pattern::glob("a*"),
            fixed: BTreeMap::new(),
        };
        match (decide(&policies, &question), tried(&policies)) {
            (Answer::Possible(ours), Some(theirs)) => prop_assert!(ours.resource.len() <= theirs.resource.len()),
            (Answer::Possible(ours), None) => prop_assert!(ours.resource.len() > LENGTH_MAX, "{:?}", ours),
            (Answer::Impossible(_), None) => {}
            (answer, tried) => prop_assert!(false, "{answer:?} {tried:?}"),
        }
    }
}

proptest! {
    // Each goes over all known actions.
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn a_policy_allows_no_more_than_itself_and_a_denial_takes_away(policies in policies(), denial in document(2)) {
        prop_assert!(matches!(diff(&policies, &policies), Difference::NoMore(_)));
        let mut less = policies.clone();
        let denials = denial.statements.into_iter().map(|mut it| {
            it.effect = mantlet_cloud::iam::policy::Effect::Deny;
            it
        });
        less.identity[0].statements.extend(denials);
        prop_assert!(matches!(diff(&policies, &less), Difference::NoMore(_)));
    }
}

#[test]
fn what_is_newly_possible_is_found() {
    let one = |resource: &str| {
        Policies {
        identity: vec![
            read(
                &json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource } })
                    .to_string(),
                Use::Identity,
            )
            .unwrap(),
        ],
        ..Policies::default()
    }
    };
    let (narrow, wide) = (one("arn:aws:s3:::b/models/*"), one("arn:aws:s3:::b/*"));
    assert!(matches!(diff(&wide, &narrow), Difference::NoMore(_)));
    let Difference::More(more) = diff(&narrow, &wide) else { panic!() };
    assert_eq!(more.len(), 1);
    assert_eq!(more[0].request.action, "s3:GetObject");
    assert!(
        more[0].request.resource.starts_with("arn:aws:s3:::b/")
            && !more[0].request.resource.contains("models/")
    );
}
