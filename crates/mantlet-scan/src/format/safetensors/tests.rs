use crate::{Limits, Verdict, scan_bytes};

fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 7);
    bytes
}

fn check(header: &str, data: usize, expect: Verdict) {
    let report = scan_bytes(&file(header, data), None, &Limits::default());
    assert_eq!(report.verdict, expect, "{header}: {report:?}");
}

#[test]
fn files_of_the_reference_writer_are_safe() {
    check("{}", 0, Verdict::Safe);
    check(
        r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}    "#,
        32,
        Verdict::Safe,
    );
    check(
        r#"{"b":{"dtype":"BF16","shape":[3],"data_offsets":[4,10]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
        10,
        Verdict::Safe,
    );
    check(
        r#"{"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"I8","shape":[0,9],"data_offsets":[8,8]}}"#,
        8,
        Verdict::Safe,
    );
    check(r#"{"q":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}"#, 2, Verdict::Safe);
}

#[test]
fn headers_that_do_not_describe_their_bytes_are_refused() {
    let one = |tensor: &str| format!(r#"{{"w":{{{tensor}}}}}"#);
    for (tensor, data) in [
        (r#""dtype":"F32","shape":[8],"data_offsets":[0,32]"#, 33),
        (r#""dtype":"F32","shape":[8],"data_offsets":[0,32]"#, 31),
        (r#""dtype":"F32","shape":[8],"data_offsets":[32,0]"#, 32),
        (r#""dtype":"F32","shape":[9],"data_offsets":[0,32]"#, 32),
        (r#""dtype":"F32","shape":[-8],"data_offsets":[0,32]"#, 32),
        (r#""dtype":"F32","shape":[8.0],"data_offsets":[0,32]"#, 32),
        (r#""dtype":"F32","shape":["8"],"data_offsets":[0,32]"#, 32),
        (r#""dtype":"F99","shape":[8],"data_offsets":[0,32]"#, 32),
        (r#""dtype":"f32","shape":[8],"data_offsets":[0,32]"#, 32),
        (r#""dtype":"F32","shape":[8],"data_offsets":[4,36]"#, 36),
        (r#""dtype":"F32","shape":[8],"data_offsets":[0,32,64]"#, 32),
        (r#""dtype":"F32","shape":[8],"data_offsets":[0,32],"x":1"#, 32),
        (r#""dtype":"F32","shape":[8],"dtype":"F16","data_offsets":[0,32]"#, 32),
        (r#""dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,0]"#, 0),
        (r#""dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]"#, 0),
        (r#""dtype":"F4","shape":[3],"data_offsets":[0,2]"#, 2),
        (r#""shape":[8],"data_offsets":[0,32]"#, 32),
    ] {
        check(&one(tensor), data, Verdict::Unsafe);
    }
    let tensor = r#"{"dtype":"U8","shape":[4],"data_offsets":[0,4]}"#;
    for header in [
        format!(r#"{{"w":{tensor},"w":{tensor}}}"#),
        format!(r#"{{"w":{tensor},"\u0077":{tensor}}}"#),
        format!(r#"{{"w":{tensor}}}x"#),
        format!("{{\"w\":{tensor}}}\n"),
        format!(r#"{{"__metadata__":{{"a":1}},"w":{tensor}}}"#),
        format!(r#"{{"__metadata__":[],"w":{tensor}}}"#),
        format!(r#"{{"__metadata__":null,"w":{tensor}}}"#),
        format!(r#"{{"w":{tensor},}}"#),
        format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000)),
        r#"{"w":[0,4]}"#.to_owned(),
    ] {
        check(&header, 4, Verdict::Unsafe);
    }
}

#[test]
fn a_header_longer_than_the_cap_or_the_file_is_refused_without_reading_it() {
    for length in [1 << 63, 100_000_001, 1_000] {
        let mut bytes = file("{}", 0);
        bytes[..8].copy_from_slice(&u64::to_le_bytes(length));
        assert_eq!(scan_bytes(&bytes, None, &Limits::default()).verdict, Verdict::Unsafe);
    }
}
