//! What one row costs, counted, against what a forest says that it costs.

use std::{cell::Cell, cmp::Ordering, ops::AddAssign};

use super::*;

thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    COMPARISONS.set(COMPARISONS.get() + 1);
}

/// A float that counts how often it is compared.
#[derive(Clone, Copy, Debug, Default)]
struct Counted(f64);

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        count();
        self.0 == other.0
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        count();
        self.0.partial_cmp(&other.0)
    }
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Real for Counted {
    fn missing(self) -> bool {
        self.0.is_nan()
    }
    fn score(self) -> f32 {
        self.0.score()
    }
    fn wide(self) -> f64 {
        self.0
    }
    fn divided_by(self, count: usize) -> Self {
        Self(self.0.divided_by(count))
    }
    fn negated(self) -> Self {
        Self(-self.0)
    }
}

fn member(set: u32, on_true: Target, on_false: Target) -> Split<Counted> {
    let mode = Mode::Member(set);
    Split { feature: 0, threshold: Counted(0.0), mode, missing_is_true: false, on_true, on_false }
}

/// A chain of nodes that each ask for membership of their own set.
fn chain(sets: &[Vec<f64>]) -> Forest<Counted> {
    let last = sets.len() as u32 - 1;
    let next = |at: u32| if at == last { Target::Leaf(at + 1) } else { Target::Node(at + 1) };
    let splits: Vec<_> = (0..=last).map(|at| member(at, Target::Leaf(at), next(at))).collect();
    let members = sets.iter().map(|set| set.iter().copied().map(Counted).collect()).collect();
    Forest::new(&splits, &[Target::Node(0)], members, &vec![1; sets.len() + 1]).unwrap()
}

fn leaf(forest: &Forest<Counted>, value: f64) -> usize {
    let mut found = None;
    forest.each_leaf(&[Counted(value)], |leaf| found = Some(leaf));
    found.unwrap()
}

#[test]
fn large_sets_are_looked_up_in_no_more_comparisons_than_are_announced() {
    // Neither in order nor in reverse, and of no even size.
    let set = |from: u64| (0..50_001_u64).map(|at| (from + at * 7_919 % 50_001) as f64).collect::<Vec<_>>();
    let forest = chain(&[set(0), set(100_000), set(200_000)]);
    assert_eq!(forest.work(), 3 * (1 + 16) + 1);
    for value in [0.0, 25_000.0, 50_000.0, 50_000.5, -1.0, 199_999.0, 250_000.0, f64::NAN, f64::INFINITY] {
        COMPARISONS.set(0);
        leaf(&forest, value);
        assert!(COMPARISONS.get() <= forest.work(), "{value}: {} comparisons", COMPARISONS.get());
    }
}

#[test]
fn members_are_equal_as_numbers_are() {
    let sets = [vec![3.0, -0.0, 1.0, 1.0], vec![f64::NAN, -1.0, f64::INFINITY], vec![]];
    let forest = chain(&sets);
    let zeros = chain(&[vec![0.0, -0.0, -0.0]]);
    for value in [3.0, 0.0, -0.0, 1.0, 2.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-320] {
        let expect = sets.iter().position(|set| set.contains(&value)).unwrap_or(sets.len());
        assert_eq!(leaf(&forest, value), expect, "{value}");
        assert_eq!(leaf(&zeros, value), usize::from(value != 0.0), "{value}");
    }
}

#[test]
fn sets_have_an_end() {
    let forest = |sizes: &[usize]| {
        let members = sizes.iter().map(|size| vec![1.0_f32; *size]).collect();
        Forest::new(&[], &[Target::Leaf(0)], members, &[1])
    };
    assert!(forest(&[MEMBERS_MAX - 1, 1]).is_ok());
    assert_eq!(forest(&[MEMBERS_MAX, 1]).err(), Some("the sets of a tree have too many members"));
}

#[test]
fn every_weight_of_a_leaf_is_work() {
    let split = member(0, Target::Leaf(0), Target::Leaf(1));
    let forest = |leaves: &[usize]| {
        Forest::new(&[split], &[Target::Node(0), Target::Leaf(2)], vec![vec![]], leaves).unwrap().work()
    };
    assert_eq!(forest(&[1, 1, 1]), 3);
    assert_eq!(forest(&[0, 1_000_000, 30]), 1 + 1_000_000 + 30);
}
