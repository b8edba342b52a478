"""Writes the scanner's lists of names that a pickle may use, and of attributes that its objects may have, from released wheels
and from `by_hand.txt`.

Usage: generate.py WHEELS_DIR NAMES ATTRIBUTES DATE

The wheels are read, never imported: Python sources through `ast`, compiled modules through the names that Cython leaves
in them. A class of a listed package is listed if loading it runs no code of its package that was not reviewed here: of a
plain class, unpickling runs `__new__`, `__setstate__` and, when it is thrown away, `__del__`, and of these only the ones
under REVIEWED are let through. What may be done with a name is one letter each:

    n  make an object by `__new__` alone        s  give it state (BUILD)
    c  call with arguments                      k  call with a class first, which must have n or a
    l  append to the object                     d  set its items
    a  an array class, made empty
    -  hold as a value only

An object's state sets attributes. Numbers, text and arrays may stand under any name; an object that can be called or whose
methods can be called only under a name that these packages give to attributes, so that nothing takes the place of a method:

    o  may hold an object        f  may hold a function or a class, too

A name that is a method of some class is listed with the classes that give it to an attribute and have no such method.
"""

import ast
import re
import sys
import zipfile
from pathlib import Path

# Modules of a package that may stand in models. Tests, data sets and build tools never do.
PACKAGES = {"sklearn": "", "scipy": "sparse|interpolate|spatial", "xgboost": "", "lightgbm": ""}
LEFT_OUT = re.compile(
    r"(^|\.)(tests?|conftest|_?testing|_mocking|datasets|externals|_build_utils|build_utils|setup|_min_dependencies"
    r"|__check_build|dask|spark|tracker|rabit|federated|collective|libpath|plotting|engine|_show_versions"
    r"|_estimator_html_repr|_repr_html|_joblib|parallel|_plotting|callback|_packages|_version|_distributor_init)(\.|$)"
)

# Special methods that run while a pickle is loaded.
RUN_BY_LOADING = {"__new__", "__setstate__", "__del__", "__setattr__", "__getattribute__", "__getattr__"}

# Those of them that were read and do nothing but put the state in its place.
REVIEWED = {
    # Compares versions and updates `__dict__`.
    ("sklearn.base.BaseEstimator", "__setstate__"),
    # `Bunch` is a dict whose attributes are its items; `__setstate__` drops the state.
    ("sklearn.utils.Bunch", "__setstate__"), ("sklearn.utils.Bunch", "__setattr__"), ("sklearn.utils.Bunch", "__getattr__"),
    ("sklearn.utils._bunch.Bunch", "__setstate__"), ("sklearn.utils._bunch.Bunch", "__setattr__"),
    ("sklearn.utils._bunch.Bunch", "__getattr__"),
    # Builds numbers from the state.
    ("sklearn.naive_bayes._BaseDiscreteNB", "__setstate__"),
    # Attributes by name, from the class or an inner estimator; called after loading only.
    ("sklearn.feature_extraction.text.TfidfVectorizer", "__setstate__"),
    # Compares the type of the nodes with the one of this platform, and converts them.
    ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "__setstate__"),
    # Makes the interpolation of the thresholds anew.
    ("sklearn.isotonic.IsotonicRegression", "__setstate__"),
    # Answers with requests of its own other methods.
    ("sklearn.utils._metadata_requests.MetadataRequest", "__getattr__"),
    # Coordinates were two attributes once.
    ("scipy.sparse._coo.coo_matrix", "__setstate__"), ("scipy.sparse._coo._coo_base", "__setstate__"),
    # Hands on to the estimator within.
    ("sklearn.frozen._frozen.FrozenEstimator", "__getattr__"),
    # Names of a few fields from older versions.
    ("sklearn.preprocessing._encoders._BaseEncoder", "__setstate__"),
    # Hands the bytes of the model to the native reader, as for a model file of its own.
    ("xgboost.core.Booster", "__setstate__"), ("xgboost.core.Booster", "__del__"),
    ("lightgbm.basic.Booster", "__setstate__"), ("lightgbm.basic.Booster", "__del__"),
    # A tuple of hyperparameters.
    ("sklearn.gaussian_process.kernels.Hyperparameter", "__new__"),
    # Sparse matrices: attributes by name.
    ("scipy.sparse.base.spmatrix", "__getattr__"), ("scipy.sparse._base.spmatrix", "__getattr__"),
    ("scipy.sparse._base._spbase", "__getattr__"), ("scipy.sparse._matrix.spmatrix", "__getattr__"),
    ("scipy.sparse._base.sparray", "__getattr__"),
}

