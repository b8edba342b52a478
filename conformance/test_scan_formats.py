"""Files made by the formats' own libraries are safe to the scanner, and the same files with one thing changed are not."""

import io
import json
import struct
import subprocess
import zipfile

import h5py
import numpy
import onnx
import pytest
import safetensors.numpy
import yaml
from conftest import BINARY
from onnx import TensorProto, helper

CONFIG = {
    "module": "keras", "class_name": "Sequential", "registered_name": None,
    "config": {"name": "m", "layers": [
        {"module": "keras.layers", "class_name": "Dense", "registered_name": None,
         "config": {"name": "d", "units": 2, "activation": "relu"}},
    ]},
}


def scan(path):
    """The verdict on a path, and the rules that were broken."""
    out = subprocess.run([BINARY, "model", "scan", str(path), "--json"], capture_output=True, text=True)
    report = json.loads(out.stdout.splitlines()[0])
    assert out.returncode == {"safe": 0, "unsafe": 1, "unknown": 2}[report["verdict"]], out.stderr
    return report["verdict"], {finding["rule"] for finding in report["findings"]}


def safe(path):
    assert scan(path) == ("safe", set()), path


def unsafe(path, rule):
    verdict, rules = scan(path)
    assert verdict == "unsafe" and rule in rules, (path, rules)


def test_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {"a": numpy.ones((3, 4), "float32"), "b": numpy.arange(7), "c": numpy.array(2.0)}
    safetensors.numpy.save_file(tensors, path, metadata={"format": "np", "note": "import os; os.system('x')"})
    safe(path)
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    unsafe(path, "safetensors/header")
    path.write_bytes(content[:-1])
    unsafe(path, "safetensors/header")


def test_gguf(tmp_path):
    gguf = pytest.importorskip("gguf")
    template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] | trim }}{% endfor %}"
    for name, chosen, rule in [
        ("good", template, None),
        ("walk", "{{ messages.__class__ }}", "template/attribute"),
        ("loop", "{% for i in range(10**9) %}x{% endfor %}", "template/size"),
    ]:
        path = tmp_path / f"{name}.gguf"
        writer = gguf.GGUFWriter(str(path), "llama")
        writer.add_block_count(1)
        writer.add_token_list(["<s>", "a", "ü"])
        writer.add_token_scores([0.0, 1.0, 2.0])
        writer.add_chat_template(chosen)
        writer.add_tensor("blk.0.w", numpy.ones((32, 3), "float32"))
        writer.add_tensor("blk.1.w", numpy.ones(5, "float16"))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        safe(path) if rule is None else unsafe(path, rule)


def network(domain="", external=None):
    """A model of one node, its weight in the model or beside it."""
    weight = onnx.numpy_helper.from_array(numpy.ones((4, 2), "float32"), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [weight],
    )
    imports = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=imports)
    if external:
        onnx.external_data_helper.convert_model_to_external_data(
            model, all_tensors_to_one_file=True, location=external, size_threshold=0
        )
    return model


def test_onnx(tmp_path):
    onnx.save(network(), tmp_path / "plain.onnx")
    safe(tmp_path / "plain.onnx")
    onnx.save(network("com.acme"), tmp_path / "custom.onnx")
    unsafe(tmp_path / "custom.onnx", "onnx/operator")
    (tmp_path / "beside").mkdir()
    onnx.save(network(external="w.bin"), tmp_path / "beside" / "model.onnx")
    safe(tmp_path / "beside")
    (tmp_path / "beside" / "w.bin").rename(tmp_path / "outside.bin")
    (tmp_path / "beside" / "w.bin").symlink_to(tmp_path / "outside.bin")
    verdict, _ = scan(tmp_path / "beside")
    assert verdict == "unsafe"


def test_onnx_of_converters(tmp_path):
    skl2onnx = pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier

    x = numpy.random.default_rng(0).random((30, 3)).astype("float32")
    made = RandomForestClassifier(3, random_state=0).fit(x, x[:, 0] > 0.5)
    (tmp_path / "forest.onnx").write_bytes(skl2onnx.to_onnx(made, x[:1]).SerializeToString())
    safe(tmp_path / "forest.onnx")


