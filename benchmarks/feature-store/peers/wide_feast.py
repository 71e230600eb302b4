"""Feast: materialize a wide view into SQLite, and write rows to it."""
import os
import sys
import time
from datetime import datetime, timedelta, timezone

os.environ["FEAST_USAGE"] = "False"
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float32, Int64
from serve import serve

NAMES = [f"f{index}" for index in range(50)]
directory = sys.argv[1]
os.makedirs(directory, exist_ok=True)
store = FeatureStore(
    config=RepoConfig(
        registry=os.path.join(directory, "registry.db"), project="measured", provider="local",
        offline_store={"type": "duckdb"}, online_store={"type": "sqlite", "path": os.path.join(directory, "online.db")},
        entity_key_serialization_version=3,
    )
)


def prepare(paths):
    entity = Entity(name="thing", join_keys=["id"], value_type=ValueType.INT64)
    schema = [Field(name="id", dtype=Int64)] + [Field(name=each, dtype=Float32) for each in NAMES]
    source = FileSource(name="wide_source", path=paths["both"], timestamp_field="event_ts")
    view = FeatureView(name="wide", entities=[entity], ttl=timedelta(days=0), schema=schema, source=source)
    store.apply([entity, view])


def time_of(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc)


def materialize(start, end):
    store.materialize(time_of(start), time_of(end), feature_views=["wide"])


def values(ids):
    rows = [{"id": each} for each in ids]
    found = store.get_online_features(features=[f"wide:{name}" for name in NAMES], entity_rows=rows).to_dict()
    return {"values": [[found[name][row] for name in NAMES] for row in range(len(ids))]}


def push(calls, rows):
    """Writes rows of other entities each time, and waits until a read finds the last of them."""
    seconds = []
    for call in range(calls):
        ids = [1_000_000 + call * rows + row for row in range(rows)]
        frame = pd.DataFrame({"id": ids, "event_ts": pd.Timestamp.now(tz="UTC"), **{name: [float(call)] * rows for name in NAMES}})
        frame = frame.astype({name: "float32" for name in NAMES})
        started = time.perf_counter()
        store.write_to_online_store("wide", frame)
        found = store.get_online_features(features=["wide:f0"], entity_rows=[{"id": ids[-1]}]).to_dict()
        seconds.append(time.perf_counter() - started)
        assert found["f0"][0] == float(call)
    return {"seconds": seconds}


def size():
    names = [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith("online.db")]
    return {"bytes": sum(os.path.getsize(name) for name in names)}


serve({"prepare": prepare, "full": materialize, "incremental": materialize, "values": values, "push": push, "size": size})