# Classes that are left out although nothing runs while they load: they exist to call what they are given.
CALLS_BACK = re.compile(r"(^|\.)(PyFuncDistance\w*|_FuncWrapper|LowLevelCallable|MemoizeJac|MapWrapper)$")

# Bases from outside the package that run nothing while loading.
HARMLESS_BASES = {
    "object", "ABC", "dict", "list", "tuple", "NamedTuple", "namedtuple", "Exception", "ValueError", "Warning", "UserWarning",
    "TypeError", "AttributeError", "ImportError", "RuntimeError", "Generic", "Protocol", "OrderedDict", "Structure",
    "DeprecationWarning", "FutureWarning", "RuntimeWarning", "NotFittedError", "int", "str", "float", "Mapping", "Sequence",
    "MutableMapping", "IndexMixin", "nn.Module", "type",
}

# Functions that stand in models as values: scores and tests of features. Never called while loading.
FUNCTIONS = re.compile(r"^sklearn\.(metrics(\.|$)|feature_selection(\.|$)|preprocessing\._data$|gaussian_process\.kernels$)")

# Parts of the names of attributes that keep a function or a class which their estimator was given. What comes of them is the
# exact list.
KEEPS_FUNCTION = re.compile(
    r"func|metric|kernel|type|loss|scor|objective|activation|distance|class|random_state|estimator|link|criterion|weight|optimizer"
    r"|norm|eval|fun|agg|storage|default|init|regressor|_single|_asarray"
)

# Attributes of classes that no wheel's source tells: joblib's header of an array names the array's class.
ATTRIBUTES_BY_HAND = {"subclass": "fo"}

# Cython leaves `Class.__reduce__` and `__pyx_unpickle_Class` among the strings of a module.
CYTHON = re.compile(rb"\.(?:__reduce__|__reduce_cython__|__getstate__|__setstate__|__setstate_cython__)\x00")
CLASS = re.compile(rb"[A-Za-z_]\w*\Z")
# What Cython itself puts into every module, and what it makes of names.
OF_CYTHON = re.compile(r"(array|memoryview|_memoryviewslice|Enum|P\d+_object)\Z")
UNPICKLE = re.compile(rb"__pyx_unpickle_([A-Za-z_]\w*)\x00")


class Class:
    """A class of some module: its bases as written, and the special methods that it defines."""

    def __init__(self, module, node):
        self.module, self.name = module, node.name
        self.bases = [ast.unparse(base) for base in node.bases]
        self.metaclass = any(k.arg == "metaclass" and "ABCMeta" not in ast.unparse(k.value) for k in node.keywords)
        self.methods, todo = set(), list(node.body)
        while todo:
            one = todo.pop()
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.methods.add(one.name)
            elif isinstance(one, ast.Assign):
                self.methods |= {target.id for target in one.targets if isinstance(target, ast.Name)}
            elif isinstance(one, (ast.If, ast.Try, ast.With, ast.For)):
                todo += one.body + getattr(one, "orelse", [])
        self.attributes = given(node)
        self.called = {n.name for n in ast.walk(node) if is_function(n) and not is_property(n) and n in node.body} | {
            target.id for n in node.body if isinstance(n, ast.Assign) and isinstance(n.value, (ast.Name, ast.Attribute, ast.Lambda))
            for target in n.targets if isinstance(target, ast.Name)
        }
        self.called |= {n.name for part in node.body if isinstance(part, (ast.If, ast.Try)) for n in ast.walk(part) if is_function(n)}

    @property
    def path(self):
        return f"{self.module}.{self.name}"


def is_function(node):
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def is_property(function):
    """A property stands before whatever an object has under its name, so a state cannot take its place."""
    return any(re.search(r"\bproperty\b|\.(setter|getter|deleter)$", ast.unparse(one)) for one in function.decorator_list)