@pytest.mark.parametrize("version", ["earliest", "v110", "latest"])
def test_hdf5(tmp_path, version):
    versions = version if version == "earliest" else (version, "latest")

    def made(name, fill):
        path = tmp_path / name
        with h5py.File(path, "w", libver=versions) as file:
            file.attrs["model_config"] = json.dumps(CONFIG).encode()
            for number in range(40):
                group = file.create_group(f"layer_{number}")
                group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
                group.create_dataset("kernel:0", data=numpy.ones((4, 3), "float32"), compression="gzip")
            fill(file)
        return path

    safe(made("good.h5", lambda file: None))
    bad = json.dumps(CONFIG).replace("Dense", "Lambda")
    unsafe(made("lambda.h5", lambda file: file.attrs.modify("model_config", bad)), "keras/class")
    link = h5py.ExternalLink("other.h5", "/x")
    unsafe(made("link.h5", lambda file: file["layer_7"].__setitem__("x", link)), "hdf5/external")
    storage = {"shape": (4,), "dtype": "f4", "external": [("/etc/passwd", 0, 16)]}
    unsafe(made("storage.h5", lambda file: file.create_dataset("d", **storage)), "hdf5/external")


def test_keras_archives(tmp_path):
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=numpy.ones((4, 2), "float32"))

    def made(name, config):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": "2026-01-01"}))
            archive.writestr("config.json", config)
            archive.writestr("model.weights.h5", weights.getvalue())
        return tmp_path / name

    good = json.dumps(CONFIG)
    safe(made("good.keras", good))
    unsafe(made("lambda.keras", good.replace("Dense", "Lambda")), "keras/class")
    unsafe(made("module.keras", good.replace("keras.layers", "os")), "keras/class")
    vocabulary = good.replace("Dense", "StringLookup").replace('"units": 2', '"vocabulary": "/etc/passwd"')
    unsafe(made("vocabulary.keras", vocabulary), "keras/file")


def test_xgboost_and_lightgbm(tmp_path):
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    x = numpy.random.default_rng(0).random((60, 4))
    y = (x[:, 0] > 0.5).astype(int)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, y), 3)
    for name in ["model.json", "model.ubj"]:
        booster.save_model(tmp_path / name)
        safe(tmp_path / name)
    content = (tmp_path / "model.ubj").read_bytes()
    (tmp_path / "model.ubj").write_bytes(content[:-20])
    unsafe(tmp_path / "model.ubj", "xgboost/structure")
    made = lightgbm.train({"objective": "binary", "verbose": -1, "min_data_in_leaf": 2}, lightgbm.Dataset(x, y), 3)
    made.save_model(tmp_path / "model.txt")
    safe(tmp_path / "model.txt")
    text = (tmp_path / "model.txt").read_text()
    (tmp_path / "model.txt").write_text(text.replace("left_child=", "left_child=99 ", 1))
    unsafe(tmp_path / "model.txt", "lightgbm/structure")


def test_skops(tmp_path):
    skops = pytest.importorskip("skops.io")
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = numpy.random.default_rng(0).random((30, 3))
    for name, model in [
        ("pipeline", make_pipeline(StandardScaler(), LogisticRegression())),
        ("boosting", GradientBoostingClassifier(n_estimators=2)),
    ]:
        path = tmp_path / f"{name}.skops"
        skops.dump(model.fit(x, x[:, 0] > 0.5), path)
        safe(path)
    with zipfile.ZipFile(tmp_path / "pipeline.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    schema["__module__"], schema["__class__"] = "os", "system"
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(tmp_path / "evil.skops", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    unsafe(tmp_path / "evil.skops", "skops/type")


def test_configurations(tmp_path):
    def made(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    document = {"lr": 0.1, "layers": [1, 2], "nested": {"a": None, "when": "2026-01-01"}, "text": "a: b\n- c"}
    safe(made("good.yaml", yaml.dump(document)))
    unsafe(made("tag.yaml", yaml.dump({"x": subprocess.Popen})), "yaml/tag")
    unsafe(made("tuple.yaml", yaml.dump({"x": (1, 2)})), "yaml/tag")
    unsafe(made("target.yaml", yaml.dump({"model": {"_target_": "os.system"}})), "config/target")
    safe(made("config.json", json.dumps({"architectures": ["X"], "limit": float("inf")})))
    unsafe(made("auto.json", json.dumps({"auto_map": {"AutoModel": "m.X"}})), "config/custom-code")


def test_a_cut_header_is_refused_everywhere(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"a": numpy.ones(4, "float32")}, path)
    content = path.read_bytes()
    for length in range(9, len(content)):
        path.write_bytes(content[:length])
        assert scan(path)[0] != "safe", length
    path.write_bytes(struct.pack("<Q", 1 << 63) + content[8:])
    unsafe(path, "safetensors/header")
