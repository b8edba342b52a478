//! What a decision costs: at most 2 µs where it is remembered, some 10 µs where it is not.

#![expect(clippy::expect_used, reason = "a kit that cannot be set up must end the bench")]

use std::{hint::black_box, net::IpAddr};

use mantlet_gate::{
    identity::Principal,
    policy::{self, Policy, Target},
    record::Record,
    testing::{BEGIN, CLIENT, Kit, MODEL, ask},
};
use mantlet_types::{Action, RequestId, Resource, entry::Event};

fn main() {
    divan::main();
}

fn model() -> Target {
    Target::Resource(Resource::Model(MODEL.parse().expect("a model name")))
}

fn consumer(kit: &Kit) -> Principal {
    kit.authenticate(kit.bearer(&kit.consumer_key)).expect("the kit's application")
}

fn operator(kit: &Kit) -> Principal {
    kit.authenticate(kit.operator()).expect("the kit's operator")
}

fn record() -> Record {
    let ip: IpAddr = CLIENT.parse().expect("an address");
    let node = "node-1".parse().expect("a node name");
    Record::new(Event::Inference, node, RequestId::new(BEGIN, [0; 10]), ip, None)
}

/// A decision that is remembered.
#[divan::bench]
fn warm(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    let (principal, target) = (consumer(&kit), model());
    bencher.bench(|| policy::permits(black_box(&principal), Action::Predict, &target, BEGIN));
}

/// The whole step of the request path, the entry's members included.
#[divan::bench]
fn authorize_warm(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    let question = ask();
    bencher
        .with_inputs(|| (consumer(&kit), record()))
        .bench_values(|(principal, record)| policy::authorized(principal, &question, BEGIN, record));
}

/// A generation's first decision about an application.
#[divan::bench]
fn cold_consumer(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    let target = model();
    let fresh = || {
        kit.change(&[]);
        consumer(&kit)
    };
    bencher
        .with_inputs(fresh)
        .bench_values(|principal| policy::permits(&principal, Action::Predict, &target, BEGIN));
}

/// A generation's first decision about a person.
#[divan::bench]
fn cold_user(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    let target = model();
    let fresh = || {
        kit.change(&[]);
        operator(&kit)
    };
    bencher
        .with_inputs(fresh)
        .bench_values(|principal| policy::permits(&principal, Action::Predict, &target, BEGIN));
}

/// Reading and validating a custom policy, and indexing it with the embedded ones: part of every change of policies.
#[divan::bench(sample_count = 20)]
fn load() -> bool {
    let custom = r#"@id("X_1") forbid(principal, action == Mantlet::Action::"export", resource) unless { context.mfa };"#;
    Policy::new(black_box(Some(custom))).is_ok()
}

/// Every role × action.
#[divan::bench(sample_count = 10)]
fn matrix(bencher: divan::Bencher<'_, '_>) {
    let policy = Policy::new(None).expect("the embedded policies");
    bencher.bench(|| policy.matrix());
}
