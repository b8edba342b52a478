//! What a pickle does with names: importing, calling, making objects and giving them state.

use super::{
    machine::{Host, LINE_BYTES_MAX, Machine, NAME, OUTSIDE, USE},
    names::{Name, Right, is_telling},
    numpy,
    value::{Dict, Value},
};
use crate::scan::{Scan, Stop};

/// Longest module or name.
const NAME_BYTES_MAX: u32 = 256;

impl<H: Host> Machine<'_, '_, H> {
    /// `GLOBAL` and `INST`: module and name stand in two lines.
    pub(super) fn global_lines(&mut self, scan: &mut Scan<'_>) -> Result<Value, Stop> {
        let mut line = || -> Result<String, Stop> {
            let (at, bytes) = self.cursor.line(LINE_BYTES_MAX)?;
            Ok(String::from_utf8_lossy(self.cursor.view(at, bytes)?).into_owned())
        };
        let (module, name) = (line()?, line()?);
        self.global(&module, &name, scan)
    }

    /// `STACK_GLOBAL`: module and name are on the stack.
    pub(super) fn global_values(
        &mut self,
        module: &Value,
        name: &Value,
        scan: &mut Scan<'_>,
    ) -> Result<Value, Stop> {
        match (self.text_of(module)?, self.text_of(name)?) {
            (Some(module), Some(name)) => self.global(&module, &name, scan),
            _ => {
                self.imported = true;
                scan.find(&NAME, self.at, "a name is imported that is computed or too long");
                Ok(Value::Refused)
            }
        }
    }

    fn global(&mut self, module: &str, name: &str, scan: &mut Scan<'_>) -> Result<Value, Stop> {
        // Nothing can be imported under such a name, but text looks like this.
        if [module, name]
            .iter()
            .any(|part| part.is_empty() || part.contains(|c: char| c.is_whitespace() || c.is_control()))
        {
            return Err(self.malformed(format!("`{module}.{name}` is no name")));
        }
        let found = Name::find(module, name);
        self.acts(scan);
        self.imported = true;
        self.named |= found.is_some() || is_telling(module);
        if found.is_none() {
            let why = format!(
                "imports `{module}.{name}`, which is not on the list of names that models are made of"
            );
            scan.find(&NAME, self.at, why);
        }
        Ok(found.map_or(Value::Refused, Value::Global))
    }

    /// The text of a value, if it is text, short, and stands in the content as it is.
    pub(super) fn text_of(&mut self, value: &Value) -> Result<Option<String>, Stop> {
        let Value::Text { at, bytes } = value else { return Ok(None) };
        if *bytes > NAME_BYTES_MAX {
            return Ok(None);
        }
        let text = self.cursor.view(*at, u64::from(*bytes))?;
        Ok(std::str::from_utf8(text).ok().map(str::to_owned))
    }

    /// `INST` and `OBJ`: a class without arguments is only made, one with arguments is called.
    pub(super) fn instantiate(
        &mut self,
        class: &Value,
        arguments: &Value,
        scan: &mut Scan<'_>,
    ) -> Result<Value, Stop> {
        match class {
            Value::Global(name) if name.may(Right::New) && arguments.items().is_some_and(<[_]>::is_empty) => {
                self.calls += 1;
                self.acts(scan);
                Ok(Value::Made(*name, None))
            }
            _ => self.call(class, arguments, scan),
        }
    }

    /// `NEWOBJ` and `NEWOBJ_EX`: `cls.__new__(cls, *arguments, **keywords)`.
    pub(super) fn new_object(
        &mut self,
        class: &Value,
        arguments: &Value,
        keywords: Option<&Value>,
        scan: &mut Scan<'_>,
    ) -> Value {
        self.calls += 1;
        let name = match class {
            Value::Global(name) => {
                self.acts(scan);
                *name
            }
            Value::Refused => return Value::Refused,
            _ => {
                scan.find(&USE, self.at, "an object is made of what is no listed class");
                return Value::Refused;
            }
        };
        let bare = arguments.items().is_some_and(<[_]>::is_empty)
            && keywords
                .is_none_or(|given| matches!(given, Value::Dict(dict) if dict.weight.objects.get() == 0));
        let called = name.may(Right::Call) && takes(name, arguments.items().unwrap_or_default());
        if !name.may(Right::New) || !(bare || called) {
            scan.find(
                &USE,
                self.at,
                format!("makes an object of `{name}` in a way that its own writer does not"),
            );
            return Value::Refused;
        }
        Value::Made(name, None)
    }

