//! Trees are explained as the definition says, coalition by coalition.

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;
use crate::{explain::tests::shapley, runtime::Mode};

const FEATURES: usize = 5;

/// Random trees of this depth, all splits and leaves numbered from the root on.
fn form(depth: usize, trees: usize) -> impl Strategy<Value = TreesForm> {
    let inner = (1 << depth) - 1;
    let modes = prop::sample::select(vec![
        Mode::LessEqual,
        Mode::Less,
        Mode::GreaterEqual,
        Mode::Greater,
        Mode::Equal,
        Mode::NotEqual,
        Mode::Member(0),
    ]);
    // The last feature is in no split.
    let split = (0..FEATURES as u32 - 1, -2_i8..3, modes, any::<bool>());
    let splits = prop::collection::vec(split, inner * trees);
    let leaves = prop::collection::vec(-1.0..1.0_f64, (inner + 1) * trees);
    (splits, leaves, -1.0..1.0_f64).prop_map(move |(splits, leaves, base)| {
        let split = |(index, (feature, threshold, mode, missing_is_true)): (usize, (u32, i8, Mode, bool))| {
            let (tree, node) = (index / inner, index % inner);
            let child = |child: usize| match child.checked_sub(inner) {
                Some(leaf) => Target::Leaf((tree * (inner + 1) + leaf) as u32),
                None => Target::Node((tree * inner + child) as u32),
            };
            let (on_true, on_false) = (child(2 * node + 1), child(2 * node + 2));
            Split { feature, threshold: f64::from(threshold), mode, missing_is_true, on_true, on_false }
        };
        TreesForm {
            splits: splits.into_iter().enumerate().map(split).collect(),
            roots: (0..trees).map(|tree| Target::Node((tree * inner) as u32)).collect(),
            members: vec![vec![-1.0, 1.0]],
            leaves: vec![leaves],
            base: vec![base],
        }
    })
}

/// Values on and between thresholds, and missing ones.
fn rows(count: usize) -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![8 => (-5_i8..6).prop_map(|half| f64::from(half) / 2.0), 1 => Just(f64::NAN)];
    prop::collection::vec(value, count * FEATURES)
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(3), cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn attributions_are_the_definition(form in form(3, 2), background in rows(4), x in rows(1)) {
        let trees = Trees::new(form, &background, FEATURES).unwrap();
        let expect = shapley(FEATURES, |from_x| {
            let of = |row: &[f64]| {
                let pick = |index: usize| if from_x[index] { x[index] } else { row[index] };
                trees.value(0, &(0..FEATURES).map(pick).collect::<Vec<_>>())
            };
            background.chunks_exact(FEATURES).map(of).sum::<f64>() / 4.0
        });
        let found = trees.attributions(0, &x, &|| false).unwrap();
        for (found, expect) in found.iter().zip(&expect) {
            prop_assert!((found - expect).abs() < 1e-12, "{} {}", found, expect);
        }
        // Efficiency, and nothing for a feature in no split.
        let missing = trees.value(0, &x) - trees.base(0) - found.iter().sum::<f64>();
        prop_assert!(missing.abs() < 1e-12);
        prop_assert_eq!(found[FEATURES - 1], 0.0);
    }

    /// Two features that every split treats alike get alike, where x and the background hold the same for both.
    #[test]
    fn alike_features_get_alike(threshold in -1.0..1.0_f64, leaves in prop::collection::vec(-1.0..1.0_f64, 3), x in -2.0..2.0_f64, b in -2.0..2.0_f64) {
        let split = |feature, on_true, on_false| Split {
            feature, threshold, mode: Mode::LessEqual, missing_is_true: false, on_true, on_false,
        };
        // One leaf where both are below, two of the same value where either is, one where none is.
        let form = TreesForm {
            splits: vec![
                split(0, Target::Node(1), Target::Node(2)),
                split(1, Target::Leaf(0), Target::Leaf(1)),
                split(1, Target::Leaf(3), Target::Leaf(2)),
            ],
            roots: vec![Target::Node(0)],
            members: Vec::new(),
            leaves: vec![[&leaves[..], &[leaves[1]]].concat()],
            base: vec![0.0],
        };
        let found = Trees::new(form, &[b, b], 2).unwrap().attributions(0, &[x, x], &|| false).unwrap();
        prop_assert!((found[0] - found[1]).abs() < 1e-15);
    }
}

#[test]
fn all_bits_of_a_set_are_used() {
    let split = Split {
        feature: 0,
        threshold: 0.0,
        mode: Mode::LessEqual,
        missing_is_true: false,
        on_true: Target::Leaf(0),
        on_false: Target::Leaf(1),
    };
    let form = || TreesForm {
        splits: vec![split],
        roots: vec![Target::Node(0)],
        members: Vec::new(),
        leaves: vec![vec![0.0, 1.0]],
        base: vec![0.0],
    };
    for rows in [1, 2, 127, ROWS_MAX] {
        let background: Vec<f64> = (0..rows).map(|row| if row % 2 == 0 { -1.0 } else { 1.0 }).collect();
        let trees = Trees::new(form(), &background, 1).unwrap();
        let below = rows.div_ceil(2) as f64 / rows as f64;
        assert!((trees.attributions(0, &[1.0], &|| false).unwrap()[0] - below).abs() < 1e-15, "{rows}");
    }
    assert!(Trees::new(form(), &[0.0; ROWS_MAX + 1], 1).is_none());
    assert!(Trees::new(form(), &[], 1).is_none());
}

