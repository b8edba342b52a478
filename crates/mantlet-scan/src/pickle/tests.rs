//! Pickles, written opcode by opcode.

use proptest::prelude::*;

use super::names::Name;
use crate::{Limits, Verdict, scan_bytes};

/// The first rule that a pickle breaks.
fn check(pickle: &[u8], expect: Option<&str>) {
    let report = scan_bytes(pickle, None, &Limits::default());
    let first = report.findings.first().map(|finding| finding.rule);
    assert_eq!(first, expect, "{:?} {:?}", String::from_utf8_lossy(pickle), report.findings);
    assert_eq!(report.verdict == Verdict::Safe, expect.is_none());
}

#[test]
fn plain_data_of_every_protocol_is_safe() {
    check(b"(lp0\nI1\naF2.5\naNa.", None);
    check(b"(dp0\nS'a'\np1\nI01\nsV\\u00e9\np2\nL5L\ns.", None);
    check(b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00bM\x00\x01u.", None);
    check(b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00]\x94K\x01a.", Some("pickle/malformed"));
    check(b"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00]\x94K\x01a.", None);
    check(b"\x80\x05\x96\x02\x00\x00\x00\x00\x00\x00\x00ab.", None);
    check(b"\x80\x04(K\x01K\x02\x90.", Some("pickle/malformed"));
    check(b"\x80\x04\x8f(K\x01K\x02\x90.", None);
}

#[test]
fn names_are_listed_whole_or_refused() {
    check(b"cos\nsystem\n(S'true'\ntR.", Some("pickle/name"));
    check(b"(S'true'\nios\nsystem\n.", Some("pickle/name"));
    check(b"(cos\nsystem\nS'true'\no.", Some("pickle/name"));
    check(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", Some("pickle/name"));
    // An attribute of a listed class, of a listed module, and through a listed module's imports.
    check(b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", Some("pickle/name"));
    check(b"\x80\x04\x8c\x0bcollections\x8c\x0f_sys.modules.os\x93.", Some("pickle/name"));
    check(b"\x80\x04\x8c\x0bcollections\x8c\x03abc\x93.", Some("pickle/name"));
    // Operands that the loader computes, or that escapes spell.
    check(b"\x80\x04\x8c\x0bcollectionsK\x01\x93.", Some("pickle/name"));
    check(b"\x80\x04V\\u0063ollections\n\x8c\x0bOrderedDict\x93.", Some("pickle/name"));
    // By way of the memo, and thrown away after the call.
    check(
        b"\x80\x04\x8c\x05posix\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R0N.",
        Some("pickle/name"),
    );
}

#[test]
fn listed_names_are_used_as_their_writers_do() {
    check(b"\x80\x02ccollections\nOrderedDict\n)R.", None);
    check(b"\x80\x02cnumpy\nlog1p\nK\x01\x85R.", Some("pickle/use"));
    check(b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81}b.", None);
    check(b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)R.", Some("pickle/use"));
    // State for a class itself, for plain data, and one that puts a function where the loader will call it.
    check(b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n}b.", Some("pickle/use"));
    check(b"\x80\x02]}b.", Some("pickle/use"));
    let setstate =
        b"\x80\x02csklearn.pipeline\nPipeline\n)\x81}X\x0c\x00\x00\x00__setstate__cnumpy\nlog1p\nsb.";
    check(setstate, Some("pickle/use"));
    // The same through the memo: the dict is filled after it was remembered.
    let late = b"\x80\x02csklearn.pipeline\nPipeline\n)\x81}q\x00X\x0c\x00\x00\x00__setstate__cnumpy\nlog1p\ns0h\x00b.";
    check(late, Some("pickle/use"));
    // Memory by the number, codecs that do more than decode.
    check(b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.", Some("pickle/use"));
    check(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.", Some("pickle/use"));
    check(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R.", None);
    // What was made is called, appended to, and referred to from outside.
    check(b"\x80\x02ccollections\nOrderedDict\n)R)R.", Some("pickle/use"));
    check(b"\x80\x02csklearn.pipeline\nPipeline\n)\x81K\x01a.", Some("pickle/use"));
    check(b"\x80\x02\x82\x01.", Some("pickle/outside"));
    check(b"\x80\x02K\x01Q.", Some("pickle/outside"));
}

#[test]
fn what_runs_before_a_broken_tail_counts() {
    let report = scan_bytes(b"cos\nsystem\n(S'true'\ntR\xff", None, &Limits::default());
    let rules: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["pickle/name", "pickle/malformed"]);
    check(b"\x80\x04N.cos\nsystem\n)R.", Some("pickle/name"));
    check(b"\x80\x04N.something", Some("pickle/malformed"));
    check(b"\x80\x04", Some("scan/unrecognized"));
    check(b"\x80\x04]", Some("pickle/malformed"));
}

#[test]
fn sizes_are_bounded_by_the_file() {
    check(b"\x80\x04\x8e\x00\x00\x00\x00\x00\x01\x00\x00.", Some("pickle/malformed"));
    check(b"\x80\x02Nr\xff\xff\xff\x7f.", Some("pickle/size"));
    check(&[&b"\x80\x02)"[..], &[0x85; 5_000], b"."].concat(), Some("pickle/size"));
    let mut doubling = b"\x80\x02]q\x00".to_vec();
    for level in 0..60 {
        doubling.extend([b']', b'q', level + 1, b'(', b'h', level, b'h', level, b'e']);
    }
    doubling.extend(b"0".repeat(60));
    check(&[&doubling[..], b"."].concat(), Some("pickle/size"));
}

/// A joblib file whose array has these bytes as its items.
fn joblib_array(before: &[u8], items: &[u8]) -> Vec<u8> {
    [
        b"\x80\x02",
        before,
        b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x08\x00\x00\x00subclasscnumpy\nndarray\n",
        b"X\x05\x00\x00\x00shapeK",
        &[items.len() as u8],
        b"\x85X\x05\x00\x00\x00dtypecnumpy\ndtype\nX\x02\x00\x00\x00u1K\x00K\x01\x87Rub",
        items,
        b".",
    ]
    .concat()
}

#[test]
fn items_of_an_array_that_another_loader_would_run_are_judged() {
    check(&joblib_array(b"", b"\x00\x01\x02\xff"), None);
    check(&joblib_array(b"", b"NNR."), None);
    check(&joblib_array(b"", b"NNb."), None);
    check(&joblib_array(b"", b"cos\nsystem\n."), Some("pickle/name"));
    // A listed function that is called, by its name and by the memo, and one that a listed class is made to call.
    check(&joblib_array(b"", b"cnumpy\nlog1p\nK\x01\x85R."), Some("pickle/use"));
    check(&joblib_array(b"cnumpy\nlog1p\nq\x000", b"h\x00K\x01\x85R."), Some("pickle/use"));
    let state = b"csklearn.pipeline\nPipeline\n)\x81}X\x0c\x00\x00\x00__setstate__cnumpy\nlog1p\nsb.";
    check(&joblib_array(b"", state), Some("pickle/use"));
    check(&joblib_array(b"", b"cnumpy\nlog1p\n\x82\x01."), Some("pickle/outside"));
    // What is wrong without a name does not hide what is wrong with one.
    let noise = [&b"N"[..], &b"NR".repeat(90), b"cos\nsystem\n."].concat();
    check(&joblib_array(b"", &noise), Some("pickle/name"));
}

#[test]
fn functions_that_call_what_they_are_given_are_not_listed() {
    check(b"csklearn.feature_selection._base\n_get_feature_importances\n.", Some("pickle/name"));
    check(b"csklearn.metrics._scorer\n_cached_call\n.", Some("pickle/name"));
    check(b"csklearn.metrics._scorer\n_passthrough_scorer\n.", Some("pickle/name"));
}

#[test]
fn numbers_are_read_as_loaders_read_them() {
    for start in [
        &b"I0x1\n0"[..],
        b"I+1\n0",
        b"I 1_0 \n0",
        b"I0o17\n0",
        b"I0b1\n0",
        b"I007\n0",
        b"L0x10L\n0",
        b"L 1_0\n0",
        b"I1\x00z\n0",
        b"Np 0\n0",
        b"Np+1_0\n0",
        b"Np0\r\n0g0\n0",
        b"F 1_0\n0",
        b"Np9\n0g9\n0",
        b"N0\x80\x02",
        b"I                                                              1\n0",
    ] {
        let pickle = [start, b"cposix\nsystem\n(S'id'\ntR."].concat();
        check(&pickle, Some("pickle/name"));
    }
    // The same numbers in plain data, and one that a call would take for a length.
    check(b"(lp9\nI0x10\na(dp70\n0g9\n0.", Some("pickle/size"));
    check(b"(lp9\nI0x10\na0g9\n.", None);
    check(b"c__builtin__\nbytearray\n(I0x7fffffff\ntR.", Some("pickle/use"));
    // The next free place is the number of those in use.
    check(b"\x80\x04cnumpy\nlog1p\nq\x010ccollections\nOrderedDict\n\x940h\x01)R.", None);
}

#[test]
fn text_is_no_place_for_calls() {
    // A number that is none here.
    check(b"I1z\n0cposix\nsystem\n(S'id'\ntR.", Some("text/script"));
    check(b"I1z\n0(S'id'\niposix\nsystem\n.", Some("text/script"));
    check(b"cos\nsin\ntan\nRate\n", Some("pickle/name"));
    check(b"tan\ncos\nsin\nRate\ncosine\nother\n", None);
    check(b"a,b\ncsys\n1\n", None);
}

#[test]
fn a_state_holds_functions_only_where_estimators_keep_them() {
    let build = |class: &str, state: &[u8]| {
        let (module, name) = class.rsplit_once('.').unwrap();
        [b"c", module.as_bytes(), b"\n", name.as_bytes(), b"\n)\x81", state, b"b."].concat()
    };
    let check = |pickle: &[u8], expect| check(&[b"\x80\x02", pickle].concat(), expect);
    // `__setstate__` calls what the state put in the place of a method.
    let isotonic = "sklearn.isotonic.IsotonicRegression";
    check(
        &build(isotonic, b"}(X\x08\x00\x00\x00_build_fcnumpy\nlog1p\nX\x01\x00\x00\x00aK\x01u"),
        Some("pickle/use"),
    );
    let made = b"}X\x08\x00\x00\x00_build_fcsklearn.pipeline\nPipeline\n)\x81s";
    check(&build(isotonic, made), Some("pickle/use"));
    check(&build(isotonic, b"}X\x02\x00\x00\x00zqcnumpy\nlog1p\ns"), Some("pickle/use"));
    check(&build(isotonic, b"}X\x01\x00\x00\x00aK\x01s"), None);
    check(
        &build(
            "sklearn.preprocessing._function_transformer.FunctionTransformer",
            b"}X\x04\x00\x00\x00funccnumpy\nlog1p\ns",
        ),
        None,
    );
    // Nodes with attributes of their own, and an object in the place of the whole state.
    let tree = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor";
    check(&build(tree, b"}X\x05\x00\x00\x00nodescsklearn.pipeline\nPipeline\n)\x81s"), Some("pickle/use"));
    let nodes = b"}X\x05\x00\x00\x00nodescnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87Rs";
    check(&build(tree, nodes), None);
    check(&build(isotonic, b"csklearn.pipeline\nPipeline\n)\x81"), Some("pickle/use"));
    check(&build(isotonic, b"Ncsklearn.pipeline\nPipeline\n)\x81\x86"), Some("pickle/use"));
}

#[test]
fn a_type_of_arrays_does_not_change() {
    let dtype =
        |text: &str| [b"cnumpy\ndtype\nX\x02\x00\x00\x00", text.as_bytes(), b"K\x00K\x01\x87R"].concat();
    let state = b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb";
    let objects = b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb";
    let made = [b"\x80\x02", &dtype("u1")[..], b"q\x00"].concat();
    check(&[&made[..], state, b"."].concat(), None);
    // Twice, after it was referred to, and in the bytes of an array.
    check(&[&made[..], state, objects, b"."].concat(), Some("pickle/use"));
    check(&[&made[..], b"0h\x00", state, b"."].concat(), Some("pickle/use"));
    let before = [&dtype("u1")[..], b"q\x00", state, b"0"].concat();
    check(&joblib_array(&before, &[b"h\x00", &objects[..], b"."].concat()), Some("pickle/use"));
    // Fields that are put into their dict later.
    let fields = b"\x80\x02}q\x010cnumpy\ndtype\nX\x02\x00\x00\x00V8K\x00K\x01\x87R\
        (K\x03X\x01\x00\x00\x00|NNh\x01K\x08K\x01K\x10tb";
    check(&[&fields[..], b"."].concat(), None);
    check(&[&fields[..], b"h\x01X\x01\x00\x00\x00aK\x01s0."].concat(), Some("pickle/use"));
}

#[test]
fn files_of_other_formats_are_no_pickles() {
    // The length of a safetensors header spells an opcode that skips into the header.
    let file = |payload: &str| {
        let header = format!(r#"{{"__metadata__":{{"a":"{}{payload}"}}}}"#, "x".repeat(7));
        [&0x2058_u64.to_le_bytes()[..], format!("{header:8280}").as_bytes()].concat()
    };
    check(&file("harmless"), None);
    let report = scan_bytes(&file("0cposix\nsystem\n(S'id'\ntR."), None, &Limits::default());
    assert!(report.findings.iter().any(|finding| finding.rule == "pickle/polyglot"), "{report:?}");

    // A tar archive whose first name is an opcode, and whose other fields are the rest.
    let tar = |name: &[u8], linkname: &[u8], owner: &[u8]| {
        let mut block = vec![0; 512];
        for (at, field) in [
            (0, name),
            (100, &b"0000644\0"[..]),
            (124, b"00000000000\0"),
            (156, b"0"),
            (157, linkname),
            (257, b"ustar\x0000"),
            (265, owner),
        ] {
            block[at..at + field.len()].copy_from_slice(field);
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        [block, vec![0; 1024]].concat()
    };
    check(&tar(b"weights.txt", b"", b"root"), None);
    check(&tar(b"weights.txt", b"\ncos\n", b"root"), Some("tar/malformed"));
    check(&tar(b"weights.txt", b"", b"root\0cos\n"), Some("tar/malformed"));
    check(&tar(b"N0cposix", b"", b""), None);
}

#[test]
fn items_and_digits_are_in_the_file() {
    let range = b"\x80\x02c__builtin__\nxrange\nJ\xff\xff\xff\x7f\x85R";
    check(&[&range[..], b"."].concat(), None);
    for name in [
        "c__builtin__\nlist",
        "c__builtin__\nset",
        "c__builtin__\ntuple",
        "ccollections\ndeque",
        "ccollections\nCounter",
    ] {
        check(&[b"\x80\x02", name.as_bytes(), b"\n", &range[2..], b"\x85R."].concat(), Some("pickle/use"));
    }
    check(b"\x80\x02cfractions\nFraction\nU\x031/3\x85R.", None);
    check(b"\x80\x02cdecimal\nDecimal\nU\x051E+10\x85R.", None);
    check(b"\x80\x02cfractions\nFraction\nU\x0b1e999999999\x85R.", Some("pickle/use"));
}

#[test]
fn compiled_classes_are_not_given_functions() {
    for call in [&b"R."[..], b"\x81."] {
        let tree = b"\x80\x02csklearn.neighbors._ball_tree\nBallTree\n]K\x28cnumpy\nlog1p\n\x87";
        check(&[&tree[..], call].concat(), Some("pickle/use"));
    }
    // Nor in a list or a tuple.
    for hidden in [&b"(cnumpy\nlog1p\nl\x85"[..], b"cnumpy\nlog1p\n\x85\x85", b"]\x85\x85"] {
        let tree = b"\x80\x02csklearn.tree._tree\nTree\n";
        check(&[&tree[..], hidden, b"R."].concat(), Some("pickle/use"));
    }
    check(b"\x80\x02csklearn.tree._tree\nmemoryview\n.", Some("pickle/name"));
}

/// Protocol 5 makes arrays by a function, which is an array to whoever gets it as state.
#[test]
fn arrays_of_protocol_5_are_arrays() {
    let predictor = |array: &[u8]| {
        let class = b"\x80\x05csklearn.ensemble._hist_gradient_boosting.predictor\nTreePredictor\n)\x81}\x8c\x05nodes";
        [&class[..], b"cnumpy._core.numeric\n_frombuffer\n(", array, b"tRsb."].concat()
    };
    let dtype = b"\x96\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0cnumpy\ndtype\n\x8c\x02f8\x89\x88\x87R";
    check(&predictor(&[&dtype[..], b"K\x01\x85\x8c\x01C"].concat()), None);
    check(&predictor(&dtype[..]), Some("pickle/use"));
    let objects =
        b"\x96\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0cnumpy\ndtype\n\x8c\x01O\x89\x88\x87RK\x01\x85\x8c\x01C";
    check(&predictor(objects), Some("pickle/use"));
}

/// A search keeps the folds that it was given as `_checked_cv_orig`; `_check_feature_names` is a method.
#[test]
fn an_attribute_that_begins_like_a_method_is_none() {
    let state = |key: &str| {
        let head = b"\x80\x04csklearn.model_selection._search\nGridSearchCV\n)\x81}\x8c";
        let value = b"csklearn.model_selection._split\nKFold\n)\x81sb.";
        [&head[..], &[key.len() as u8], key.as_bytes(), value].concat()
    };
    check(&state("_checked_cv_orig"), None);
    check(&state("_check_feature_names"), Some("pickle/use"));
    check(&state("_check"), Some("pickle/use"));
}

#[test]
fn text_that_begins_like_a_pickle_is_none() {
    for text in [
        "cat\ndog\nbird\n",
        "Greatness. It is.",
        "(see below)",
        "I am text.\n",
        "]\n",
        "N",
        "car\nbus\nR2D2\n",
    ] {
        let report = scan_bytes(text.as_bytes(), None, &Limits::default());
        assert_ne!(report.format, crate::Format::Pickle, "{text:?}");
    }
}

proptest! {
    /// Whatever name stands in the place of a listed one: unless it is listed itself, the pickle is refused.
    #[test]
    fn no_other_name_passes(module in "[a-z_]{1,8}(\\.[a-z_]{1,8}){0,2}", name in "[A-Za-z_]{1,10}(\\.[a-z_]{1,6})?", call in 0..4) {
        prop_assume!(Name::find(&module, &name).is_none());
        let stack = [&[0x8c, module.len() as u8], module.as_bytes(), &[0x8c, name.len() as u8], name.as_bytes(), b"\x93"].concat();
        let lines = format!("c{module}\n{name}\n").into_bytes();
        let global = if call % 2 == 0 { stack } else { lines };
        let used: &[u8] = if call < 2 { b")R" } else { b"" };
        let pickle = [b"\x80\x04]\x94".as_slice(), &global, used, b"a."].concat();
        let report = scan_bytes(&pickle, None, &Limits::default());
        prop_assert_eq!(report.verdict, Verdict::Unsafe);
        prop_assert_eq!(report.findings[0].rule, "pickle/name");
    }

    /// Any bytes end in a verdict, within the bounds.
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let report = scan_bytes(&[b"\x80\x04".as_slice(), &bytes].concat(), None, &Limits::default());
        prop_assert_eq!(report.verdict == Verdict::Safe, report.findings.is_empty());
    }
}

#[test]
fn losses_of_scikit_learn_1_6_are_known_by_the_name_that_it_gives_them() {
    check(b"\x80\x02c_loss\nCyHalfSquaredError\n)R.", None);
    check(b"\x80\x02c_loss\nCyHalfTweedieLoss\nG?\xf8\0\0\0\0\0\0\x85R.", None);
    // A compiled constructor is given numbers, and nothing that it could call.
    check(b"\x80\x02c_loss\nCyHuberLoss\ncnumpy\nlog1p\n\x85R.", Some("pickle/use"));
    check(b"\x80\x02c_loss\nsystem\n)R.", Some("pickle/name"));
}

#[test]
fn an_attribute_keeps_no_class_that_opens_files() {
    let state = |class: &[u8]| {
        [
            b"\x80\x02csklearn.preprocessing._function_transformer\nFunctionTransformer\n)\x81}X\x04\0\0\0func",
            class,
            b"sb.",
        ]
        .concat()
    };
    check(&state(b"cnumpy\nlog1p\n"), None);
    check(&state(b"cnumpy\nmemmap\n"), Some("pickle/use"));
    check(&state(b"cnumpy\nndarray\n"), Some("pickle/use"));
}

#[test]
fn a_name_that_is_a_method_of_some_is_an_attribute_of_others_alone() {
    let state = |class: &[u8], attribute: &[u8]| {
        let name = [b"X", &(attribute.len() as u32).to_le_bytes()[..], attribute].concat();
        [b"\x80\x02c", class, b"\n)\x81}", &name, b"csklearn.pipeline\nPipeline\n)\x81sb."].concat()
    };
    let sgd = b"sklearn.linear_model._stochastic_gradient\nSGDClassifier";
    check(&state(sgd, b"loss"), None);
    check(&state(sgd, b"best_estimator_"), None);
    check(&state(sgd, b"score"), Some("pickle/use"));
    check(&state(b"sklearn.isotonic\nIsotonicRegression", b"loss"), Some("pickle/use"));
}
