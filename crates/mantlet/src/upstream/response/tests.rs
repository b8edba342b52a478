//! What is an answer, and the many ways in which something is none.

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;
use crate::upstream::request;

const GOOD: &str = r#"{"model_name":"m","model_version":"1","id":"7","parameters":{"x":[{"y":null}]},"outputs":[
    {"name":"p","shape":[2,2],"datatype":"FP32","parameters":{"content_type":"np"},"data":[0.1,0.9,0.5,0.5]},
    {"name":"l","shape":[2],"datatype":"BYTES","data":["a","b"]}]}"#;

fn specs() -> Vec<TensorSpec> {
    let spec = |name: &str, datatype, shape: &[Option<usize>]| TensorSpec {
        name: name.into(),
        datatype,
        shape: shape.to_vec(),
    };
    vec![spec("l", Datatype::Bytes, &[None]), spec("p", Datatype::Fp32, &[None, Some(2)])]
}

fn parse(body: &[u8], header_bytes: Option<usize>) -> Result<Vec<Tensor>, Invalid> {
    let outputs = specs();
    read(body, header_bytes, &Asked { id: "7", model: "m", version: Some("1"), outputs: &outputs, rows: 2 })
}

#[track_caller]
fn check(from: &str, to: &str, why: &str) {
    assert!(GOOD.contains(from), "{from}");
    let said = parse(GOOD.replace(from, to).as_bytes(), None).expect_err(to);
    assert!(said.0.contains(why), "{from} → {to}: {said}");
}

