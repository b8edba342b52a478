//! Messages that prost writes, and hostile ones that nobody would.

use mantlet_types::Code;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::server::{
    grpc::oracle::{self, Choice, Contents, InferParameter, Request, Requested},
    testing::contract,
};

/// A request for one row of the test contract's, typed.
fn request() -> Request {
    let contents = Contents { fp32s: vec![41.0, 50_000.0], ..Contents::default() };
    Request {
        model_name: "loans".into(),
        inputs: vec![oracle::Tensor {
            name: "X".into(),
            datatype: "FP32".into(),
            shape: vec![1, 2],
            contents: Some(contents),
            ..oracle::Tensor::default()
        }],
        ..Request::default()
    }
}

fn raw_request() -> Request {
    let mut request = request();
    request.inputs[0].contents = None;
    request.raw = vec![[41.0_f32.to_le_bytes(), 50_000.0_f32.to_le_bytes()].concat()];
    request
}

fn read(request: &Request) -> Result<(Question, Form), Rejection> {
    decode(&request.encode_to_vec(), &contract())
}

fn tensors_of(question: &Question) -> &[Tensor] {
    let Rows::Tensors(tensors) = &question.rows else { panic!("tensors are asked with") };
    tensors
}

#[track_caller]
fn check(change: impl FnOnce(&mut Request), field: &str) {
    let mut request = request();
    change(&mut request);
    let rejection = read(&request).unwrap_err();
    assert_eq!((rejection.code, rejection.field.as_deref()), (Code::InvalidInput, Some(field)));
}

#[test]
fn raw_and_typed_elements_are_the_same() {
    let (typed, form) = read(&request()).unwrap();
    assert_eq!(form, Form { id: None, raw: false });
    let (raw, form) = read(&raw_request()).unwrap();
    assert_eq!(form, Form { id: None, raw: true });
    assert_eq!(tensors_of(&typed), tensors_of(&raw));
    let expect = Tensor { name: "X".into(), shape: vec![1, 2], data: TensorData::Fp32(vec![41.0, 50_000.0]) };
    assert_eq!(tensors_of(&typed), [expect]);
    // Names that the contract has are shared with it.
    assert_eq!(typed.body_bytes, request().encode_to_vec().len());
}

#[test]
fn what_the_message_says_of_its_answer_is_kept() {
    let mut asked = raw_request();
    asked.id = "my id".into();
    asked.outputs = vec![Requested { name: "label".into(), ..Requested::default() }];
    asked.parameters.insert("limit".into(), Choice::Int64(-7).into());
    asked.parameters.insert("mode".into(), Choice::Text("fast".into()).into());
    asked.parameters.insert("half".into(), Choice::Double(0.5).into());
    asked.parameters.insert("on".into(), Choice::Bool(true).into());
    asked.parameters.insert("seed".into(), Choice::Uint64(1 << 40).into());
    let (question, form) = read(&asked).unwrap();
    assert_eq!(form, Form { id: Some("my id".into()), raw: true });
    assert_eq!(question.outputs, ["label".into()]);
    let expect: [(&str, Scalar); 5] = [
        ("half", Scalar::Number(0.5)),
        ("limit", Scalar::Number(-7.0)),
        ("mode", Scalar::Text("fast".into())),
        ("on", Scalar::Bool(true)),
        ("seed", Scalar::Number((1_u64 << 40) as f64)),
    ];
    assert_eq!(question.options, expect.map(|(name, value)| (name.into(), value)));
}

#[test]
fn the_form_of_the_answer_can_be_asked_for() {
    let wish = |wanted: bool| InferParameter::from(Choice::Bool(wanted));
    let mut typed = request();
    typed.parameters.insert("binary_data_output".into(), wish(true));
    assert!(read(&typed).unwrap().1.raw);
    let mut raw = raw_request();
    raw.outputs =
        vec![Requested { name: "label".into(), parameters: [("binary_data".into(), wish(false))].into() }];
    assert!(!read(&raw).unwrap().1.raw);
    raw.parameters.insert("binary_data_output".into(), wish(true));
    assert!(read(&raw).unwrap().1.raw, "what is said of the whole answer counts");
}

