#!/usr/bin/env python3
"""Writes what onnxruntime answers, so that Mantlet's own engines can be compared with it.

    agreement.py MODELS OUT [--rows N]

MODELS is a directory with a models.json as in testdata/models; OUT gets one JSON file per model with the inputs of the
first N rows (default: all) of the dataset's test.csv and onnxruntime's outputs. `cargo test -p mantlet-models` compares
with testdata/expected, or with every file of the directory named by MANTLET_EXPECTED.

Needs onnxruntime and numpy.
"""

import argparse
import csv
import json
import math
import os

import numpy
import onnxruntime

DATATYPES = {
    "tensor(float)": ("FP32", numpy.float32),
    "tensor(double)": ("FP64", numpy.float64),
    "tensor(int64)": ("INT64", numpy.int64),
    "tensor(int32)": ("INT32", numpy.int32),
    "tensor(bool)": ("BOOL", numpy.bool_),
    "tensor(string)": ("BYTES", object),
}
NAMES = {numpy.dtype(kind).name: name for name, kind in DATATYPES.values() if kind is not object}


def tensor(name, array):
    """A tensor as JSON; numbers that JSON lacks are written as strings."""
    datatype = NAMES.get(array.dtype.name, "BYTES")

    def element(value):
        if datatype == "BYTES":
            return str(value)
        if datatype in ("FP32", "FP64"):
            value = float(str(value))
            return value if math.isfinite(value) else str(value)
        return value.item()

    return {
        "name": name,
        "datatype": datatype,
        "shape": list(array.shape),
        "data": [element(value) for value in array.reshape(-1)],
    }


def matrix(output):
    """An output as an array; the maps that a ZipMap makes become one column per class."""
    if isinstance(output, list):
        return numpy.array([list(row.values()) for row in output], dtype=numpy.float32)
    return numpy.asarray(output)


def write_case(model, inputs, path, tolerance=1e-5):
    """Runs a model on named arrays and writes inputs and outputs; `tolerance` is the difference allowed."""
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = [matrix(output) for output in session.run(names, inputs)]
    reference = os.path.relpath(model, os.path.dirname(path))
    case = {
        "model": reference,
        "tolerance": tolerance,
        "inputs": [tensor(name, array) for name, array in inputs.items()],
        "outputs": [tensor(name, array) for name, array in zip(names, outputs)],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(case, file, separators=(",", ":"))
        file.write("\n")


def dataset(model, path, rows):
    """The rows of a test.csv as the model's inputs: one matrix, or one [N, 1] tensor per column."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    lines = lines[:rows]
    columns = {name: [line[index] for line in lines] for index, name in enumerate(header)}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    ports = session.get_inputs()
    if len(ports) == 1:
        kind = DATATYPES[ports[0].type][1]
        return {ports[0].name: numpy.array([line[:-1] for line in lines]).astype(kind)}
    return {
        port.name: numpy.array(columns[port.name], dtype=object).astype(DATATYPES[port.type][1]).reshape(-1, 1)
        for port in ports
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("models")
    arguments.add_argument("out")
    arguments.add_argument("--rows", type=int)
    options = arguments.parse_args()
    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.models, "models.json"), encoding="utf-8") as file:
        models = json.load(file)["models"]
    for name, entry in models.items():
        model = os.path.join(options.models, entry["file"])
        inputs = dataset(model, os.path.join(options.models, entry["dataset"], "test.csv"), options.rows)
        write_case(model, inputs, os.path.join(options.out, f"{name}.json"))
        print(f"{name}: {len(next(iter(inputs.values())))} rows")


if __name__ == "__main__":
    main()