    /// `REDUCE`: `function(*arguments)`.
    pub(super) fn call(
        &mut self,
        function: &Value,
        arguments: &Value,
        scan: &mut Scan<'_>,
    ) -> Result<Value, Stop> {
        self.calls += 1;
        let name = match function {
            Value::Global(name) => {
                self.acts(scan);
                *name
            }
            Value::Refused => return Ok(Value::Refused),
            _ => {
                scan.find(&USE, self.at, "calls what is no listed class or function");
                return Ok(Value::Refused);
            }
        };
        let Some(items) = arguments.items() else {
            if !matches!(arguments, Value::Refused) {
                scan.find(&USE, self.at, format!("calls `{name}` with arguments that are no tuple"));
            }
            return Ok(Value::Refused);
        };
        let made = if name.may(Right::OfClass) {
            self.of_class(name, items)?
        } else if name.may(Right::Call) {
            self.made_by(name, items)?
        } else {
            None
        };
        Ok(made.unwrap_or_else(|| {
            scan.find(&USE, self.at, format!("calls `{name}` in a way that its own writer does not"));
            Value::Refused
        }))
    }

    /// Functions whose first argument is the class to make an object of.
    fn of_class(&mut self, function: Name, arguments: &[Value]) -> Result<Option<Value>, Stop> {
        let Some(Value::Global(class)) = arguments.first() else { return Ok(None) };
        let allowed = match (function.module(), function.name()) {
            ("copyreg", "_reconstructor") => {
                // Calls the base's `__new__` and `__init__` on what follows.
                let base = arguments.get(1);
                let plain = matches!(base, Some(Value::Global(base)) if base.module() == "builtins");
                arguments.len() == 3 && class.may(Right::New) && plain
            }
            (_, "_reconstruct" | "_mareconstruct") => {
                // A shape of anything but nothing takes memory.
                let shape = arguments.iter().skip(1).filter_map(Value::items).flatten();
                class.may(Right::Array) && shape.into_iter().all(|length| matches!(length, Value::Int(0)))
            }
            _ => class.may(Right::New),
        };
        Ok(allowed.then_some(Value::Made(*class, None)))
    }

