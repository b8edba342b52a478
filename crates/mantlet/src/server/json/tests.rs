use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Reads any text into `serde_json`'s tree by this reader alone; duplicate keys are rejected as decoders do.
fn tree(text: &str) -> Result<Value, Malformed> {
    fn value(reader: &mut Reader<'_>) -> Result<Value, Malformed> {
        Ok(match reader.peek()? {
            Kind::Object => {
                let mut members = serde_json::Map::new();
                let mut progress = reader.object()?;
                while let Some(key) = reader.key(&mut progress)? {
                    let member = value(reader)?;
                    if members.insert(key.into_owned(), member).is_some() {
                        return Err(Malformed);
                    }
                }
                Value::Object(members)
            }
            Kind::Array => {
                let mut elements = Vec::new();
                let mut progress = reader.array()?;
                while reader.element(&mut progress)? {
                    elements.push(value(reader)?);
                }
                Value::Array(elements)
            }
            Kind::Number => {
                let text = reader.number()?;
                match i64::parse(text) {
                    Some(integer) if text != "-0" => Value::from(integer),
                    _ => Value::from(f64::parse(text).ok_or(Malformed)?),
                }
            }
            Kind::Text => Value::String(reader.string()?.into_owned()),
            Kind::Bool => Value::Bool(reader.bool()?),
            Kind::Null => reader.null().map(|()| Value::Null)?,
        })
    }
    let mut reader = Reader::new(text);
    let tree = value(&mut reader)?;
    reader.end()?;
    Ok(tree)
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |f| f.is_finite().then(|| Value::from(f))),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn doubles_are_the_nearest_ones(text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", end in "[,\\]} ]?") {
        let read = Reader::new(&format!("{text}{end}")).double();
        let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
        prop_assert_eq!(read.ok().map(f64::to_bits), expected.map(f64::to_bits));
    }

    #[test]
    fn what_is_no_number_is_no_double(text in "[-+0-9.eE,]{1,6}") {
        let end = text.find(',').map_or(&*text, |end| &text[..end]);
        let grammar = serde_json::from_str::<f64>(end).is_ok();
        prop_assert_eq!(Reader::new(&text).double().is_ok(), grammar, "{}", text);
    }

    #[test]
    fn agrees_with_serde_json_on_valid_texts(document in documents()) {
        prop_assert_eq!(tree(&document.to_string()), Ok(document.clone()));
        prop_assert_eq!(check(&document.to_string()), Ok(()));
        prop_assert_eq!(tree(&serde_json::to_string_pretty(&document).unwrap()), Ok(document));
    }

    #[test]
    fn takes_nothing_that_serde_json_rejects(text in "[\\[\\]{},:\"\\\\ue0-9.+\\- tnaf]{0,24}") {
        if tree(&text).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        prop_assert_eq!(tree(&text).is_ok(), check(&text).is_ok());
    }

    #[test]
    fn written_strings_and_numbers_read_back(text in any::<String>(), double in any::<f64>(), float in any::<f32>()) {
        let mut writer = Writer::default();
        writer.array();
        writer.string(&text);
        writer.double(double);
        writer.float(float);
        writer.end_array();
        let written = String::from_utf8(writer.into_bytes()).unwrap();
        let back: (String, Option<f64>, Option<f32>) = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(back, (text, double.is_finite().then_some(double), float.is_finite().then_some(float)));
    }

    #[test]
    fn halves_round_to_the_nearest(pattern in 0_u16..0x7C00, offset in -0.49_f64..0.49) {
        let value = f64::from(half_to(pattern));
        prop_assert_eq!(half_from(value), Some(pattern));
        prop_assert_eq!(half_from(-value), Some(pattern | 0x8000));
        let spacing = f64::from(half_to((pattern & 0x7C00) | 1)) - f64::from(half_to(pattern & 0x7C00));
        if pattern & 0x3FF != 0 {
            prop_assert_eq!(half_from(value + offset * spacing), Some(pattern));
        }
    }
}

#[test]
fn what_lenient_readers_take_is_rejected() {
    for bad in [
        "",
        " ",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "0x1",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "tru",
        "'a'",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"a",
        "{a:1}",
        "{\"a\"}",
        "[]]",
        "[] []",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":1}",
        "// c\n1",
        "\u{feff}1",
        "[1,,2]",
        "[,1]",
    ] {
        assert_eq!(tree(bad), Err(Malformed), "{bad}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(tree(&nested(JSON_DEPTH_MAX)).is_ok());
    assert!(tree(&nested(JSON_DEPTH_MAX + 1)).is_err());
    assert!(Reader::new(&nested(1 << 20)).later().is_err());
}

#[test]
fn halves_at_the_edges() {
    assert_eq!(half_from(65_504.0), Some(0x7BFF));
    assert_eq!(half_from(65_519.9), Some(0x7BFF));
    assert_eq!(half_from(65_520.0), None);
    assert_eq!(half_from(2.0_f64.powi(-25)), Some(0)); // a tie, to even
    assert_eq!(half_from(-0.0), Some(0x8000));
    assert_eq!(half_from(f64::NAN), None);
    assert!(half_to(0x7E00).is_nan());
}
