use crate::{Limits, Verdict, scan_bytes};

fn rules(text: &str) -> Vec<&'static str> {
    scan_bytes(text.as_bytes(), None, &Limits::default())
        .findings
        .into_iter()
        .map(|finding| finding.rule)
        .collect()
}

fn safe(text: &str) {
    let report = scan_bytes(text.as_bytes(), None, &Limits::default());
    assert_eq!((report.verdict, report.findings.len()), (Verdict::Safe, 0), "{text}\n{report:?}");
}

#[test]
fn documentation_tables_and_vocabularies_are_safe() {
    for text in [
        "",
        "# Model card\n\nThis model classifies irises. See `sklearn`.\n\n```python\nimport torch\nmodel = torch.load('x')\n```\n\nDone.\n",
        "<div align=\"center\">\n  <h1>Model</h1>\n</div>\n\nSome text (with brackets), and more.\n",
        "---\nlicense: mit\ntags:\n- vision\nmodel-index:\n- name: x\n---\n\n# Title\n\nWarning! Use with care: it is small.\n",
        "MIT License\n\nCopyright (c) 2025 Somebody\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n",
        "[PAD]\n[UNK]\n[CLS]\nimport\nclass\ndef\n##ing\n!\n(\n)\nprint(\n",
        "#version: 0.2\ni n\nt h\nimport ant\nĠ t\nclass ification\n",
        "a,b,c\n1,2,3\n4,5,6\n",
        "mean(x),max(y)\n1.0,2.0\n3.5,4.5\n",
        "numpy==1.26.4\nscikit-learn>=1.4,<2\ntorch\n",
        "[project]\nname = \"x\"\nversion = \"1.0\"\ndependencies = [\"a\", \"b>=1\"]\n",
        "*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
        "lr: 0.1\nlayers: [1, 2]\nname: &a x\nother: *a\n",
        "name: env\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11\n  - pip:\n    - mlflow\n",
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.11.0\n",
        "# encoding: the way words become numbers\r\n\r\nSome words.\r\n",
        "# -*- coding: utf-8 -*-\nkey: value\n",
        "match\ncase\ntype\n",
        "case: lower\ntype: bpe\n",
        "x: !!str 1\ny: !!binary aGk=\n",
    ] {
        safe(text);
    }
}

#[test]
fn source_code_is_found() {
    for text in [
        "print('x')\n",
        "import os\nos.system('x')\n",
        "from x import y\n",
        "# comment\n\nclass Model(Base):\n    def forward(self, x: int) -> int:\n        return x + 1\n",
        "x = [i for i in range(3)]\nexec(\"a\")\n",
        "\"\"\"Docs with 'quotes' and\nlines.\"\"\"\nimport torch as t\n\n@t.no_grad()\ndef f(*args, **kwargs):\n    with open('x') as g:\n        yield g\n",
        "import os\nimport sys\nprint \"python 2\" % x\n!pip install y\nfrom a import (b,\n  c)\ndef f(x): return x\n",
        "__import__('os').system('x')\n",
        "lambda: (yield)\nf(x)[0](y)\n",
        "#!/bin/sh\nls\n",
        "#!/usr/bin/env python3\n",
        "@echo off\ndel x\n",
        "<?php system('x');\n",
        // Ends of lines, encodings and statements that other readers do not have.
        "# notes\rimport os\ros.system('x')\r",
        "Some title\r\n# coding: utf-7\r\n+AGkAbQBwAG8AcgB0-\r\n",
        "# -*- coding: rot13 -*-\nvzcbeg bf\n",
        "match x:\n    case 1:\n        print('x')\n    case _: f(x)\n",
        "type X = int\nprint('x')\n",
    ] {
        assert!(
            rules(text).iter().any(|rule| rule.starts_with("text/") || rule.starts_with("executable/")),
            "{text}"
        );
    }
}

#[test]
fn yaml_that_builds_objects_is_found() {
    for (text, rule) in [
        ("x: !!python/object/new:subprocess.Popen [['true']]\n", "yaml/tag"),
        ("!!python/object/apply:os.system ['x']\n", "yaml/tag"),
        ("- !!python/name:os.system ''\n", "yaml/tag"),
        ("x: !<tag:yaml.org,2002:python/module:os> ''\n", "yaml/tag"),
        ("%TAG ! tag:yaml.org,2002:python/\n---\nx: !name:os.system ''\n", "yaml/tag"),
        ("x: !include other.yaml\n", "yaml/tag"),
        ("x: !new:os.system [a]\n", "yaml/tag"),
        ("a: {b: [1, !!python/tuple [1]]}\n", "yaml/tag"),
        ("x: 1\n---\ny: !!python/object:a.B {}\n", "yaml/tag"),
        ("x: !!python/object/apply:os.system ['x']\n\t- broken", "yaml/tag"),
        ("model:\n  _target_: os.system\n  command: x\n", "config/target"),
        ("trust_remote_code: true\n", "config/custom-code"),
        ("flavors:\n  python_function:\n    loader_module: evil\n", "config/custom-code"),
        ("chat_template: \"{{ x.__class__ }}\"\n", "template/attribute"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g]\n",
            "yaml/alias",
        ),
    ] {
        assert!(rules(text).contains(&rule), "{text}: {:?}", rules(text));
    }
}

