"""Writes the scanner's lists of operators and layers from released wheels and from `operators_by_hand.txt`.

Usage: operators.py WHEELS_DIR FORMATS_DIR

TensorFlow's operators and Keras' classes are read out of the wheels' sources, which are never imported. ONNX's are compiled,
so `onnx` and `onnxruntime`, in the versions of `conformance/requirements.txt`, are asked for their schemas.

A name is listed if its release has it and nobody left it out: `operators_by_hand.txt` has those that read files, start
something, run code, or that nobody has read yet. What a new release brings is printed, for whoever runs this to read and to
leave out what should be.
"""

import ast
import re
import sys
import textwrap
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
# Modules of Keras whose classes a configuration names.
KERAS = re.compile(
    r"keras\.src\.(activations|constraints|distillation|dtype_policies|initializers|layers|legacy\.layers|losses|metrics|models"
    r"|ops|optimizers|quantizers|regularizers|trainers\.compile_utils)\b"
)
# Modules under whose name built-in functions are known.
FUNCTIONS = ["keras.activations", "keras.losses", "keras.metrics"]


def read_list(path):
    """Sections with their names, and the comment above them."""
    sections, section, comment = {}, "", []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            comment += [line] if not sections else []
        elif line.startswith("["):
            section = line.strip("[]")
        else:
            sections.setdefault(section, set()).update(line.split())
    return sections, comment


def write_list(path, sections):
    """Writes the sections under the comment that is there, and prints what is new and what is gone."""
    before, comment = read_list(path)
    lines = list(comment)
    for section in sorted(sections, key=lambda name: (name == "functions", name)):
        if not sections[section]:
            continue
        lines += [f"[{section}]"] if section else []
        lines += textwrap.wrap(" ".join(sorted(sections[section])), 118, break_long_words=False, break_on_hyphens=False)
        for sign, names in (("+", sections[section] - before.get(section, set())), ("-", before.get(section, set()) - sections[section])):
            for name in sorted(names):
                print(f"{path.parent.name} {sign} {section or 'operator'} {name}")
    for section in before.keys() - sections.keys():
        print(f"{path.parent.name} - {section}")
    path.write_text("\n".join(lines) + "\n")


def by_hand(sections, hand, program):
    """Adds and leaves out what a person said."""
    for section, names in sections.items():
        names |= hand.get(f"{program} add {section}".strip(), set())
        names -= hand.get(f"{program} leave {section}".strip(), set())
    return sections


def tensorflow(wheel):
    """Names under which Python's own wrappers ask for operators: every one that is registered has a wrapper."""
    wrappers = (name for name in wheel.namelist() if re.search(r"/gen_\w+\.py$", name))
    applied = re.compile(rb'_apply_op_helper\(\s*"(\w+)"')
    return {"": {match.decode() for name in wrappers for match in applied.findall(wheel.read(name))}}


def keras(wheel):
    """Classes by the module that defines them and by the public modules that show them; functions by their public names."""
    sections, shown = {}, []
    for name in wheel.namelist():
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if not name.endswith(".py") or name.endswith("_test.py"):
            continue
        body = ast.parse(wheel.read(name)).body
        if KERAS.match(module):
            sections[module] = {node.name for node in body if isinstance(node, ast.ClassDef)}
        elif re.match(r"keras(\.(?!src|_tf_keras)|$)", module) and name.endswith("/__init__.py"):
            shown += [
                (module, alias.asname or alias.name, node.module, alias.name)
                for node in body if isinstance(node, ast.ImportFrom) and node.module for alias in node.names
            ]
    sections["functions"] = set()
    for public, name, module, original in shown:
        if original in sections.get(module, ()):
            sections.setdefault(public, set()).add(name)
        elif public in FUNCTIONS and KERAS.match(module) and name == original:
            sections["functions"].add(name)
    return sections


def onnx():
    """Names in every version of every domain."""
    import onnx
    import onnxruntime.capi.onnxruntime_pybind11_state as runtime

    sections = {"ai.onnx.training": set()}
    for schema in onnx.defs.get_all_schemas_with_history():
        sections.setdefault(schema.domain or "ai.onnx", set()).add(schema.name)
    for schema in runtime.get_all_operator_schema():
        if schema.domain == "com.microsoft":
            sections.setdefault(schema.domain, set()).add(schema.name)
    return {domain: names for domain, names in sections.items() if "preview" not in domain}


def main():
    wheels, formats = Path(sys.argv[1]), Path(sys.argv[2])
    hand, _ = read_list(HERE / "operators_by_hand.txt")
    opened = {}
    for line in (HERE / "operator_wheels.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            project, version, _ = line.split()
            (path,) = wheels.glob(f"{project.replace('-', '_')}-{version}-*.whl")
            opened[project] = zipfile.ZipFile(path)
    write_list(formats / "tensorflow/operators.txt", by_hand(tensorflow(opened["tensorflow-cpu"]), hand, "tensorflow"))
    write_list(formats / "keras/classes.txt", by_hand(keras(opened["keras"]), hand, "keras"))
    write_list(formats / "onnx/operators.txt", by_hand(onnx(), hand, "onnx"))


if __name__ == "__main__":
    main()
