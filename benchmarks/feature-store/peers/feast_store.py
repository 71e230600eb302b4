"""Feast with the DuckDB offline store: get_historical_features; and materialize into SQLite."""
import os
import sqlite3
import sys
from datetime import datetime, timedelta, timezone

os.environ["FEAST_USAGE"] = "False"
import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float32, Int64, String
from serve import FEATURES, VIEWS, serve

directory = sys.argv[1]
os.makedirs(directory, exist_ok=True)
store = FeatureStore(
    config=RepoConfig(
        registry=os.path.join(directory, "registry.db"), project="measured", provider="local",
        offline_store={"type": "duckdb"}, online_store={"type": "sqlite", "path": os.path.join(directory, "online.db")},
        entity_key_serialization_version=3,
    )
)


def prepare(views):
    entity = Entity(name="thing", join_keys=["id"], value_type=ValueType.INT64)
    types = {"whole": Int64, "text": String}
    schema = [Field(name="id", dtype=Int64)] + [Field(name=each, dtype=types.get(each, Float32)) for each in FEATURES]
    made = [
        FeatureView(
            name=name, entities=[entity], ttl=timedelta(days=days or 0), schema=schema,
            source=FileSource(name=f"{name}_source", path=path, timestamp_field="event_ts", created_timestamp_column="created_ts"),
        )
        for (name, days), path in zip(VIEWS, views)
    ]
    store.apply([entity, *made])


def join(labels):
    entities = pd.read_parquet(labels).rename(columns={"ts": "event_timestamp"})
    entities["event_timestamp"] = entities["event_timestamp"].dt.tz_localize("UTC")
    names = [f"{name}:{feature}" for name, _ in VIEWS for feature in FEATURES]
    return store.get_historical_features(entity_df=entities, features=names, full_feature_names=True).to_arrow()


def run(labels, out=None):
    return {"rows": join(labels).num_rows}


def file(labels, out):
    pq.write_table(join(labels), out)


def materialize(view, end):
    # Not `materialize_incremental`: without a time to live it starts a year before the present, whatever the end.
    start = datetime(2023, 1, 1, tzinfo=timezone.utc)
    store.materialize(start, datetime.fromtimestamp(end / 1000, timezone.utc), feature_views=[view])


def count(view):
    with sqlite3.connect(os.path.join(directory, "online.db")) as connection:
        query = f"SELECT count(DISTINCT entity_key) FROM measured_{view}"
        return {"entities": connection.execute(query).fetchone()[0]}


serve({"prepare": prepare, "warm": lambda views: None, "run": run, "file": file, "materialize": materialize, "count": count})
