//! Graphs that would take too much room or time, or be answered wrongly, and are refused.

use super::{super::super::RunError, *};

#[test]
fn blown_up_tensors_are_refused_by_node_and_operator() {
    let x = || Builder::new(&[0, 2]);
    let blown = |operator: &str, list: &[i64]| x().ints("s", list).node(operator, &["x", "s"], "y", vec![]);
    for (operator, list) in [("Expand", &[1 << 20, 1 << 10, 1][..]), ("Tile", &[1 << 20, 1 << 20])] {
        let why = refusal(blown(operator, list));
        assert_eq!(why, format!("node `y` of operator `{operator}`: what it makes is too large"));
    }
    assert!(refusal(blown("Expand", &[1 << 40, 1 << 40])).contains("`Expand`"));
    let filled = x().ints("s", &[1 << 27]).node("ConstantOfShape", &["s"], "big", vec![]);
    let why =
        refusal(filled.node("ReduceSum", &["big"], "one", vec![]).node("Add", &["x", "one"], "y", vec![]));
    assert_eq!(why, "node `big` of operator `ConstantOfShape`: what it makes is too large");
    let counted = |limit, step| {
        let range =
            x().int("a", 0).int("b", limit).int("c", step).node("Range", &["a", "b", "c"], "r", vec![]);
        range.node("Cast", &["r"], "f", vec![int("to", 1)]).node("ReduceSum", &["f"], "one", vec![]).node(
            "Add",
            &["x", "one"],
            "y",
            vec![],
        )
    };
    assert!(refusal(counted(1 << 30, 1)).contains("`Range`: what it makes is too large"));
    // Adding the step once more would wrap around, and the engine would count on for ever.
    assert!(refusal(counted(i64::from(i32::MAX), 1 << 30)).contains("`Range`: it counts beyond 32 bits"));
    assert!(refusal(counted(5, 0)).contains("`Range`: it counts without moving"));
}