def given(node):
    """The names that some code gives to attributes: assigned to, or parameters that `set_params` sets."""
    names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    for function in ast.walk(node):
        if is_function(function) and function.name == "__init__":
            names |= {argument.arg for argument in function.args.args + function.args.kwonlyargs}
    return {name for name in names if not (name.startswith("__") and name.endswith("__"))}


def module_of(path):
    parts = path.split("/")
    last = parts[-1].split(".")[0]
    return ".".join(parts[:-1] + ([] if last == "__init__" else [last]))


def wanted(module):
    package, _, rest = module.partition(".")
    if package not in PACKAGES or LEFT_OUT.search(module):
        return False
    return not PACKAGES[package] or re.match(rf"({PACKAGES[package]})(\.|$)", rest) is not None


class Wheel:
    """The classes and functions of one wheel."""

    def __init__(self, path):
        self.classes, self.by_name, self.names, self.attributes = {}, {}, {}, set()
        with zipfile.ZipFile(path) as wheel:
            for member in wheel.namelist():
                module = module_of(member)
                if not re.match(r"[\w.]+$", module) or module.split(".")[0] not in PACKAGES:
                    continue
                # What is not listed itself may still be a base of what is.
                if member.endswith(".py") and (wanted(module) or re.match(r"sklearn\.(callback|utils)\b(?!.*test)", module)):
                    self.source(module, wheel.read(member))
                elif ".cpython-" in member and wanted(module):
                    self.compiled(module, wheel.read(member))
        for found in self.classes.values():
            rights = self.rights(found)
            if rights:
                self.names[found.module, found.name] = rights

    def own(self, found):
        """The attributes of a listed class, its bases' included, that are no methods of it."""
        line = self.bases(found) or []
        return set().union(*(one.attributes for one in line)) - set().union(*(one.called for one in line))

    def source(self, module, text):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            return
        if wanted(module):
            self.attributes |= given(tree)
        for node in tree.body:
            nodes = [node] if not isinstance(node, (ast.If, ast.Try)) else [n for n in ast.walk(node)]
            for n in nodes:
                if isinstance(n, ast.ClassDef):
                    found = Class(module, n)
                    self.classes[found.path] = found
                    self.by_name.setdefault(found.name, []).append(found)
            if isinstance(node, ast.Assign) and wanted(module) and re.match(r"(collections\.)?namedtuple\(", ast.unparse(node.value)):
                for target in node.targets:
                    self.names[module, ast.unparse(target)] = "nc"
            if isinstance(node, ast.FunctionDef) and wanted(module) and FUNCTIONS.match(module):
                # No estimator keeps those with an underscore, and some of them call what they are given.
                if not node.name.startswith("_"):
                    self.names[module, node.name] = "-"

    def compiled(self, module, binary):
        before = (CLASS.search(binary[max(0, m.start() - 80):m.start()]) for m in CYTHON.finditer(binary))
        names = {match.group().decode() for match in before if match}
        unpickle = {match.decode().removesuffix("__set_state") for match in UNPICKLE.findall(binary)}
        whole = re.compile(re.escape(module.encode()) + rb"\.([A-Za-z_]\w*)\x00")
        names |= {m.decode() for m in whole.findall(binary) if m[:1].isupper() or m[:2].strip(b"_")[:1].isupper()}
        names, unpickle = ({name for name in found if not OF_CYTHON.match(name)} for found in (names, unpickle))
        # Some releases were built so that their classes believe to be of a module without its package, under whose name the
        # package's import makes them known (scikit-learn 1.6, `_loss`).
        short = module.rsplit(".", 1)[-1]
        bare = re.compile(rb"\x00" + re.escape(short.encode()) + rb"\.([A-Za-z_]\w*)(?=\x00)")
        alone = {match.decode() for match in bare.findall(binary)} & names if not whole.search(binary) else set()
        for name in alone:
            if not OF_CYTHON.match(name) and not CALLS_BACK.search(name):
                self.names[short, name] = "ncs"
        for name in names | unpickle:
            if not CALLS_BACK.search(name) and not name.startswith("__"):
                self.names[module, name] = "ncs"
        for name in unpickle:
            self.names[module, f"__pyx_unpickle_{name}"] = "ks"
        if b"newObj\x00" in binary:
            self.names[module, "newObj"] = "ks"

    def bases(self, found):
        """Classes that a class derives from, itself first; `None` for one that is not known to be harmless."""
        seen, todo = [], [found]
        while todo:
            one = todo.pop()
            if one in seen:
                continue
            seen.append(one)
            for base in one.bases:
                base = re.sub(r"[\[(].*", "", base)
                short = base.split(".")[-1]
                if base in HARMLESS_BASES or short in HARMLESS_BASES:
                    continue
                near = [c for c in self.by_name.get(short, []) if c.path != one.path]
                if not near:
                    return None
                todo += near
        return seen

    def rights(self, found):
        if not wanted(found.module) or CALLS_BACK.search(found.path):
            return None
        line = self.bases(found)
        if line is None or any(one.metaclass for one in line):
            return None
        for one in line:
            for method in one.methods & RUN_BY_LOADING:
                if (one.path, method) not in REVIEWED:
                    OUT.setdefault(f"{one.path}.{method}", set()).add(found.path)
                    return None
        written = {re.sub(r"[\[(].*", "", base).split(".")[-1] for one in line for base in one.bases}
        methods = set().union(*(one.methods for one in line))
        rights = "ns"
        if written & {"tuple", "NamedTuple", "namedtuple"}:
            rights = "nc"
        if written & {"dict", "OrderedDict"} and "__setitem__" not in methods:
            rights += "cd"
        if "list" in written and not methods & {"append", "extend"}:
            rights += "l"
        return rights


