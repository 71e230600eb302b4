"""Feast's online store: loads it, and asks its SDK in this process. `feast serve` on the same repository is a program of its own."""
import os
import sys
import time
from datetime import datetime, timezone

os.environ["FEAST_USAGE"] = "False"
import numpy as np
import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64
from serve import serve

repository = sys.argv[1]
store = FeatureStore(repo_path=repository)
WIDTHS = [10, 50, 250]


def load(values, entities, event_ms, precompute):
    total = sum(WIDTHS)
    table = np.fromfile(values, dtype="<f4").reshape(entities, total)
    at = datetime.fromtimestamp(event_ms / 1000, timezone.utc)
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    objects, first = [user], 0
    frames = {}
    for width in WIDTHS:
        names = [f"f{index}" for index in range(width)]
        schema = [Field(name="user", dtype=Int64)] + [Field(name=name, dtype=Float32) for name in names]
        source = FileSource(name=f"source{width}", path=os.path.join(repository, "none.parquet"), timestamp_field="at")
        view = FeatureView(name=f"p{width}", entities=[user], schema=schema, source=source)
        objects += [view, FeatureService(name=f"s{width}", features=[view])]
        if precompute:
            objects.append(FeatureService(name=f"s{width}_precomputed", features=[view], precompute_online=True))
        frame = pd.DataFrame(table[:, first : first + width], columns=names)
        frame.insert(0, "user", np.arange(entities, dtype=np.int64))
        frame.insert(1, "at", pd.Series([pd.Timestamp(at)] * entities))
        frames[f"p{width}"] = frame
        first += width
    pd.DataFrame({"user": [0], "at": [pd.Timestamp(at)], **{f"f{i}": np.float32([0]) for i in range(250)}}).to_parquet(
        os.path.join(repository, "none.parquet")
    )
    store.apply(objects)
    started = time.monotonic()
    for name, frame in frames.items():
        for row in range(0, entities, 2000):
            store.write_to_online_store(name, frame.iloc[row : row + 2000])
    loaded = time.monotonic() - started
    started = time.monotonic()
    vectors = 0
    if precompute:
        vectors = sum(store.precompute_feature_service(f"s{width}_precomputed") for width in WIDTHS)
    return {"loadSeconds": loaded, "vectors": vectors, "precomputeSeconds": time.monotonic() - started}


def read(service, keys, how):
    """One call a list of keys. Answers with the last one's first feature, so that nobody can leave the work out."""
    found = store.get_feature_service(service)
    answer = None
    for users in keys:
        answer = store.get_online_features(features=found, entity_rows=[{"user": user} for user in users]).to_dict()
    return {"f0": answer["f0"]}


serve({"load": load, "read": read})