#[test]
fn many_tensors_are_refused_though_each_is_small() {
    let wide = |count: usize| {
        let mut builder = Builder::new(&[0, 1 << 20]);
        let mut names = Vec::new();
        for index in 0..count {
            let name = format!("v{index}");
            builder = builder.node("Erf", &["x"], &name, vec![]);
            names.push(name);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        builder.node("Sum", &names, "y", vec![])
    };
    assert!(wide(20).load(&[("y", F)]).is_ok());
    assert!(refusal(wide(200)).contains("what it makes is too large"));
}

#[test]
fn chains_take_no_more_room_than_their_largest_link() {
    let mut builder = Builder::new(&[0, 1 << 20]).node("Erf", &["x"], "v0", vec![]);
    for index in 0..400 {
        builder = builder.node("Erf", &[&format!("v{index}")], &format!("v{}", index + 1), vec![]);
    }
    assert!(builder.node("Erf", &["v400"], "y", vec![]).load(&[("y", F)]).is_ok());
}

#[test]
fn long_chains_are_refused_and_the_longest_allowed_fits_a_small_stack() {
    let chain = |length: usize| {
        let mut builder = Builder::new(&[0, 2]).node("Erf", &["x"], "v0", vec![]);
        for index in 0..length - 2 {
            builder = builder.node("Erf", &[&format!("v{index}")], &format!("v{}", index + 1), vec![]);
        }
        builder.node("Erf", &[&format!("v{}", length - 2)], "y", vec![])
    };
    assert!(refusal(chain(2_001)).contains("one after another"));
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let ran = small.spawn(move || chain(2_000).load(&[("y", F)]).unwrap().run(&[&zeros(&[1, 2])]).is_ok());
    assert!(ran.unwrap().join().unwrap());
}

#[test]
fn sizes_that_only_data_decide_are_refused() {
    let cast = || Builder::new(&[0]).node("Cast", &["x"], "whole", vec![int("to", 7)]);
    for operator in ["ConstantOfShape", "Expand"] {
        let inputs: &[&str] = if operator == "Expand" { &["x", "whole"] } else { &["whole"] };
        assert!(
            refusal(cast().node(operator, inputs, "y", vec![])).contains("depends on data"),
            "{operator}"
        );
    }
    for operator in ["NonZero", "Loop", "If", "Einsum", "SequenceEmpty", "NonMaxSuppression"] {
        let why = refusal(Builder::new(&[0, 2]).node(operator, &["x"], "y", vec![]));
        assert_eq!(why, format!("operator `{operator}` of domain `ai.onnx` at opset 17 cannot run here"));
    }
}

#[test]
fn endless_work_is_refused_though_it_needs_no_room() {
    let side = 1 << 14;
    let pool = Builder::new(&[0, 1, 8, 8]).node(
        "AveragePool",
        &["x"],
        "y",
        vec![
            ints("kernel_shape", &[side, side]),
            ints("strides", &[1, 1]),
            ints("pads", &[side, side, side, side]),
        ],
    );
    assert_eq!(refusal(pool), "node `y` of operator `AveragePool`: what it makes is too large");
    let pads = [side / 2, side / 2, side / 2 + 64, side / 2 + 64];
    let pool = Builder::new(&[0, 1, 8, 8]).node(
        "AveragePool",
        &["x"],
        "y",
        vec![ints("kernel_shape", &[side, side]), ints("strides", &[1, 1]), ints("pads", &pads)],
    );
    assert_eq!(refusal(pool), "node `y` of operator `AveragePool`: it takes too long");
}

#[test]
fn a_batch_beyond_the_room_is_refused_and_the_largest_within_is_known() {
    let wide = Builder::new(&[0, 1, 64, 64]).floats("w", &[512, 1, 1, 1], 0.1);
    let wide = wide.node("Conv", &["x", "w"], "c", vec![ints("kernel_shape", &[1, 1])]);
    let neural = wide.node("GlobalAveragePool", &["c"], "y", vec![]).load(&[("y", F)]).unwrap();
    let most = neural.rows_max(1_000);
    assert!((10..40).contains(&most), "{most}");
    assert_eq!(neural.rows_max(5), 5);
    assert!(neural.run(&[&zeros(&[most, 1, 64, 64])]).is_ok());
    let error = neural.run(&[&zeros(&[most + 1, 1, 64, 64])]).unwrap_err();
    assert!(
        matches!(&error, RunError::Operator { operator, .. } if operator == "GlobalAveragePool" || operator == "Conv"),
        "{error}"
    );
}

#[test]
fn what_is_given_twice_is_refused() {
    let mut builder = Builder::new(&[0, 2]).ints("s", &[2, 2]);
    builder.graph.initializer[0].raw_data = vec![0; 16].into();
    assert!(refusal(builder.node("Expand", &["x", "s"], "y", vec![])).contains("given twice"));
    let builder = Builder::new(&[0, 2]).ints("s", &[1]);
    assert!(refusal(builder.node("Squeeze", &["x", "s"], "y", vec![ints("axes", &[0])])).contains("both"));
}

#[test]
fn what_the_engine_would_answer_wrongly_is_refused() {
    let kernel = || ints("kernel_shape", &[2, 2]);
    let conv = Builder::new(&[0, 1, 8, 8]).floats("w", &[1, 1, 2, 2], 0.1);
    let lower = conv.node("Conv", &["x", "w"], "y", vec![kernel(), text("auto_pad", "SAME_LOWER")]);
    assert!(refusal(lower).contains("`auto_pad`"));
    let resize = |attribute| {
        let x = Builder::new(&[0, 1, 8, 8]).ints("s", &[1, 1, 4, 4]);
        refusal(x.node("Resize", &["x", "", "", "s"], "y", vec![attribute]))
    };
    assert!(resize(text("mode", "cubic")).contains("resizes in a way"));
    assert!(resize(text("nearest_mode", "round_prefer_ceil")).contains("resizes in a way"));
    let old = |attributes| {
        let mut builder = Builder::new(&[0, 3, 4]).node("Erf", &["x"], "e", vec![]);
        builder.opset = 11;
        builder.node("Softmax", &["e"], "y", attributes)
    };
    assert!(refusal(old(vec![])).contains("before version 13"));
    assert!(old(vec![int("axis", 2)]).load(&[("y", F)]).is_ok());
    let unknown = Builder::new(&[0, 3]).node("Erf", &["x"], "y", vec![int("inverse", 1)]);
    assert_eq!(refusal(unknown), "node `y` of operator `Erf`: attribute `inverse` is unknown here");
}
