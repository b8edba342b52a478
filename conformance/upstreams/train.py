"""Trains the model that both upstreams serve: scaled logistic regression on breast cancer. Runs in MLServer's environment.

    train.py TRAIN.csv OUT-DIR
"""

import csv
import json
import pathlib
import sys

import joblib
import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows = list(csv.reader(open(sys.argv[1])))[1:]
table = numpy.array(rows, dtype=float)
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05)).fit(table[:, :-1], table[:, -1].astype(int))
out = pathlib.Path(sys.argv[2])
joblib.dump(model, out / "model.joblib")
scaler, linear = model[0], model[1]
weights = {"mean": scaler.mean_, "scale": scaler.scale_, "coefficients": linear.coef_[0], "intercept": linear.intercept_}
(out / "weights.json").write_text(json.dumps({name: value.tolist() for name, value in weights.items()}))
