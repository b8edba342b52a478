"""Files that hide something from one reader and show it to another, made by the formats' own writers: none is safe.

Each is harmless where it stands; what it would do is named and never run.
"""

import binascii
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile

import h5py
import numpy
import pytest
from onnx import TensorProto, helper
from test_scan import scan

CALL = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
LOGISTIC = b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81"
PREDICT = b"X\x07\0\0\0predictcnumpy\nlog1p\n"


def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def zip_with_extra(local, central, name=b"a.txt", content=b"hello,1\n"):
    """One stored member whose two headers have these extra fields."""
    crc, size = binascii.crc32(content), len(content)
    sizes = struct.pack("<III", crc, size, size)
    head = b"PK\3\4" + struct.pack("<HHHHH", 20, 0, 0, 0, 33) + sizes + struct.pack("<HH", len(name), len(local)) + name + local + content
    entry = b"PK\1\2" + struct.pack("<HHHHHH", 20, 20, 0, 0, 0, 33) + sizes
    entry += struct.pack("<HHHHHII", len(name), len(central), 0, 0, 0, 0, 0) + name + central
    return head + entry + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(head), 0)


def unicode_path(path, name=b"a.txt"):
    """Info-ZIP's extra field, by which some readers name the member."""
    return struct.pack("<HHBI", 0x7075, 5 + len(path), 1, binascii.crc32(name)) + path


def hidden_member():
    """A member that has a local header and is not in the central directory."""
    both = zipped(("a.txt", b"one\n"), ("b.pkl", CALL))
    first = both.index(b"PK\1\2")
    entry, end = both[first:both.index(b"PK\1\2", first + 4)], bytearray(both[both.index(b"PK\5\6"):])
    struct.pack_into("<HHII", end, 8, 1, 1, len(entry), first)
    return both[:first] + entry + bytes(end)


def tarred(kind=tarfile.REGTYPE, link="", pax=None, content=b"x\n"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.txt")
        member.type, member.linkname, member.pax_headers = kind, link, pax or {}
        member.size = len(content) if kind == tarfile.REGTYPE else 0
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def safetensors(header, data=bytes(8)):
    return struct.pack("<Q", len(header)) + header + data


TENSOR = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


def gguf(key, kind, value):
    text = lambda content: struct.pack("<Q", len(content)) + content
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 2)
    head += text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama") + text(key) + struct.pack("<I", kind)
    head += value if kind != 8 else text(value)
    return head + bytes(-len(head) % 32)


def external():
    weights = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    place = weights.external_data.add()
    place.key, place.value = "location", "/etc/passwd"
    return weights


def onnx_model(nodes, functions=(), imports=(("", 17),), change=lambda model: None):
    value = lambda name: helper.make_tensor_value_info(name, 1, [4])
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in imports], functions=functions)
    change(model)
    return model.SerializeToString()


def function(*nodes):
    return helper.make_function("local", "F", ["a"], ["b"], list(nodes), [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)])


LOCAL = (("", 17), ("local", 1))
CALLS_LOCAL = helper.make_node("F", ["x"], ["y"], domain="local")
READS = helper.make_node("Constant", [], ["w"], value=external())


def keras(*layers, more=()):
    model = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, "registered_name": None}
    return zipped(("metadata.json", b'{"keras_version": "3.15.1"}'), ("config.json", json.dumps(model)), *more)


def layer(module, name, **config):
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def hdf5(change=lambda file: None, **options):
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as opened:
        opened["w"] = numpy.zeros(3)
        change(opened)
    return file.getvalue()


def user_block():
    content = bytearray(hdf5(userblock_size=512))
    content[:len(CALL)] = CALL
    return bytes(content)


def nested(levels):
    content = CALL
    for level in range(levels):
        content = gzip.compress(zipped((f"{level}.bin", content)))
    return content


