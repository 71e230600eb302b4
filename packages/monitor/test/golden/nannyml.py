"""Writes nannyml.json: drift of the tables of frames.py by NannyML's own calculator, its chunks and thresholds. Run with nannyml 0.13.1: python nannyml.py > nannyml.json"""

import sys
import os

here = os.path.dirname(os.path.abspath(__file__))
sys.path = [each for each in sys.path if os.path.abspath(each or ".") != here]

import json
import warnings

import numpy as np
import pandas as pd
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
import nannyml as tool
from nannyml.chunk import CountBasedChunker, DefaultChunker, PeriodBasedChunker, SizeBasedChunker
from nannyml.thresholds import ConstantThreshold, StandardDeviationThreshold, calculate_threshold_values

sys.path.append(here)
from frames import Generator, cases, frame

warnings.simplefilter("ignore")
CONTINUOUS = ["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"]
CATEGORICAL = ["jensen_shannon", "chi2", "l_infinity", "hellinger"]


def clean(value):
    return None if value is None or (isinstance(value, float) and np.isnan(value)) else float(value)


def drift(reference, current):
    calculator = tool.UnivariateDriftCalculator(
        column_names=list(reference.columns), continuous_methods=CONTINUOUS, categorical_methods=CATEGORICAL
    ).fit(reference)
    data = calculator.calculate(current).filter(period="analysis").to_df()
    out = {}
    for name in reference.columns:
        out[name] = {}
        for method in CONTINUOUS + CATEGORICAL:
            if (name, method, "value") not in data.columns:
                continue
            part = data[name][method]
            threshold = part["upper_threshold"].iloc[0]
            out[name][method] = {
                "scores": [clean(each) for each in part["value"]],
                "threshold": clean(threshold),
                "alerts": [bool(each) for each in part["alert"]],
            }
    return out


def keys(chunker, data):
    return [[chunk.key, len(chunk)] for chunk in chunker.split(data)]


def chunks():
    out = []
    for rows in (10, 99, 100, 101, 1000, 1009):
        data = pd.DataFrame({"x": range(rows)})
        out.append({"rows": rows, "default": keys(DefaultChunker(), data)})
        for incomplete in ("keep", "drop", "append"):
            out.append({"rows": rows, "incomplete": incomplete, "size": 7, "chunks": keys(SizeBasedChunker(7, incomplete), data)})
            out.append({"rows": rows, "incomplete": incomplete, "count": 4, "chunks": keys(CountBasedChunker(4, incomplete), data)})
    times = pd.to_datetime([int(1_760_000_000_000 + 9_999_999 * index**1.7) for index in range(300)], unit="ms")
    data = pd.DataFrame({"t": times})
    for period, alias in {"hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}.items():
        out.append({"period": period, "chunks": keys(PeriodBasedChunker("t", alias), data)})
    return {"timesMs": [int(each.value // 10**6) for each in times], "tables": out}


def thresholds():
    generator = Generator(5)
    lists = [[generator.next() for _ in range(10)], [0.02, 0.021, float("nan"), 0.019, 0.5], [0.3], [0.1] * 10]
    out = []
    for values in lists:
        data = np.array(values)
        row = {"values": [clean(each) for each in values]}
        row["standard"] = list(map(clean, StandardDeviationThreshold().thresholds(data)))
        row["median"] = list(map(clean, StandardDeviationThreshold(2, 4, offset_from=np.nanmedian).thresholds(data)))
        row["upper"] = list(map(clean, StandardDeviationThreshold(std_lower_multiplier=None).thresholds(data)))
        row["constant"] = list(map(clean, ConstantThreshold(lower=-1, upper=0.2).thresholds(data)))
        row["clipped"] = list(map(clean, calculate_threshold_values(StandardDeviationThreshold(), data, 0, 0.9)))
        row["removed"] = list(map(clean, calculate_threshold_values(StandardDeviationThreshold(), data, 0, 0.9, override_using_none=True)))
        row["quantiles"] = [float(np.nanquantile(data, 0.05)), float(np.nanquantile(data, 0.95))]
        out.append(row)
    return out


out = []
for case in cases():
    reference, current = frame(*case["reference"]), frame(*case["current"])
    out.append({**case, "columns": drift(reference, current)})
json.dump({"nannyml": tool.__version__, "chunks": chunks(), "thresholds": thresholds(), "cases": out}, sys.stdout)