    /// What a listed function or class makes of these arguments; `None` if they are not such as a pickler writes.
    fn made_by(&mut self, name: Name, arguments: &[Value]) -> Result<Option<Value>, Stop> {
        let is_container =
            |value: &Value| matches!(value, Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Data);
        let made = match (name.module(), name.name()) {
            // Python 3 writes bytes so in protocols that have none. Other codecs decompress, or import modules.
            ("_codecs", "encode") => match arguments {
                [Value::Text { .. }, codec] if self.is_latin1(codec)? => Some(Value::Data),
                _ => None,
            },
            ("builtins", "bytes" | "bytearray") => match arguments {
                [] | [Value::Data] => Some(Value::Data),
                [Value::Text { .. }, codec] if self.is_latin1(codec)? => Some(Value::Data),
                // A number is a length.
                _ => None,
            },
            ("builtins", "set" | "frozenset" | "list" | "tuple") => match arguments {
                [] => Some(Value::Data),
                [items] if is_container(items) => Some(Value::Data),
                _ => None,
            },
            // The loader's keys are not known here.
            ("builtins", "dict") => {
                matches!(arguments, []).then(|| Value::Dict(Dict::new(&self.live).into()))
            }
            ("builtins", "complex") => Some(Value::Data),
            // Whoever takes their items takes as many as two numbers say.
            ("builtins", "slice" | "range") => Some(Value::Made(name, None)),
            // Digits that an exponent stands for are all made.
            ("decimal" | "fractions", _) => {
                for argument in arguments {
                    let fine = match argument {
                        Value::Int(_) => true,
                        Value::Text { .. } => {
                            self.text_of(argument)?.is_some_and(|text| is_short_number(&text))
                        }
                        _ => false,
                    };
                    if !fine {
                        return Ok(None);
                    }
                }
                Some(Value::Made(name, None))
            }
            ("builtins", _) => matches!(arguments, []).then_some(Value::Data),
            ("collections", _) => {
                let plain = |value: &Value| match value {
                    Value::Global(name) => matches!(name.module(), "builtins" | "collections"),
                    Value::Made(..) | Value::Refused => false,
                    _ => true,
                };
                arguments.iter().all(plain).then_some(Value::Made(name, None))
            }
            // Its second argument is called with the first.
            ("numpy.random._pickle", _) => {
                let generator = |value: &Value| match value {
                    Value::Global(name) | Value::Made(name, _) => name.module().starts_with("numpy.random."),
                    other => matches!(other, Value::Text { .. }),
                };
                let maker = |value: &Value| matches!(value, Value::Global(name) if name.is("numpy.random._pickle", "__bit_generator_ctor"));
                let known = match arguments {
                    [first] => generator(first),
                    [first, second] => generator(first) && maker(second),
                    _ => arguments.is_empty(),
                };
                known.then_some(Value::Made(name, None))
            }
            ("numpy", "dtype") => self.dtype(arguments)?.map(|dtype| Value::Made(name, Some(dtype.into()))),
            // Protocol 5 writes arrays so: `frombuffer(bytes, dtype).reshape(shape, order)`.
            (_, "_frombuffer") if name.module().starts_with("numpy") => match arguments {
                [Value::Data, Value::Made(_, Some(dtype)), shape, order] => {
                    let plain = matches!(shape, Value::Tuple(_)) && matches!(order, Value::Text { .. });
                    (plain && !dtype.objects.get()).then_some(Value::Data)
                }
                _ => None,
            },
            (_, "scalar") if name.module().starts_with("numpy") => {
                let objects =
                    matches!(arguments.first(), Some(Value::Made(_, Some(dtype))) if dtype.objects.get());
                (!objects).then_some(Value::Data)
            }
            _ => takes(name, arguments).then_some(Value::Made(name, None)),
        };
        Ok(made)
    }

    fn is_latin1(&mut self, codec: &Value) -> Result<bool, Stop> {
        Ok(matches!(self.text_of(codec)?.as_deref(), Some("latin1" | "latin-1")))
    }

    /// `BUILD`: gives state to the object on top.
    pub(super) fn build(&mut self, state: &Value, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let top = self.top()?.clone();
        self.calls += 1;
        let attributes = |part: &Value| matches!(part, Value::Dict(_) | Value::Made(..));
        let chosen = attributes(state) || state.items().is_some_and(|parts| parts.iter().any(attributes));
        // Items give some number as state to what stood there before by accident, but no dict.
        if matches!(&top, Value::Made(_, dtype) if chosen || dtype.is_some()) {
            self.acts(scan);
        }
        let (class, dtype) = match top {
            Value::Made(class, dtype) => (class, dtype),
            Value::Refused => return Ok(()),
            _ => {
                scan.find(&USE, self.at, "state is given to what no listed class made");
                return Ok(());
            }
        };
        if !class.may(Right::State) {
            scan.find(&USE, self.at, format!("state is given to an object of `{class}`, which has none"));
            return Ok(());
        }
        if !is_clean(class, state) || class.name() == "TreePredictor" && !is_of_arrays(state) {
            let why = format!("the state of `{class}` sets special attributes, or ones that are not known");
            scan.find(&USE, self.at, why);
            return Ok(());
        }
        if let Some(dtype) = dtype {
            numpy::dtype_state(self, &dtype, state, scan);
        }
        if class.is("joblib.numpy_pickle", "NumpyArrayWrapper") {
            self.array(state, scan)?;
        }
        Ok(())
    }