SPARSE = lambda model: model.graph.sparse_initializer.add(dims=[4]).values.CopyFrom(external())
TRAINING = lambda model: model.training_info.add().algorithm.initializer.append(external())
HOSTILE = {
    "safetensors before zip": safetensors(TENSOR) + zipped(("a.pkl", CALL)),
    "json before pickle": b'{"a": 1}\n' + CALL,
    "nested": nested(3),
    "nested beyond the bound": nested(9),
    "tar in xz in zip": zipped(("m", lzma.compress(tarred(content=CALL)))),
    "keywords for a listed class": b"\x80\x04\x8c\x10sklearn.pipeline\x8c\x08Pipeline\x93)}\x8c\x05steps]s\x92.",
    "extension code": b"\x80\x02\x84\x01\0\0\0)R.",
    "persistent id": b"Pposix.system\n.",
    "function in place of a method": LOGISTIC + b"}" + PREDICT + b"sb.",
    "the same in slots": LOGISTIC + b"N}" + PREDICT + b"s\x86b.",
    "a class that opens files, called": b"\x80\x02cnumpy\nmemmap\nX\x0b\0\0\0/etc/passwd\x85R.",
    "escape in a name": b"(V\\u0070osix\nVsystem\n\x93(S'true'\ntR.",
    "second template": gguf(b"tokenizer.chat_template.rag", 8, b"{{ ''.__class__.__mro__ }}"),
    "name in pieces": gguf(b"tokenizer.chat_template", 8, b"{% set a = '__cla' %}{{ messages[a ~ 'ss__'] }}"),
    "nested arrays": gguf(b"x", 9, struct.pack("<IQ", 9, 1) * 1000 + struct.pack("<IQ", 4, 0)),
    "bom before a header": safetensors(b"\xef\xbb\xbf" + TENSOR),
    "offsets as fractions": safetensors(TENSOR.replace(b"[0,8]", b"[0.0,8.0]")),
    "key twice within": safetensors(TENSOR.replace(b'"shape":[2]', b'"shape":[2],"shape":[2]')),
    "shape beyond 64 bits": safetensors(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}', b""),
    "zip, another name in central": zip_with_extra(b"", unicode_path(b"../../evil.pth")),
    "zip, another name in local": zip_with_extra(unicode_path(b"evil.pth"), b""),
    "zip, zero byte in a name": zip_with_extra(b"", b"", b"a.txt\0.pkl"),
    "zip, not in central": hidden_member(),
    "zip behind zip": zipped(("b.pkl", CALL)) + zipped(("a.txt", b"one\n")),
    "tar, hard link": tarred(tarfile.LNKTYPE, "/etc/passwd"),
    "tar, path by pax": tarred(pax={"path": "../../x"}),
    "tar, size by pax": tarred(pax={"size": "1000000000"}),
    "tar behind tar": tarred() + tarred(content=CALL),
    "yaml, tag by address": b"a: !<tag:yaml.org,2002:python/object/apply:os.system> [id]\n",
    "yaml, tag by handle": b"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\n",
    "yaml, target by merging": b"x: &x\n  _target_: os.system\ny:\n  <<: *x\n",
    "onnx, file of a constant in a function": onnx_model([CALLS_LOCAL], [function(READS, helper.make_node("Add", ["a", "w"], ["b"]))], LOCAL),
    "onnx, function that calls itself": onnx_model([CALLS_LOCAL], [function(helper.make_node("F", ["a"], ["b"], domain="local"))], LOCAL),
    "onnx, file of a sparse tensor": onnx_model([helper.make_node("Relu", ["x"], ["y"])], change=SPARSE),
    "onnx, file for training": onnx_model([helper.make_node("Relu", ["x"], ["y"])], change=TRAINING),
    "keras, code in a wrapper": keras(layer("keras.layers", "TimeDistributed", layer=layer("keras.layers", "Lambda"))),
    "keras, any function": keras(layer("builtins", "eval")),
    "keras, pickle among assets": keras(more=[("assets/x.pkl", CALL)]),
    "hdf5, pickle before it": user_block(),
    "hdf5, link": hdf5(lambda file: file.__setitem__("l", h5py.ExternalLink("/etc/passwd", "/x"))),
    "joblib, second stream": gzip.compress(b"\x80\x04N.") + gzip.compress(CALL),
    "cut stream": gzip.compress(b'{"a":1}\n' * 100)[:-9],
    "modules that are imported": json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.module.Code"}]).encode(),
    "code of a repository": json.dumps({"a": [{"b": {"auto_map": {"AutoConfig": "x.Y"}}}]}).encode(),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    paths = {name: folder / f"file-{number}" for number, name in enumerate(HOSTILE)}
    for name, path in paths.items():
        path.write_bytes(HOSTILE[name])
    _, found = scan(*paths.values())
    return {name: found[str(path)] for name, path in paths.items()}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_hides_something_is_not_safe(name, reports):
    assert reports[name]["verdict"] != "safe" and reports[name]["findings"]


def test_what_they_are_made_of_is_safe(tmp_path):
    made = {
        "zip": zip_with_extra(b"", b""), "tar": tarred(), "safetensors": safetensors(TENSOR), "hdf5": hdf5(),
        "gguf": gguf(b"tokenizer.chat_template", 8, b"{% for m in messages %}{{ m.role }}: {{ m['content'] }}{% endfor %}"),
        "onnx": onnx_model([CALLS_LOCAL], [function(helper.make_node("Relu", ["a"], ["b"]))], LOCAL),
        "keras": keras(layer("keras.layers", "Dense", units=1, activation="relu")), "pickle": LOGISTIC + b"}b.",
    }
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    _, found = scan(*(tmp_path / name for name in made))
    assert {name: found[str(tmp_path / name)]["findings"] for name in made} == dict.fromkeys(made, [])
