//! What an author says of a model that runs elsewhere: its tensors, which no file tells, and how it is called there.
//!
//! Where that is, a package cannot say: it names no host, and there is no key for one. The operator of a home decides
//! which upstream a model is asked at.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use mantlet_gate::ports::Elsewhere;
use mantlet_types::{
    Datatype, Sha256, TensorSpec,
    limits::{ELEMENTS_MAX, RANK_MAX, TENSORS_MAX},
};
use serde::Deserialize;
use toml::Spanned;

use super::{
    interface::{self, ClassValues},
    settings::{SettingsError, phrase},
};

/// Longest name of a model or version elsewhere, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A model that runs elsewhere, as its author declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its input tensors.
    pub inputs: Vec<TensorSpec>,
    /// Its output tensors; others that it may have are not asked for.
    pub outputs: Vec<TensorSpec>,
    /// What its label output says for each class, in the order of the probability columns.
    pub label_values: Option<Vec<i64>>,
    /// How it is called there.
    pub elsewhere: Elsewhere,
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileBackend {
    /// Here, from `model.onnx`.
    #[default]
    Onnx,
    /// Elsewhere, behind the Open Inference Protocol, version 2.
    V2,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileServedAs {
    model: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTensor {
    name: Spanned<String>,
    datatype: Spanned<String>,
    shape: Spanned<Vec<i64>>,
}

/// Everything in `mantlet-model.toml` that only a model elsewhere has.
pub(super) struct FileDeclared {
    pub(super) served_as: Option<Spanned<FileServedAs>>,
    pub(super) input: Option<Spanned<Vec<FileTensor>>>,
    pub(super) output: Option<Spanned<Vec<FileTensor>>>,
    pub(super) label_values: Option<Spanned<Vec<i64>>>,
}

impl FileDeclared {
    /// What is declared of a model of this name; `None` for one that runs here, of which its file tells.
    pub(super) fn check(self, backend: FileBackend, name: &str) -> Result<Option<Declared>, SettingsError> {
        if backend == FileBackend::Onnx {
            let given: [(&str, Option<Range<usize>>); 4] = [
                ("served_as", self.served_as.map(|given| given.span())),
                ("input", self.input.map(|given| given.span())),
                ("output", self.output.map(|given| given.span())),
                ("label_values", self.label_values.map(|given| given.span())),
            ];
            return match given.into_iter().find_map(|(key, span)| span.map(|span| (key, span))) {
                Some((key, span)) => Err(SettingsError {
                    message: format!("`{key}` means something only with `backend = \"v2\"`"),
                    span: Some(span),
                    hint: Some("what runs here says it in `model.onnx`".to_owned()),
                }),
                None => Ok(None),
            };
        }
        let (model, version) = match self.served_as {
            Some(served_as) => {
                let FileServedAs { model, version } = served_as.into_inner();
                (called("served_as.model", model)?, called("served_as.version", version)?)
            }
            None => (None, None),
        };
        let elsewhere = Elsewhere { model: model.unwrap_or_else(|| name.into()), version };
        Ok(Some(Declared {
            inputs: tensors("input", self.input)?,
            outputs: tensors("output", self.output)?,
            label_values: self.label_values.map(Spanned::into_inner),
            elsewhere,
        }))
    }
}

/// A name that stands in a path as it is.
fn called(key: &str, value: Option<Spanned<String>>) -> Result<Option<Arc<str>>, SettingsError> {
    let Some(value) = value else { return Ok(None) };
    let text = value.get_ref();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
    if fits && !text.bytes().all(|b| b == b'.') {
        return Ok(Some(text.as_str().into()));
    }
    Err(SettingsError {
        message: format!("`{key}` has 1 to {NAME_BYTES_MAX} letters, digits, `.`, `_` and `-`"),
        span: Some(value.span()),
        hint: None,
    })
}

fn tensors(key: &str, list: Option<Spanned<Vec<FileTensor>>>) -> Result<Vec<TensorSpec>, SettingsError> {
    let missing = || SettingsError {
        message: format!("a model that runs elsewhere has 1 to {TENSORS_MAX} `[[{key}]]`"),
        span: None,
        hint: Some(format!("as in [[{key}]] name = \"x\", datatype = \"FP32\", shape = [-1, 4]")),
    };
    let list = list.map(Spanned::into_inner).unwrap_or_default();
    if !(1..=TENSORS_MAX).contains(&list.len()) {
        return Err(missing());
    }
    let mut seen = BTreeSet::new();
    let spec = |tensor: FileTensor| {
        let name: Arc<str> = phrase(&format!("{key}.name"), &tensor.name)?.into();
        let wrong = |span, message| SettingsError { message, span: Some(span), hint: None };
        if !seen.insert(Arc::clone(&name)) {
            return Err(wrong(tensor.name.span(), format!("`{key}` names `{name}` twice")));
        }
        let unknown = || {
            let known = Datatype::ALL.map(Datatype::as_str).join(", ");
            wrong(tensor.datatype.span(), format!("`{key}.datatype` is one of {known}"))
        };
        let datatype: Datatype = tensor.datatype.get_ref().parse().map_err(|_| unknown())?;
        let shape = shape(tensor.shape.get_ref()).ok_or_else(|| {
            let what = "extents, -1 where any will do; the first counts the rows";
            wrong(tensor.shape.span(), format!("`{key}.shape` has 1 to {RANK_MAX} {what}"))
        })?;
        Ok(TensorSpec { name, datatype, shape })
    };
    list.into_iter().map(spec).collect()
}

fn shape(extents: &[i64]) -> Option<Vec<Option<usize>>> {
    let extent = |extent: &i64| match extent {
        -1 => Some(None),
        extent => usize::try_from(*extent).ok().filter(|n| (1..=ELEMENTS_MAX).contains(n)).map(Some),
    };
    let counts_rows = matches!(extents.first(), Some(-1 | 1));
    if counts_rows && extents.len() <= RANK_MAX { extents.iter().map(extent).collect() } else { None }
}

impl Declared {
    /// What the label output says for each class, where there is one and the author tells.
    ///
    /// # Errors
    /// Label values without an output that could hold them.
    pub(crate) fn classes(&self, labels: Option<&[Arc<str>]>) -> Result<Option<ClassValues>, SettingsError> {
        let output = self.outputs.iter().find(|output| interface::is_label(output));
        match (output.map(|output| output.datatype), &self.label_values) {
            (Some(Datatype::Bytes), None) => Ok(labels.map(|labels| ClassValues::Texts(labels.to_vec()))),
            (Some(Datatype::Bytes) | None, Some(_)) => Err(SettingsError {
                message: "`label_values` stand for an output of whole numbers, one per row".to_owned(),
                span: None,
                hint: Some("remove them, or declare that output".to_owned()),
            }),
            (_, values) => Ok(values.clone().map(ClassValues::Numbers)),
        }
    }

    /// What takes the place of a model file's digest: a profile is of a model that is called so and has these tensors.
    pub(crate) fn identity(&self) -> Sha256 {
        let mut context = Context::new(&SHA256);
        // Each text with its length before it, so that no two declarations make the same bytes.
        let mut text = |text: &str| {
            context.update(&(text.len() as u64).to_le_bytes());
            context.update(text.as_bytes());
        };
        text("mantlet.elsewhere/1");
        text(&self.elsewhere.model);
        text(self.elsewhere.version.as_deref().unwrap_or_default());
        for (kind, specs) in [("input", &self.inputs), ("output", &self.outputs)] {
            for spec in specs {
                text(kind);
                text(&spec.name);
                text(spec.datatype.as_str());
                text(&format!("{:?}", spec.shape));
            }
        }
        text(&format!("{:?}", self.label_values));
        let mut value = [0; 32];
        value.copy_from_slice(context.finish().as_ref());
        Sha256(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;

    const PACKAGE: &str = "name = \"iris\"\nbackend = \"v2\"\nlabels = [\"a\", \"b\"]\n\
        [served_as]\nmodel = \"Iris_1.onnx\"\nversion = \"3\"\n\
        [[input]]\nname = \"x\"\ndatatype = \"FP32\"\nshape = [-1, 4]\n\
        [[output]]\nname = \"p\"\ndatatype = \"FP64\"\nshape = [-1, 2]\n";

    #[track_caller]
    fn check(text: &str, why: &str) {
        let error = Settings::parse(text.as_bytes()).expect_err(text);
        assert!(error.message.contains(why), "{error}");
    }

    #[test]
    fn a_declaration_says_what_no_file_does() {
        let settings = Settings::parse(PACKAGE.as_bytes()).unwrap();
        let declared = settings.declared.unwrap();
        assert_eq!(&*declared.elsewhere.model, "Iris_1.onnx");
        assert_eq!(declared.elsewhere.version.as_deref(), Some("3"));
        assert_eq!(declared.inputs[0].shape, [None, Some(4)]);
        assert_eq!(declared.outputs[0].datatype.as_str(), "FP64");
        let plain = PACKAGE.replace("[served_as]\nmodel = \"Iris_1.onnx\"\nversion = \"3\"\n", "");
        let plain = Settings::parse(plain.as_bytes()).unwrap().declared.unwrap();
        assert_eq!((&*plain.elsewhere.model, &plain.elsewhere.version), ("iris", &None));
        assert_ne!(plain.identity(), declared.identity());
    }

    #[test]
    fn nobody_but_the_operator_says_where() {
        for key in ["url", "host", "upstream"] {
            check(&PACKAGE.replace("version = \"3\"", &format!("{key} = \"https://x\"")), "unknown field");
            check(&format!("{key} = \"https://x\"\n{PACKAGE}"), "unknown field");
        }
        for name in ["../admin", "a/b", "", ".", "..", "a%2fb", "ä"] {
            check(&PACKAGE.replace("Iris_1.onnx", name), "served_as.model");
        }
    }

    #[test]
    fn tensors_are_declared_whole() {
        check(&PACKAGE.replace("[[output]]", "[[input]]"), "has 1 to 1024 `[[output]]`");
        check(
            &PACKAGE.replace("name = \"p\"", "name = \"x\"").replace("[[output]]", "[[input]]"),
            "names `x` twice",
        );
        check(&PACKAGE.replace("FP64", "FLOAT"), "`output.datatype` is one of BOOL");
        for shape in ["[]", "[4]", "[0, 2]", "[-1, -2]", "[-1, 99999999999]", "[-1,1,1,1,1,1,1,1,1]"] {
            check(&PACKAGE.replace("[-1, 4]", shape), "`input.shape` has");
        }
        check(&PACKAGE.replace("\"v2\"", "\"onnx\""), "means something only with `backend = \"v2\"`");
        check(&PACKAGE.replace("\"v2\"", "\"v3\""), "unknown variant");
    }
}
