//! What it costs to know who asks: budget 0.5 µs beside the HMAC.

use std::hint::black_box;

use mantlet_gate::{
    identity::{
        Peppers,
        key::{self, Env},
    },
    testing::Kit,
};

fn main() {
    divan::main();
}

#[divan::bench]
fn parse(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    bencher.bench(|| key::parse(black_box(&kit.consumer_key)).is_ok());
}

#[divan::bench]
fn hmac(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    let peppers = Peppers::new(1, &[7; 32]);
    let presented = key::parse(&kit.consumer_key).ok();
    bencher.bench(|| presented.is_some_and(|presented| peppers.verify(&presented, Some((1, &[0; 32])))));
}

#[divan::bench]
fn authenticate(bencher: divan::Bencher<'_, '_>) {
    let kit = Kit::new();
    bencher
        .with_inputs(|| kit.bearer(&kit.consumer_key))
        .bench_values(|arrival| kit.authenticate(arrival).is_ok());
}

#[divan::bench]
fn mint(bencher: divan::Bencher<'_, '_>) {
    let peppers = Peppers::new(1, &[7; 32]);
    bencher.bench(|| key::mint(Env::Live, &peppers).is_ok());
}