#[test]
fn what_is_wrong_is_named() {
    check(|r| r.id = "ü".into(), "id");
    check(|r| r.id = "x".repeat(129), "id");
    check(|r| r.inputs[0].datatype = "FP31".into(), "inputs[0].datatype");
    check(|r| r.inputs[0].datatype = "BF16".into(), "inputs[0].datatype");
    check(|r| r.inputs[0].shape = vec![-1, 2], "inputs[0].shape");
    check(|r| r.inputs[0].shape = vec![1; 9], "inputs[0].shape");
    check(|r| r.inputs[0].shape = vec![i64::MAX, 2], "inputs[0].shape");
    check(|r| r.inputs[0].shape = vec![1 << 22, 1], "inputs[0].shape");
    check(|r| r.inputs[0].shape = vec![1, 3], "inputs[0].contents");
    check(|r| r.inputs[0].datatype = "FP64".into(), "inputs[0].contents");
    check(|r| r.inputs[0].contents = None, "inputs[0].contents");
    check(|r| r.inputs[0].contents.as_mut().unwrap().ints = vec![1], "inputs[0].contents");
    check(|r| r.raw = vec![vec![0; 8]], "inputs[0].contents");
    check(|r| r.raw = vec![vec![0; 8]; 2], "raw_input_contents");
    check(|r| r.raw = vec![Vec::new(); 2_000], "raw_input_contents");
    check(|r| r.inputs = vec![oracle::Tensor::default(); 1_025], "inputs");
    let named = |name: &str| Requested { name: name.into(), ..Requested::default() };
    check(|r| r.outputs = vec![named("label"); 2], "outputs[1].name");
    check(|r| r.outputs = vec![named("label"), named("a")], "outputs[1].name");
    let shared = || ("shared_memory_region".to_owned(), Choice::Text("x".into()).into());
    check(|r| r.inputs[0].parameters.extend([shared()]), "inputs[0].parameters");
    let class = || [("classification".to_owned(), Choice::Int64(1).into())].into();
    check(
        |r| r.outputs = vec![Requested { name: "label".into(), parameters: class() }],
        "outputs[0].parameters",
    );
    check(|r| drop(r.parameters.insert("a".into(), InferParameter::default())), "parameters");
    check(|r| drop(r.parameters.insert("a".into(), Choice::Double(f64::NAN).into())), "parameters");
    check(|r| drop(r.parameters.insert("a".into(), Choice::Int64(i64::MAX).into())), "parameters");
    let many = (0..65).map(|index| (index.to_string(), Choice::Bool(true).into()));
    check(|r| r.parameters = many.collect(), "parameters");
    check(|r| drop(r.parameters.insert("binary_data_output".into(), Choice::Int64(1).into())), "parameters");
}

#[test]
fn raw_elements_must_be_exactly_the_shapes() {
    for length in [0, 7, 9, 16] {
        let mut asked = raw_request();
        asked.raw[0] = vec![0; length];
        let rejection = read(&asked).unwrap_err();
        assert_eq!(rejection.field.as_deref(), Some("raw_input_contents[0]"), "{length}");
    }
    let mut asked = raw_request();
    let size = |size| InferParameter::from(Choice::Int64(size));
    asked.inputs[0].parameters.insert("binary_data_size".into(), size(8));
    assert!(read(&asked).is_ok());
    asked.inputs[0].parameters.insert("binary_data_size".into(), size(9));
    assert_eq!(read(&asked).unwrap_err().field.as_deref(), Some("inputs[0].parameters"));
}

#[test]
fn a_message_may_come_in_any_order_and_with_more_than_is_known() {
    let parts = [
        Request { raw: raw_request().raw, ..Request::default() },
        Request { inputs: raw_request().inputs, ..Request::default() },
        Request { model_name: "loans".into(), model_version: "3".into(), ..Request::default() },
    ];
    let mut message: Vec<u8> = parts.iter().flat_map(|part| part.encode_to_vec()).collect();
    message.extend_from_slice(&[0xFA, 0x07, 3, 1, 2, 3]); // field 127, three bytes
    let (question, _) = decode(&message, &contract()).unwrap();
    assert_eq!(tensors_of(&question), tensors_of(&read(&raw_request()).unwrap().0));
    assert_eq!(asked(&message).unwrap(), ("loans".parse().unwrap(), Some("3".parse().unwrap())));
}

#[test]
fn a_tensor_without_elements_is_one() {
    for mut empty in [request(), raw_request()] {
        empty.inputs[0].shape = vec![0, 2];
        empty.inputs[0].contents = None;
        empty.raw.iter_mut().for_each(Vec::clear);
        let (question, _) = read(&empty).unwrap();
        assert_eq!(tensors_of(&question)[0].data, TensorData::Fp32(Vec::new()));
    }
}

