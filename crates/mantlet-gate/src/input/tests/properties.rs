//! Whatever the contract and whatever the question: no panic, no name that the caller made up, and nothing passes
//! that the contract does not describe.

use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::RngSeed};

use super::*;

const NAMES: [&str; 5] = ["a", "b", "c", "caller\u{7}made", ""];

fn any_name() -> impl Strategy<Value = &'static str> {
    select(&NAMES[..])
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        -3.0..3.0_f64,
        (-3..300_i32).prop_map(f64::from),
        select(vec![f64::NAN, f64::INFINITY, -0.0, 1e300, 9_007_199_254_740_992.0, 65_520.0]),
    ]
}

fn any_range() -> impl Strategy<Value = Option<Range>> {
    option::of((any_float(), any_float()).prop_map(|(min, max)| Range { min, max }))
}

fn any_feature() -> impl Strategy<Value = Feature> {
    let values = option::of(vec(any_name().prop_map(Arc::from), 0..3));
    let kind = prop_oneof![
        3 => (any_range(), any_range()).prop_map(|(seen, accepted)| FeatureKind::Number { seen, accepted }),
        1 => values.prop_map(|values| FeatureKind::Category { values }),
        1 => (0..4_usize).prop_map(|chars_max| FeatureKind::Text { chars_max }),
    ];
    (any_name(), kind, any::<bool>()).prop_map(|(name, kind, optional)| Feature {
        name: name.into(),
        kind,
        optional,
        sensitivity: 1,
    })
}

fn any_spec() -> impl Strategy<Value = TensorSpec> {
    (any_name(), select(&Datatype::ALL[..]), vec(option::of(0..3_usize), 0..4))
        .prop_map(|(name, datatype, shape)| TensorSpec { name: name.into(), datatype, shape })
}

fn any_contract() -> impl Strategy<Value = Contract> {
    let layout = select(vec![Layout::Matrix, Layout::Columns, Layout::Tensors]);
    (layout, vec(any_spec(), 0..4), vec(any_feature(), 0..4), 0..4_usize).prop_map(
        |(layout, inputs, features, batch_rows_max)| {
            let mut contract = contract(layout, inputs, features);
            contract.batch_rows_max = batch_rows_max;
            contract
        },
    )
}

fn any_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        4 => any_float().prop_map(Scalar::Number),
        1 => prop_oneof![any_name(), Just("<b>x</b>"), Just("&lt;")].prop_map(|text| Scalar::Text(text.into())),
        1 => any::<bool>().prop_map(Scalar::Bool),
        1 => Just(Scalar::Null),
    ]
}

fn filled(datatype: Datatype, len: usize, value: f64) -> TensorData {
    let integer = value as i64;
    match datatype {
        Datatype::Bool => TensorData::Bool(vec![value > 0.0; len]),
        Datatype::Uint8 => TensorData::Uint8(vec![integer as u8; len]),
        Datatype::Uint16 => TensorData::Uint16(vec![integer as u16; len]),
        Datatype::Uint32 => TensorData::Uint32(vec![integer as u32; len]),
        Datatype::Uint64 => TensorData::Uint64(vec![integer as u64; len]),
        Datatype::Int8 => TensorData::Int8(vec![integer as i8; len]),
        Datatype::Int16 => TensorData::Int16(vec![integer as i16; len]),
        Datatype::Int32 => TensorData::Int32(vec![integer as i32; len]),
        Datatype::Int64 => TensorData::Int64(vec![integer; len]),
        Datatype::Fp16 => TensorData::Fp16(vec![integer as u16; len]),
        Datatype::Fp32 => TensorData::Fp32(vec![value as f32; len]),
        Datatype::Fp64 => TensorData::Fp64(vec![value; len]),
        Datatype::Bytes => TensorData::Bytes(vec![format!("<{value}>&\u{0}").into_bytes(); len]),
    }
}

fn any_tensor() -> impl Strategy<Value = Tensor> {
    let shape = vec(0..4_usize, 0..4);
    (any_name(), select(&Datatype::ALL[..]), shape, any_float(), 0..8_usize).prop_map(
        |(name, datatype, shape, value, odd)| {
            // Mostly as many elements as the shape says.
            let len = if odd == 7 { 3 } else { shape.iter().product() };
            Tensor { name: name.into(), shape, data: filled(datatype, len, value) }
        },
    )
}

