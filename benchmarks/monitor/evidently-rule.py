"""Scores of Evidently's DataDriftPreset for one column: JSON lines of [reference, current] in, of {score, method, version} out."""

import json
import sys

import evidently
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

for line in sys.stdin:
    reference, current = json.loads(line)
    kind = "categorical_columns" if isinstance(reference[0], str) else "numerical_columns"
    definition = DataDefinition(**{kind: ["x"]})
    both = [Dataset.from_pandas(pd.DataFrame({"x": values}), data_definition=definition) for values in (current, reference)]
    metrics = Report([DataDriftPreset()]).run(*both).dict()["metrics"]
    found = next(metric for metric in metrics if metric["metric_name"].startswith("ValueDrift"))
    method = found["metric_name"].split("method=")[1].split(",")[0]
    print(json.dumps({"score": float(found["value"]), "method": method, "version": evidently.__version__}))