#[test]
fn what_no_model_can_be_called_is_not_found() {
    for (model, version) in [("", ""), ("a/b", ""), ("loans", "X"), ("loans", "0")] {
        let request =
            Request { model_name: model.into(), model_version: version.into(), ..Request::default() };
        assert_eq!(asked(&request.encode_to_vec()).unwrap_err().code, Code::NotFound);
    }
    assert_eq!(asked(&[0xFF]).unwrap_err().code, Code::InvalidInput);
    assert_eq!(asked(&[0x0A, 1, 0xFF]).unwrap_err().code, Code::InvalidInput, "no UTF-8");
}

#[test]
fn shapes_and_counts_alone_allocate_nothing() {
    // Two bytes of a message per input, at most so many of them.
    let inputs = [0x2A, 0x00].repeat(4 << 20);
    assert_eq!(decode(&inputs, &contract()).unwrap_err().field.as_deref(), Some("inputs"));
    check(|r| r.inputs[0].shape = vec![1 << 20, 2], "inputs[0].contents");
}

/// Contents of every type that has a list, with the same as a tensor.
fn typed() -> impl Strategy<Value = (Contents, TensorData)> {
    let contents = Contents::default;
    prop_oneof![
        any::<Vec<bool>>()
            .prop_map(move |v| (Contents { bools: v.clone(), ..contents() }, TensorData::Bool(v))),
        any::<Vec<i8>>().prop_map(move |v| {
            (Contents { ints: v.iter().map(|v| (*v).into()).collect(), ..contents() }, TensorData::Int8(v))
        }),
        any::<Vec<i16>>().prop_map(move |v| {
            (Contents { ints: v.iter().map(|v| (*v).into()).collect(), ..contents() }, TensorData::Int16(v))
        }),
        any::<Vec<i32>>()
            .prop_map(move |v| (Contents { ints: v.clone(), ..contents() }, TensorData::Int32(v))),
        any::<Vec<i64>>()
            .prop_map(move |v| (Contents { int64s: v.clone(), ..contents() }, TensorData::Int64(v))),
        any::<Vec<u8>>().prop_map(move |v| {
            (Contents { uints: v.iter().map(|v| (*v).into()).collect(), ..contents() }, TensorData::Uint8(v))
        }),
        any::<Vec<u16>>().prop_map(move |v| {
            (Contents { uints: v.iter().map(|v| (*v).into()).collect(), ..contents() }, TensorData::Uint16(v))
        }),
        any::<Vec<u32>>()
            .prop_map(move |v| (Contents { uints: v.clone(), ..contents() }, TensorData::Uint32(v))),
        any::<Vec<u64>>()
            .prop_map(move |v| (Contents { uint64s: v.clone(), ..contents() }, TensorData::Uint64(v))),
        any::<Vec<f32>>()
            .prop_map(move |v| (Contents { fp32s: v.clone(), ..contents() }, TensorData::Fp32(v))),
        any::<Vec<f64>>()
            .prop_map(move |v| (Contents { fp64s: v.clone(), ..contents() }, TensorData::Fp64(v))),
        any::<Vec<Vec<u8>>>()
            .prop_map(move |v| (Contents { bytes: v.clone(), ..contents() }, TensorData::Bytes(v))),
    ]
}

proptest! {
    #[test]
    fn elements_of_every_type_are_read(pair in typed(), raw: bool) {
        let (contents, data) = pair;
        let mut asked = request();
        asked.inputs[0].datatype = data.datatype().as_str().into();
        asked.inputs[0].shape = vec![i64::try_from(data.len()).unwrap()];
        if raw {
            let mut packed = Vec::new();
            tensor::pack(&data, &mut packed);
            asked.raw = vec![packed];
        }
        asked.inputs[0].contents = (!raw).then_some(contents);
        let (question, _) = read(&asked).unwrap();
        prop_assert_eq!(&tensors_of(&question)[0].data, &data);
    }

    #[test]
    fn integers_out_of_range_are_rejected(value: i32) {
        for (datatype, fits) in [("INT8", i8::try_from(value).is_ok()), ("INT16", i16::try_from(value).is_ok())] {
            let mut asked = request();
            asked.inputs[0].datatype = datatype.into();
            asked.inputs[0].shape = vec![1];
            asked.inputs[0].contents = Some(Contents { ints: vec![value], ..Contents::default() });
            prop_assert_eq!(read(&asked).is_ok(), fits);
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..128), at in 0_usize..64, flip in 1_u8..=255) {
        let _ = decode(&bytes, &contract());
        let _ = asked(&bytes);
        let mut message = raw_request().encode_to_vec();
        if let Some(byte) = message.get_mut(at) {
            *byte ^= flip;
        }
        let _ = decode(&message, &contract());
    }
}