#[test]
fn json_that_loads_code_is_found() {
    for (text, rule) in [
        (r#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#, "config/custom-code"),
        (r#"{"a": [{"auto_map": {"AutoTokenizer": ["x.T", null]}}]}"#, "config/custom-code"),
        (r#"{"\u0061uto_map": {"AutoModel": "m.X"}}"#, "config/custom-code"),
        (r#"{"custom_pipelines": {"p": {"impl": "x.P"}}}"#, "config/custom-code"),
        (r#"{"trust_remote_code": true}"#, "config/custom-code"),
        (r#"{"auto_mapping": {"base_model_class": "X", "parent_library": "evil"}}"#, "config/custom-code"),
        (r#"{"_class_name": "P", "unet": ["my_module", "X"]}"#, "config/custom-code"),
        (r#"{"_class_name": ["my_pipeline", "P"]}"#, "config/custom-code"),
        (r#"[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]"#, "config/target"),
        (r#"{"model": {"_target_": "os.system"}}"#, "config/target"),
        (r#"{"py/reduce": [{"py/function": "os.system"}]}"#, "config/target"),
        (r#"{"lc": 1, "type": "constructor", "id": ["a", "b"], "kwargs": {}}"#, "config/target"),
        (r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": []}]}"#, "config/notebook"),
        (r#"{"chat_template": "{{ x.__class__ }}"}"#, "template/attribute"),
        (r#"{"chat_template": [{"name": "default", "template": "{% include 'x' %}"}]}"#, "template/tag"),
        (
            r#"{"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {}}]}}"#,
            "keras/class",
        ),
        (r#"{"module": "os", "class_name": "function", "config": "system"}"#, "keras/function"),
        (r#"{"module": "keras.utils", "class_name": "function", "config": "get_file"}"#, "keras/function"),
        (
            r#"{"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": "Evil>Dense"}"#,
            "keras/class",
        ),
        (
            r#"{"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}"#,
            "keras/file",
        ),
        (r#"{"module": "keras.src.layers.core.dense", "class_name": "os", "config": {}}"#, "keras/class"),
        (
            r#"{"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "content": []}"#,
            "skops/type",
        ),
        (r#"{"__class__": "dict", "__module__": "builtins", "__loader__": "MethodNode"}"#, "skops/loader"),
        (r#"{"a": 1, "a": 2}"#, "json/syntax"),
        (r#"{"a": 1} x"#, "json/syntax"),
    ] {
        assert!(rules(text).contains(&rule), "{text}: {:?}", rules(text));
    }
    for text in [
        r#"{"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "rope": Infinity, "auto_map": null}"#,
        r#"{"auto_mapping": {"base_model_class": "B", "parent_library": "transformers.models.bert.modeling_bert"}}"#,
        r#"{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [null, null]}"#,
        r#"[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]"#,
        r#"{"post_processor": {"type": "TemplateProcessing", "single": []}, "model": {"type": "BPE", "vocab": {"a": 0}}}"#,
        "{\"a\": 1}\n{\"a\": 2}\n",
        r#"{"module": "keras.layers", "class_name": "Dense", "config": {"activation": "relu", "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": null}, "registered_name": null}}, "registered_name": null}"#,
        r#"{"__class__": "Pipeline", "__module__": "sklearn.pipeline", "__loader__": "ObjectNode", "content": {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"}, "protocol": 2, "_skops_version": "0.16.0"}"#,
    ] {
        safe(text);
    }
}

#[test]
fn xml_that_reaches_out_is_found() {
    let pmml = |inside: &str| format!("<?xml version=\"1.0\"?>\n<PMML version=\"4.4\">{inside}</PMML>");
    safe(&pmml("<Header copyright=\"x &amp; y\"/><DataDictionary><DataField name=\"a\"/></DataDictionary>"));
    for (text, rule) in [
        (
            "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><PMML>&e;</PMML>"
                .to_owned(),
            "xml/entity",
        ),
        (pmml("&e;"), "xml/entity"),
        (pmml("<?php x ?>"), "xml/entity"),
        (pmml("<Apply function=\"java.lang.Runtime.exec\"/>"), "xml/code"),
        (pmml("<xi:include href=\"x\"/>"), "xml/code"),
        (pmml("<script>x</script>"), "xml/code"),
        ("<?xml version=\"1.0\"?><other/>".to_owned(), "xml/root"),
        (pmml("<a>"), "xml/syntax"),
    ] {
        assert!(rules(&text).contains(&rule), "{text}: {:?}", rules(&text));
    }
}

#[test]
fn names_that_are_run_are_refused_whatever_they_hold() {
    for name in ["notes.py", "a/site.PTH", "lib.so", "run.sh", "x.ps1"] {
        let report = crate::scan_files(&[(name, b"Some words, and more.\n")], &Limits::default());
        assert!(report.findings.iter().any(|finding| finding.rule == "executable/code"), "{name}");
    }
    let report =
        crate::scan_files(&[("README.md", b"Some words.\n"), ("py", b"Words.\n")], &Limits::default());
    assert_eq!(report.verdict, Verdict::Safe, "{report:?}");
}