OUT = {}


def attributes(wheels):
    """The lines of the list of attributes."""
    anybody = set().union(*(wheel.attributes for wheel in wheels))
    called = {name for wheel in wheels for found in wheel.classes.values() if wanted(found.module) for name in found.called}
    # Methods of Python's own classes from which theirs derive.
    called |= {name for base in (dict, list, tuple, str, int, float, BaseException) for name in dir(base)}
    owners = {name: set() for name in anybody & called}
    for wheel in wheels:
        for found in wheel.classes.values():
            if (found.module, found.name) in wheel.names:
                for name in wheel.own(found) & owners.keys():
                    owners[name].add((found.module, found.name))
    # What one version has as an attribute and another as a method is no attribute.
    for wheel in wheels:
        for found in wheel.classes.values():
            for name in set().union(*(one.called for one in wheel.bases(found) or [found])) & owners.keys():
                owners[name].discard((found.module, found.name))
    rights = lambda name: "fo" if KEEPS_FUNCTION.search(name) else "o"
    lines = [f"{name} {rights(name)}" for name in anybody - called - ATTRIBUTES_BY_HAND.keys()]
    lines += [f"{name} {rights}" for name, rights in ATTRIBUTES_BY_HAND.items()]
    for name, classes in owners.items():
        if classes:
            lines.append(f"{name} {rights(name)} " + ",".join(sorted(f"{module}.{cls}" for module, cls in classes)))
    return sorted(lines)


def main():
    wheels, output, attributes_output, date = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    names, origin, read = {}, [], []
    here = Path(__file__).parent
    for line in (here / "wheels.txt").read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        project, version, _ = line.split()
        found = sorted(wheels.glob(f"{project.replace('-', '_')}-{version}-*.whl"))
        if len(found) != 1:
            sys.exit(f"{project} {version}: {len(found)} wheels in {wheels}")
        read.append(Wheel(found[0]))
        for name, rights in read[-1].names.items():
            # A name that two versions list differently may do what either's writer does.
            names[name] = "".join(sorted(set(names.get(name, "") + rights) - {"-"})) or "-"
        origin.append(f"{project}-{version}")
    for line in (here / "by_hand.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        modules, listed, rights = line.split()
        for module in modules.split(","):
            for name in listed.split(","):
                names[module, name] = "".join(sorted(rights))
    lines = [f"{module} {name} {rights}" for (module, name), rights in names.items()]
    lines.sort(key=lambda line: line.split(" ")[:2])
    header = f"# {date} " + " ".join(origin)
    output.write_text("\n".join([header, *lines]) + "\n")
    print(f"{len(lines)} names")
    lines = attributes(read)
    attributes_output.write_text("\n".join([header, *lines]) + "\n")
    print(f"{len(lines)} attributes")
    for method, classes in sorted(OUT.items()):
        print(f"left out for {method}: {len(classes)} ({sorted(classes)[0]} …)")


if __name__ == "__main__":
    main()
