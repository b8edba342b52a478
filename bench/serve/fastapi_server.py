"""The same checks as a tutorial would write them: FastAPI, pydantic, onnxruntime, one worker.

Key check, limiter, schema, range gate, threshold, sanitized errors, payload-free audit line (written, not synced).
"""

import hmac
import json
import os
import time
import uuid

import numpy
import onnxruntime
from fastapi import FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, Field, conlist

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
KEY = os.environ["KEY"].encode()
PROFILE = json.load(open(os.environ["PROFILE"]))
LOW, HIGH = (numpy.array(PROFILE[name], dtype=numpy.float32) for name in ("low", "high"))
LABELS = ["malignant", "benign"]
audit = open(os.environ["AUDIT"], "a", buffering=1)
tokens, refilled = 1_000_000.0, time.monotonic()
app = FastAPI()


class Question(BaseModel):
    features: conlist(float, min_length=30, max_length=30) = Field(...)


@app.post("/v1/models/breast-cancer/predict")
def predict(question: Question, request: Request, authorization: str = Header("")):
    global tokens, refilled
    began = time.perf_counter()
    if not hmac.compare_digest(authorization.removeprefix("Bearer ").encode(), KEY):
        raise HTTPException(401, "authentication required")
    now = time.monotonic()
    tokens, refilled = min(1_000_000.0, tokens + (now - refilled) * 1_000_000), now
    if tokens < 1:
        raise HTTPException(429, "rate limit exceeded")
    tokens -= 1
    row = numpy.array([question.features], dtype=numpy.float32)
    if not numpy.isfinite(row).all() or (row < LOW).any() or (row > HIGH).any():
        raise HTTPException(400, "invalid input format")
    try:
        label, probabilities = session.run(None, {"input": row})
    except Exception:
        raise HTTPException(503, "service temporarily unavailable")
    confidence = float(probabilities[0].max())
    request_id = uuid.uuid4().hex
    audit.write(json.dumps({
        "ts": time.time(), "request_id": request_id, "client_ip": request.client.host,
        "input_length": int(request.headers["content-length"]), "output_class": LABELS[int(label[0])],
        "latency_ms": (time.perf_counter() - began) * 1000, "model_version": "1",
    }) + "\n")
    if confidence < 0.7:
        return {"result": "uncertain", "action": "manual_review", "request_id": request_id}
    return {"result": LABELS[int(label[0])], "confidence": round(confidence, 4), "request_id": request_id}