#[test]
fn an_answer_comes_in_the_order_asked() {
    let tensors = parse(GOOD.as_bytes(), None).unwrap();
    assert_eq!(tensors[0].data, TensorData::Bytes(vec![b"a".to_vec(), b"b".to_vec()]));
    assert_eq!(tensors[1].data, TensorData::Fp32(vec![0.1, 0.9, 0.5, 0.5]));
    assert_eq!(tensors[1].shape, [2, 2]);
    // In whatever order the members come, and nested.
    let turned = GOOD.replace(
        r#""name":"p","shape":[2,2],"datatype":"FP32","parameters":{"content_type":"np"},"data":[0.1,0.9,0.5,0.5]"#,
        r#""data":[[0.1,0.9],[0.5,0.5]],"datatype":"FP32","shape":[2,2],"name":"p","parameters":null,"more":{}"#,
    );
    assert_eq!(parse(turned.as_bytes(), None).unwrap(), tensors);
    let without = GOOD.replace(r#""model_version":"1","#, "");
    assert_eq!(parse(without.as_bytes(), None).unwrap(), tensors);
}

#[test]
fn what_is_not_exactly_that_is_no_answer() {
    check(r#""id":"7""#, r#""id":"8""#, "another question");
    check(r#""id":"7","#, "", "another question");
    check(r#""id":"7""#, r#""id":7"#, "not the JSON");
    check(r#""id":"7""#, r#""id":"7","id":"7""#, "not the JSON");
    check(r#""model_name":"m""#, r#""model_name":"n""#, "another model");
    check(r#""model_name":"m","#, "", "another model");
    check(r#""model_version":"1""#, r#""model_version":"2""#, "another model");
    check(r#""name":"p""#, r#""name":"q""#, "not asked for");
    check(r#""name":"p""#, r#""name":"l""#, "another type");
    check(r#""datatype":"FP32""#, r#""datatype":"FP64""#, "another type");
    check(r#""datatype":"FP32""#, r#""datatype":"FLOAT""#, "another type");
    for shape in ["[1,4]", "[2,3]", "[4]", "[2,2,1]", "[3,2]", "[2,18446744073709551615]"] {
        check("[2,2]", shape, "another shape");
    }
    for shape in ["[-2,2]", "[2.0,2]", "[2,2,2,2,2,2,2,2,2]", "2", "[2,99999999999999999999]"] {
        check("[2,2]", shape, "not the JSON");
    }
    for data in [
        "[0.1,0.9,0.5]",
        "[0.1,0.9,0.5,0.5,0.5]",
        "[NaN,0,0,0]",
        "[null,0,0,0]",
        r#"["0.1",0,0,0]"#,
        "[1e39,0,0,0]",
    ] {
        check("[0.1,0.9,0.5,0.5]", data, "not of its type and shape");
    }
    check(r#","data":["a","b"]"#, "", "no elements");
    check(r#","data":["a","b"]"#, r#","data":["a","b"],"data":["a","b"]"#, "elements");
    check(r#"["a","b"]}]"#, r#"["a","b"]}],"outputs":[]"#, "lacks an output");
    check(r#"["a","b"]}]}"#, r#"["a","b"]}]} "x""#, "not the JSON");
    check(r#"["a","b"]}]}"#, r#"["a","b"]}]"#, "not the JSON");
    check(r#"{"y":null}"#, &"[".repeat(100), "not the JSON");
    let one = GOOD.split_once(",\n    {\"name\":\"l\"").unwrap().0.to_owned() + "]}";
    assert_eq!(parse(one.as_bytes(), None), Err(Invalid("the answer lacks an output")));
    let twice = GOOD.replace(
        r#"{"name":"l","#,
        r#"{"name":"l","shape":[2],"datatype":"BYTES","data":["a","b"]},{"name":"l","#,
    );
    assert_eq!(parse(twice.as_bytes(), None), Err(Invalid("the answer has an output twice")));
    for text in ["", "{}", "[]", "null", "<html>", "\u{0}", r#"{"error":"x"}"#] {
        assert!(parse(text.as_bytes(), None).is_err(), "{text}");
    }
    assert!(parse(b"\xff\xfe", None).is_err());
}

/// An answer with its elements behind the header.
fn binary(p: &[u8], l: &[u8]) -> (Vec<u8>, usize) {
    let mut body = format!(
        r#"{{"id":"7","model_name":"m","outputs":[{{"name":"p","datatype":"FP32","shape":[2,2],"parameters":{{"binary_data_size":{}}}}},
        {{"name":"l","datatype":"BYTES","shape":[2],"parameters":{{"binary_data_size":{}}}}}]}}"#,
        p.len(),
        l.len()
    )
    .into_bytes();
    let header = body.len();
    body.extend_from_slice(p);
    body.extend_from_slice(l);
    (body, header)
}

#[test]
fn elements_behind_the_header_are_all_that_lies_there() {
    let (p, l) = ([0_u8; 16], b"\x01\0\0\0a\0\0\0\0".as_slice());
    let (body, header) = binary(&p, l);
    let tensors = parse(&body, Some(header)).unwrap();
    assert_eq!(tensors[1].data, TensorData::Fp32(vec![0.0; 4]));
    assert_eq!(tensors[0].data, TensorData::Bytes(vec![b"a".to_vec(), Vec::new()]));
    assert!(parse(&[body.as_slice(), b"x"].concat(), Some(header)).is_err(), "too long");
    assert!(parse(&body[..body.len() - 1], Some(header)).is_err(), "cut off");
    assert!(parse(&body, Some(header + 1)).is_err() && parse(&body, None).is_err());
    assert!(parse(&body, Some(usize::MAX)).is_err());
    for (p, l) in [(&p[..15], l), (&p, b"\xff\xff\xff\xffa".as_slice()), (&p, b"\x01\0\0\0a".as_slice())] {
        let (body, header) = binary(p, l);
        assert_eq!(parse(&body, Some(header)), Err(MISFIT));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn never_panics(cut in 0..GOOD.len(), byte in any::<u8>(), header in prop::option::of(0_usize..400)) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[cut] = byte;
        let _ = parse(&bytes, header);
        let _ = parse(&bytes[..cut], header);
    }

    /// The question's own writer, read as an answer would be: types and elements survive either form.
    #[test]
    fn elements_survive_either_form(
        floats in prop::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..9),
        texts in prop::collection::vec("\\PC{0,8}", 1..9),
        form in any::<bool>(),
    ) {
        for data in [TensorData::Fp32(floats), TensorData::Bytes(texts.into_iter().map(String::into_bytes).collect())] {
            let rows = data.len();
            let spec = TensorSpec { name: "x".into(), datatype: data.datatype(), shape: vec![None] };
            let tensor = Tensor { name: "x".into(), shape: vec![rows], data };
            let written = request::write("7", std::slice::from_ref(&tensor), &[], form).unwrap();
            let (header, tail) = written.body.split_at(written.header_bytes.unwrap_or(written.body.len()));
            let header = String::from_utf8(header.to_vec()).unwrap();
            let header = header.replace(r#","outputs":[]"#, "").replace(r#""inputs""#, r#""model_name":"m","outputs""#);
            let asked = Asked { id: "7", model: "m", version: None, outputs: &[spec], rows };
            let header_bytes = form.then_some(header.len());
            let read = read(&[header.as_bytes(), tail].concat(), header_bytes, &asked).unwrap();
            prop_assert_eq!(read, vec![tensor]);
        }
    }
}