#[test]
fn a_tree_that_is_too_deep_is_not_walked() {
    let chain = |depth: u32| TreesForm {
        splits: (0..depth)
            .map(|node| Split {
                feature: 0,
                threshold: f64::from(node),
                mode: Mode::LessEqual,
                missing_is_true: false,
                on_true: Target::Leaf(node),
                on_false: if node + 1 < depth { Target::Node(node + 1) } else { Target::Leaf(depth) },
            })
            .collect(),
        roots: vec![Target::Node(0)],
        members: Vec::new(),
        leaves: vec![vec![1.0; depth as usize + 1]],
        base: vec![0.0],
    };
    assert!(Trees::new(chain(DEPTH_MAX as u32), &[0.0], 1).is_some());
    assert!(Trees::new(chain(DEPTH_MAX as u32 + 1), &[0.0], 1).is_none());
}

/// Trees of one split each, on leaves of their own or all on the same two.
fn stumps(count: u32, shared: bool) -> TreesForm {
    let leaf = |tree: u32, side: u32| Target::Leaf(if shared { side } else { 2 * tree + side });
    let split = |tree: u32| Split {
        feature: 0,
        threshold: 0.0,
        mode: Mode::LessEqual,
        missing_is_true: false,
        on_true: leaf(tree, 0),
        on_false: leaf(tree, 1),
    };
    TreesForm {
        splits: (0..count).map(split).collect(),
        roots: (0..count).map(Target::Node).collect(),
        members: Vec::new(),
        leaves: vec![vec![1.0; if shared { 2 } else { 2 * count as usize }]],
        base: vec![0.0],
    }
}

/// Two leaves for any number of branches seemed to be next to no work.
#[test]
fn branches_that_share_a_leaf_are_not_walked() {
    assert!(Trees::new(stumps(2, false), &[0.0], 1).is_some());
    assert!(Trees::new(stumps(1, true), &[0.0], 1).is_some());
    assert!(Trees::new(stumps(2, true), &[0.0], 1).is_none());
    let lone = |roots| TreesForm { roots, ..stumps(1, false) };
    assert!(Trees::new(lone(vec![Target::Leaf(0), Target::Leaf(1)]), &[0.0], 1).is_some());
    assert!(Trees::new(lone(vec![Target::Leaf(0), Target::Leaf(0)]), &[0.0], 1).is_none());
    assert!(Trees::new(lone(vec![Target::Leaf(2)]), &[0.0], 1).is_none());
}

/// What is announced is no less than what is done, counted by hand where every row of the background goes apart.
#[test]
fn work_is_that_of_branches_rows_depth_and_targets() {
    // Three branches and two steps at each, and the sum itself over its two steps.
    assert_eq!(work(&stumps(1, false), 1, 1, 1), 3 * 2 + 2);
    assert_eq!(work(&stumps(1_000, true), 128, 1, 1), 128 * 1_000 * (3 * 2 + 2));
    // A leaf's features are at most those that there are.
    assert_eq!(work(&stumps(1, false), 1, 60, 4), 3 * 5 + 61);
    let wide = TreesForm { leaves: vec![vec![0.0; 2]; 50], ..stumps(1, false) };
    assert_eq!(work(&wide, 10, 1, 1), 10 * (3 * 2 * 2 + 2 * 50));
    let many = TreesForm { roots: vec![Target::Node(0); 1 << 20], ..stumps(1, false) };
    assert!(work(&many, ROWS_MAX, 1, 1) <= WORK_MAX);
    assert!(work(&many, ROWS_MAX, DEPTH_MAX, 64) > WORK_MAX);
}

#[test]
fn more_work_than_anybody_waits_for_is_refused() {
    let count = u32::try_from(WORK_MAX / (8 * ROWS_MAX)).unwrap();
    let background = [0.0; ROWS_MAX];
    assert!(Trees::new(stumps(count + 1, false), &background, 1).is_none());
    assert!(Trees::new(stumps(1_000, false), &background, 1).is_some());
}

#[test]
fn the_time_is_looked_at_before_every_tree() {
    let trees = Trees::new(stumps(5, false), &[-1.0], 1).unwrap();
    let looks = std::cell::Cell::new(0);
    let look = |late_at: usize| {
        looks.set(looks.get() + 1);
        looks.get() == late_at
    };
    assert!(trees.attributions(0, &[1.0], &|| look(6)).is_some());
    assert_eq!(looks.replace(0), 5);
    assert!(trees.attributions(0, &[1.0], &|| look(3)).is_none());
    assert_eq!(looks.get(), 3);
}
