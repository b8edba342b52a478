"""A real Triton, started by PyTriton, with two models: the logistic regression, and one that says back what it is told in
every datatype of the protocol.

    triton_server.py WEIGHTS.json HTTP-PORT GRPC-PORT METRICS-PORT
"""

import json
import pathlib
import sys

import numpy
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

WEIGHTS = {name: numpy.array(value) for name, value in json.loads(pathlib.Path(sys.argv[1]).read_text()).items()}
TYPES = {
    "bool": numpy.bool_, "uint8": numpy.uint8, "uint16": numpy.uint16, "uint32": numpy.uint32, "uint64": numpy.uint64,
    "int8": numpy.int8, "int16": numpy.int16, "int32": numpy.int32, "int64": numpy.int64, "fp16": numpy.float16,
    "fp32": numpy.float32, "fp64": numpy.float64, "bytes": numpy.bytes_,
}


@batch
def classify(x):
    score = ((x - WEIGHTS["mean"]) / WEIGHTS["scale"]) @ WEIGHTS["coefficients"] + WEIGHTS["intercept"]
    p = 1 / (1 + numpy.exp(-score))
    return {"predict_proba": numpy.stack([1 - p, p], axis=1)}


@batch
def echo(**inputs):
    return {name.replace("in_", "out_"): value for name, value in inputs.items()}


http, grpc, metrics = (int(port) for port in sys.argv[2:5])
config = TritonConfig(http_port=http, grpc_port=grpc, metrics_port=metrics, http_address="127.0.0.1")
with Triton(config=config) as triton:
    triton.bind(
        model_name="cancer-there", infer_func=classify, config=ModelConfig(max_batch_size=256),
        inputs=[Tensor(name="x", dtype=numpy.float32, shape=(30,))],
        outputs=[Tensor(name="predict_proba", dtype=numpy.float64, shape=(2,))],
    )
    triton.bind(
        model_name="echo", infer_func=echo, config=ModelConfig(max_batch_size=256),
        inputs=[Tensor(name=f"in_{name}", dtype=dtype, shape=(-1,)) for name, dtype in TYPES.items()],
        outputs=[Tensor(name=f"out_{name}", dtype=dtype, shape=(-1,)) for name, dtype in TYPES.items()],
    )
    triton.serve()