    /// A persistent id.
    pub(super) fn persistent(&mut self, id: &Value, scan: &mut Scan<'_>) -> Result<(), Stop> {
        let value = self.host.persistent(id, self.cursor)?;
        if value.is_none() {
            scan.find(&OUTSIDE, self.at, "a persistent id stands for an object that only the loader knows");
        }
        self.push(value.unwrap_or(Value::Refused));
        Ok(())
    }

    /// A value is referred to once more. What reads on when it is built must not be built twice.
    pub(super) fn copied(&mut self, value: &Value, scan: &mut Scan<'_>) {
        if matches!(value, Value::Made(class, _) if class.is("joblib.numpy_pickle", "NumpyArrayWrapper")) {
            scan.find(&USE, self.at, "the header of an array is referred to twice");
        }
        if let Value::Made(_, Some(dtype)) = value {
            dtype.fixed.set(true);
        }
    }
}

/// Whether a state sets plain attributes only. A loader calls the object's `__setstate__`, which the state before could
/// have set, and which takes from the state what it needs; a pair is a state and one for slots.
fn is_clean(of: Name, state: &Value) -> bool {
    let header = of.is("joblib.numpy_pickle", "NumpyArrayWrapper");
    let plain = |part: &Value| match part {
        Value::Dict(dict) => {
            !dict.special.get()
                && !dict.callable.get()
                && (header || !dict.array_class.get())
                && dict.shared.borrow().iter().all(|attribute| attribute.is_of(of))
        }
        Value::Made(class, _) => !class.may(Right::SetItem),
        _ => true,
    };
    // In the place of a dict any other object answers with its own attributes, which its own state could have set.
    let known = |part: &Value| match part {
        Value::Made(class, _) => is_numeric(*class),
        Value::Global(_) => false,
        _ => true,
    };
    match state {
        Value::Tuple(tuple) => {
            tuple.items.iter().all(plain) && (tuple.items.len() != 2 || tuple.items.iter().all(known))
        }
        other => plain(other) && known(other),
    }
}

/// NumPy's own objects.
pub(super) fn is_numeric(class: Name) -> bool {
    class.may(Right::Array) || class.module() == "numpy" || class.module().starts_with("numpy.")
}

/// Whether a state has nothing but arrays: its object compares and converts them as soon as it gets them.
fn is_of_arrays(state: &Value) -> bool {
    let Value::Dict(dict) = state else { return false };
    let entries = dict.entries.borrow();
    dict.is_whole()
        && entries.iter().all(|(_, value)| match value {
            Value::Made(class, _) => class.may(Right::Array),
            other => matches!(other, Value::Data | Value::Int(_) | Value::Nothing | Value::Refused),
        })
}

/// Whether text spells a number of few digits.
fn is_short_number(text: &str) -> bool {
    let exponent = text.rsplit_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
    text.len() <= 64 && exponent.len() <= 5
}

/// Whether a class may be made with these arguments. Constructors of compiled classes call the functions that they are given,
/// and take containers apart; what they write themselves are numbers, text and arrays.
fn takes(class: Name, arguments: &[Value]) -> bool {
    let compiled = class.may(Right::Call) && class.may(Right::State) && !class.may(Right::SetItem);
    // scikit-learn 1.6 has `sklearn._loss._loss` under its last name.
    let library = class.module().starts_with("sklearn.")
        || class.module().starts_with("scipy.")
        || class.module() == "_loss";
    let plain = |argument: &Value| match argument {
        Value::Made(made, _) => is_numeric(*made),
        other => !matches!(other, Value::Global(_) | Value::Dict(_) | Value::List(_)),
    };
    let fine = |argument: &Value| match argument.items() {
        Some(items) => items.iter().all(|item| plain(item) && item.items().is_none()),
        None => plain(argument),
    };
    !(compiled && library) || arguments.iter().all(fine)
}
