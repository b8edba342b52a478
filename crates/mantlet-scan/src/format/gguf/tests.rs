use crate::{Limits, Verdict, scan_bytes};

/// Writes GGUF in either byte order, so that hostile members can be put anywhere.
struct Writer {
    bytes: Vec<u8>,
    big: bool,
    wide: bool,
}

impl Writer {
    fn new(version: u32, big: bool, tensors: u64, keys: u64) -> Self {
        let mut writer = Writer { bytes: b"GGUF".to_vec(), big, wide: version > 1 };
        writer.u32(version).length(tensors).length(keys);
        writer
    }

    fn u32(&mut self, n: u32) -> &mut Self {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
        self
    }

    fn u64(&mut self, n: u64) -> &mut Self {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
        self
    }

    fn length(&mut self, n: u64) -> &mut Self {
        if self.wide { self.u64(n) } else { self.u32(n as u32) }
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.length(text.len() as u64);
        self.bytes.extend(text.bytes());
        self
    }

    fn key_text(&mut self, key: &str, value: &str) -> &mut Self {
        self.text(key).u32(8).text(value)
    }

    fn tensor(&mut self, name: &str, extents: &[u64], kind: u32, offset: u64) -> &mut Self {
        self.text(name).u32(extents.len() as u32);
        for extent in extents {
            self.length(*extent);
        }
        self.u32(kind).u64(offset)
    }

    fn data(&mut self, bytes: usize) -> Vec<u8> {
        let start = self.bytes.len().next_multiple_of(32);
        self.bytes.resize(start + bytes, 0);
        self.bytes.clone()
    }
}

fn check(bytes: &[u8], expect: Verdict) {
    let report = scan_bytes(bytes, None, &Limits::default());
    assert_eq!(report.verdict, expect, "{report:?}");
}

#[test]
fn all_versions_and_byte_orders_are_read() {
    for (version, big) in [(1, false), (2, false), (3, false), (3, true)] {
        let mut writer = Writer::new(version, big, 2, 2);
        writer
            .key_text("general.architecture", "llama")
            .text("tokenizer.ggml.tokens")
            .u32(9)
            .u32(8)
            .length(2)
            .text("a")
            .text("b");
        writer.tensor("a", &[32, 2], 2, 0).tensor("b", &[3], 0, 64);
        check(&writer.data(64 + 32), Verdict::Safe);
    }
    check(&Writer::new(2, true, 0, 0).data(0), Verdict::Unsafe);
    check(&Writer::new(4, false, 0, 0).data(0), Verdict::Unsafe);
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let one = |extents: &[u64], kind, offset, bytes| {
        Writer::new(3, false, 1, 0).tensor("w", extents, kind, offset).data(bytes)
    };
    check(&one(&[8], 0, 0, 32), Verdict::Safe);
    for bytes in [
        one(&[9], 0, 0, 32),
        one(&[8], 0, 32, 64),
        one(&[8], 0, 1 << 63, 32),
        one(&[8], 0, 3, 64),
        one(&[8], 2, 0, 32),
        one(&[8], 4, 0, 32),
        one(&[8], 99, 0, 32),
        one(&[1, 1, 1, 1, 1], 0, 0, 32),
        one(&[1 << 32, 1 << 32], 0, 0, 32),
        one(&[1 << 62], 24, 0, 32),
        one(&[8], 0, 0, 65),
        Writer::new(3, false, 2, 0).tensor("a", &[8], 0, 0).tensor("b", &[8], 0, 0).data(32),
        Writer::new(3, false, 2, 0).tensor("a", &[8], 0, 0).tensor("a", &[8], 0, 32).data(64),
        Writer::new(3, false, 2, 0).tensor("a", &[8], 0, 0).tensor("b", &[8], 0, 64).data(96),
    ] {
        check(&bytes, Verdict::Unsafe);
    }
}

#[test]
fn metadata_out_of_the_rules_is_refused() {
    let key = |fill: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new(3, false, 0, 1);
        fill(&mut writer);
        writer.data(0)
    };
    check(
        &key(&|w| {
            w.key_text("general.name", "x");
        }),
        Verdict::Safe,
    );
    let nested = |w: &mut Writer| {
        w.text("a").u32(9);
        for _ in 0..20 {
            w.u32(9).u64(1);
        }
        w.u32(4).u64(1).u32(1);
    };
    for bytes in [
        key(&|w| {
            w.text("a").u32(13).u64(0);
        }),
        key(&|w| {
            w.text("a").u32(9).u32(8).u64(1 << 60);
        }),
        key(&|w| {
            w.text("a").u32(9).u32(4).u64(1 << 63);
        }),
        key(&|w| {
            w.text("a").u32(9).u32(77).u64(0);
        }),
        key(&|w| {
            w.text("a").u32(8).u64(u64::MAX);
        }),
        key(&|w| {
            w.text("general.alignment").u32(4).u32(0);
        }),
        key(&|w| {
            w.text("general.alignment").u32(4).u32(33);
        }),
        key(&|w| {
            w.text("general.alignment").u32(10).u64(32);
        }),
        key(&|w| {
            w.text("a").u32(7).bytes.push(2);
        }),
        key(&|w| {
            w.key_text("a b", "x");
        }),
        key(&|w| {
            w.key_text("", "x");
        }),
        key(&|w| {
            w.text("a").u32(8).u64(1).bytes.push(0xff);
        }),
        key(&nested),
        key(&|w| {
            w.key_text("tokenizer.chat_template.tool_use", "{{ x.__class__ }}");
        }),
        key(&|w| {
            w.text("tokenizer.chat_templates").u32(9).u32(8).u64(1).text("{% include 'x' %}");
        }),
        Writer::new(3, false, u64::MAX, 0).data(0),
        Writer::new(3, false, 0, u64::MAX).data(0),
    ] {
        check(&bytes, Verdict::Unsafe);
    }
}
