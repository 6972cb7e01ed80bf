"""What a team would write by hand: FastAPI and scikit-learn, nothing else. The yardstick of `served_model.py`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

from querist.stages.deploy.bundle import current, open_bundle

folder = Path(os.environ["QUERIST_BENCH_FOLDER"])
model = open_bundle(folder, str(current(folder)))
app = FastAPI()


class Item(BaseModel):
    text: str


@app.post("/v1/predict")
def predict(item: Item) -> dict[str, object]:
    """The same encoder and estimator; no limits, metrics, ids, queue, versions, cleaning or calibration of batches."""
    proba = model.learner.predict_proba(model.encoder.transform({"text": [item.text]}))[0]
    return {
        "label": model.classes[int(np.argmax(proba))],
        "probabilities": dict(zip(model.classes, proba.tolist(), strict=True)),
    }