fn any_question() -> impl Strategy<Value = Question> {
    let row = vec((any_name().prop_map(Box::from), any_scalar()), 0..4);
    let rows = prop_oneof![
        vec(any_tensor(), 0..4).prop_map(Rows::Tensors),
        vec(vec(any_scalar(), 0..4), 0..4).prop_map(Rows::Ordered),
        vec(row, 0..4).prop_map(Rows::Named),
    ];
    (rows, vec(any_name().prop_map(Arc::from), 0..2)).prop_map(|(rows, outputs)| Question {
        rows,
        outputs,
        ..Question::default()
    })
}

/// Questions made for the contract, so that a fair share of them passes.
fn any_pair() -> impl Strategy<Value = (Contract, Question)> {
    let made_for = any_contract().prop_flat_map(|contract| {
        let width = contract.features.len();
        let tensors: Vec<_> = contract
            .inputs
            .iter()
            .map(|spec| {
                let spec = spec.clone();
                any_float().prop_map(move |value| {
                    let shape: Vec<usize> = spec.shape.iter().map(|extent| extent.unwrap_or(2)).collect();
                    let data = filled(spec.datatype, shape.iter().product(), value);
                    Tensor { name: Arc::clone(&spec.name), shape, data }
                })
            })
            .collect();
        let rows = prop_oneof![
            vec(vec(any_scalar(), width), 1..3).prop_map(Rows::Ordered),
            tensors.prop_map(Rows::Tensors),
        ];
        (Just(contract), rows.prop_map(|rows| Question { rows, ..Question::default() }))
    });
    prop_oneof![(any_contract(), any_question()), made_for]
}

fn is_missing_or_finite(contract: &Contract, data: &TensorData) -> bool {
    let optional = contract.features.iter().any(|feature| feature.optional);
    match data {
        TensorData::Fp32(values) => {
            values.iter().all(|value| value.is_finite() || (optional && value.is_nan()))
        }
        TensorData::Fp64(values) => {
            values.iter().all(|value| value.is_finite() || (optional && value.is_nan()))
        }
        TensorData::Fp16(values) => {
            values.iter().all(|bits| bits & 0x7C00 != 0x7C00 || (optional && *bits == 0x7E00))
        }
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(4), ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn nothing_undescribed_passes_and_nothing_made_up_is_echoed((contract, question) in any_pair()) {
        match super::super::check(&contract, question) {
            Ok(checked) => {
                prop_assert!((1..=contract.batch_rows_max).contains(&checked.rows));
                prop_assert_eq!(checked.tensors.len(), contract.inputs.len());
                for (tensor, spec) in checked.tensors.iter().zip(&contract.inputs) {
                    prop_assert_eq!(&tensor.name, &spec.name);
                    prop_assert_eq!(tensor.data.datatype(), spec.datatype);
                    prop_assert!(spec.admits(&tensor.shape) && tensor.is_consistent());
                    prop_assert_eq!(tensor.shape.first(), Some(&checked.rows));
                    prop_assert!(is_missing_or_finite(&contract, &tensor.data));
                }
                prop_assert!(remarks(&contract, &checked.tensors).len() <= 9);
            }
            Err(rejection) => {
                let field = rejection.field.as_deref();
                let structural = field.is_none_or(|field| ["features", "inputs", "outputs"].contains(&field));
                let own = |name: &Arc<str>| Some(&**name) == field;
                let known = contract.features.iter().any(|feature| own(&feature.name))
                    || contract.inputs.iter().any(|input| own(&input.name));
                prop_assert!(structural || known, "{:?}", field);
            }
        }
    }

    /// The three forms of one question come to the same tensors.
    #[test]
    fn the_forms_agree(
        rows in vec(vec(-1e6..1e6_f64, 100), 1..4), shift in 0..100_usize, backwards in any::<bool>(),
    ) {
        let names: Vec<String> = (0..100).map(|index| format!("f{index}")).collect();
        let features: Vec<Feature> = names.iter().map(|name| number(name)).collect();
        let contract = contract(Layout::Matrix, vec![spec("x", Datatype::Fp64, &[None, None])], features);
        let named = rows.iter().map(|row| {
            let mut row: Vec<_> =
                names.iter().zip(row).map(|(name, value)| (name.as_str().into(), n(*value))).collect();
            row.rotate_left(shift);
            if backwards { row.reverse(); }
            row
        });
        let ordered = rows.iter().map(|row| row.iter().map(|value| n(*value)).collect());
        let expect = tensor("x", &[rows.len(), 100], TensorData::Fp64(rows.concat()));
        for rows in [
            Rows::Named(named.collect()), Rows::Ordered(ordered.collect()), Rows::Tensors(vec![expect.clone()]),
        ] {
            let checked = super::super::check(&contract, Question { rows, ..Question::default() }).unwrap();
            prop_assert_eq!(&checked.tensors, &vec![expect.clone()]);
        }
    }
}
