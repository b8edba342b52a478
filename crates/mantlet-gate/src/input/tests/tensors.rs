//! Questions that carry tensors.

use super::*;

fn floats(values: &[f32]) -> TensorData {
    TensorData::Fp32(values.to_vec())
}

fn pair() -> Contract {
    let inputs = vec![spec("a", Datatype::Fp32, &[None, Some(2)]), spec("b", Datatype::Int64, &[None])];
    contract(Layout::Tensors, inputs, Vec::new())
}

fn a(rows: usize) -> Tensor {
    tensor("a", &[rows, 2], floats(&vec![1.0; rows * 2]))
}

fn b(rows: usize) -> Tensor {
    tensor("b", &[rows], TensorData::Int64(vec![7; rows]))
}

#[test]
fn tensors_come_in_any_order_and_leave_in_the_contracts() {
    let checked = super::super::check(&pair(), sent(vec![b(3), a(3)])).unwrap();
    assert_eq!((checked.rows, checked.tensors), (3, vec![a(3), b(3)]));
}

#[test]
fn every_input_comes_once() {
    check(&pair(), sent(vec![a(1)]), Err("invalid_input b"));
    check(&pair(), sent(vec![a(1), b(1), a(1)]), Err("invalid_input a"));
    check(&pair(), sent(vec![a(1), b(1), tensor("c", &[1], floats(&[1.0]))]), Err("invalid_input inputs"));
    check(&pair(), sent(Vec::new()), Err("invalid_input a"));
}

#[test]
fn type_shape_and_count_are_the_contracts() {
    let with = |first: Tensor| sent(vec![first, b(1)]);
    check(&pair(), with(tensor("a", &[1, 2], TensorData::Fp64(vec![1.0; 2]))), Err("invalid_input a"));
    check(&pair(), with(tensor("a", &[1, 3], floats(&[1.0; 3]))), Err("invalid_input a"));
    check(&pair(), with(tensor("a", &[2], floats(&[1.0; 2]))), Err("invalid_input a"));
    check(&pair(), with(tensor("a", &[1, 2], floats(&[1.0; 3]))), Err("invalid_input a"));
    check(&pair(), with(tensor("a", &[], floats(&[1.0]))), Err("invalid_input inputs"));
    check(&pair(), sent(vec![a(2), b(3)]), Err("invalid_input b"));
    check(&pair(), sent(vec![a(5), b(5)]), Err("invalid_input inputs"));
    check(&pair(), sent(vec![a(0), b(0)]), Err("invalid_input inputs"));
}

#[test]
fn sizes_are_bounded_before_anything_else() {
    let deep = tensor("a", &[1; limits::RANK_MAX + 1], floats(&[1.0]));
    check(&pair(), sent(vec![deep, b(1)]), Err("invalid_input inputs"));
    let big = tensor("a", &[1], TensorData::Bool(vec![true; limits::ELEMENTS_MAX + 1]));
    check(&pair(), sent(vec![big]), Err("invalid_input inputs"));
    check(&pair(), sent(vec![a(1); limits::TENSORS_MAX + 1]), Err("invalid_input inputs"));
    let overflowing = tensor("a", &[1, usize::MAX], floats(&[1.0]));
    check(&pair(), sent(vec![overflowing, b(1)]), Err("invalid_input a"));
}

#[test]
fn no_float_type_carries_what_is_no_number() {
    let cases = [
        (Datatype::Fp16, TensorData::Fp16(vec![0x7C00])),
        (Datatype::Fp16, TensorData::Fp16(vec![0xFE00])),
        (Datatype::Fp32, TensorData::Fp32(vec![f32::NAN])),
        (Datatype::Fp32, TensorData::Fp32(vec![f32::NEG_INFINITY])),
        (Datatype::Fp64, TensorData::Fp64(vec![f64::NAN])),
        (Datatype::Fp64, TensorData::Fp64(vec![f64::INFINITY])),
    ];
    for (datatype, data) in cases {
        let free = contract(Layout::Tensors, vec![spec("x", datatype, &[None])], Vec::new());
        check(&free, sent(vec![tensor("x", &[1], data.clone())]), Err("invalid_input x"));
        // Not even where rows may say `null`: in a tensor nobody can tell it from an accident.
        let tabular = columns(vec![(datatype, optional(number("age")))]);
        check(&tabular, sent(vec![tensor("in_age", &[1, 1], data)]), Err("invalid_input age"));
    }
}

#[test]
fn tensors_are_no_way_around_the_features() {
    let mut contract = matrix(Datatype::Fp32);
    contract.features[1] = bounded("dose", (0.0, 1.0), (0.0, 0.1));
    let dose = |dose: f32| sent(vec![tensor("x", &[2, 2], floats(&[1.0, 0.0, 1.0, dose]))]);
    assert!(outcome(&contract, dose(0.1)).is_ok());
    check(&contract, dose(0.2), Err("invalid_input dose"));
    contract.inputs[0].shape = vec![None, None];
    let wide = tensor("x", &[2, 3], floats(&[1.0; 6]));
    check(&contract, sent(vec![wide]), Err("invalid_input x"));

    let job = columns(vec![(Datatype::Bytes, category("job", Some(&["cook"])))]);
    let jobs = |job: &[u8]| sent(vec![tensor("in_job", &[1, 1], TensorData::Bytes(vec![job.to_vec()]))]);
    check(&job, jobs(b"cook"), Ok(vec![TensorData::Bytes(vec![b"cook".to_vec()])]));
    check(&job, jobs(b"thief"), Err("invalid_input job"));
    let free = columns(vec![(Datatype::Bytes, category("job", None))]);
    check(&free, jobs(b"\xFF"), Err("invalid_input job"));
}

#[test]
fn undescribed_strings_are_text() {
    let contract = contract(Layout::Tensors, vec![spec("prompt", Datatype::Bytes, &[None])], Vec::new());
    let prompt = |bytes: &[u8]| sent(vec![tensor("prompt", &[1], TensorData::Bytes(vec![bytes.to_vec()]))]);
    check(&contract, prompt(b" <p>hi</p>\x07"), Ok(vec![TensorData::Bytes(vec![b"hi".to_vec()])]));
    check(&contract, prompt(b""), Err("invalid_input prompt"));
    check(&contract, prompt(b"\xFF\xFE"), Err("invalid_input prompt"));
    let long = "x".repeat(limits::TEXT_CHARS_MAX + 1);
    check(&contract, prompt(long.as_bytes()), Err("invalid_input prompt"));
}

#[test]
fn integers_in_tensors_keep_every_bit() {
    let contract = contract(Layout::Tensors, vec![spec("x", Datatype::Int64, &[None])], Vec::new());
    let data = TensorData::Int64(vec![9_007_199_254_740_993]);
    check(&contract, sent(vec![tensor("x", &[1], data.clone())]), Ok(vec![data]));
}
