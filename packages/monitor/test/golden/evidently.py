"""Writes evidently.json: drift of the tables of frames.py by Evidently's own report. Run with evidently 0.7 and pandas 2: python evidently.py > evidently.json"""

import sys
import os

# This file has the name of the package it asks.
here = os.path.dirname(os.path.abspath(__file__))
sys.path = [each for each in sys.path if os.path.abspath(each or ".") != here]

import json
import warnings

import evidently as tool
from evidently import Dataset, Report
from evidently.metrics import DriftedColumnsCount, ValueDrift

sys.path.append(here)
from frames import cases, frame

warnings.simplefilter("ignore")


def one(reference, current, name):
    try:
        snapshot = Report([ValueDrift(column=name)], include_tests=True).run(Dataset.from_pandas(current), Dataset.from_pandas(reference))
        result = snapshot.dict()
        metric, test = result["metrics"][0], result["tests"][0]
        description = test["description"]
        return {
            "score": float(metric["value"]),
            "method": description.split("The drift detection method is ")[1].split(". The drift threshold")[0],
            "drifted": str(getattr(test["status"], "value", test["status"])) == "FAIL",
        }
    except Exception as error:
        return {"error": type(error).__name__}


def whole(reference, current):
    try:
        result = Report([DriftedColumnsCount()], include_tests=True).run(Dataset.from_pandas(current), Dataset.from_pandas(reference)).dict()
        value = result["metrics"][0]["value"]
        failed = [str(getattr(test["status"], "value", test["status"])) == "FAIL" for test in result["tests"]]
        return {"count": int(value["count"]), "share": float(value["share"]), "drifted": any(failed)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


out = []
for case in cases():
    reference, current = frame(*case["reference"]), frame(*case["current"])
    columns = {name: one(reference[[name]], current[[name]], name) for name in reference.columns}
    usable = [name for name, each in columns.items() if "error" not in each]
    out.append({**case, "columns": columns, "usable": usable, "table": whole(reference[usable], current[usable])})

# Five of ten columns drifted: the boundary of the share.
reference, current = frame(500, 0, 7), frame(500, 0, 7)
names = [f"c{index}" for index in range(10)]
import pandas as pd

before = pd.DataFrame({name: reference["number"] for name in names})
boundary = []
for drifted in (4, 5, 6):
    now = pd.DataFrame({name: reference["number"] + (5 if index < drifted else 0) for index, name in enumerate(names)})
    boundary.append({"columns": 10, **whole(before, now)})
json.dump({"evidently": tool.__version__, "cases": out, "boundary": boundary}, sys.stdout, indent=1)
