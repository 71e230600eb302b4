"""Drives a tracking server with the unmodified mlflow client, and writes what the client saw to `seen.json` in the work folder.

    python scenario.py <tracking uri> <work folder> [<points of the long metric>]

Ids, times and users are replaced by names in order of appearance, so that answers of two servers can be compared.
"""

import json
import math
import os
import re
import sys

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("LOGNAME", "ann")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

uri, folder = sys.argv[1], sys.argv[2]
length = int(sys.argv[3]) if len(sys.argv) > 3 else 2500
newest = int(mlflow.__version__.split(".")[0]) >= 3
seen = {}
names = {}


def see(name, value):
    seen[name] = value


def named(kind, value):
    """A name that stays the same from server to server."""
    if value in (None, ""):
        return value
    key = str(value)
    if key not in names:
        names[key] = f"{kind}{sum(1 for other in names.values() if other.startswith(kind)) + 1}"
    return names[key]


def plain(text):
    if not isinstance(text, str):
        return text
    for key in sorted(names, key=len, reverse=True):
        if len(key) > 8:
            text = text.replace(key, names[key])
    return text.replace(uri, "<uri>")


def number(value):
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        # The server of MLflow keeps infinities as the greatest double.
        if abs(value) >= 1.7976931348623157e308:
            return "Infinity" if value > 0 else "-Infinity"
    return value


def refusal(call):
    try:
        call()
    except (RestException, MlflowException) as error:
        return [error.error_code, error.get_http_status_code()]
    return "nothing refused"


hidden = re.compile(r"^mlflow\.(source\.|user|log-model\.history|project|docker|databricks|modelVersions)")


def of_run(run):
    info, data = run.info, run.data
    return {
        "id": named("run", info.run_id),
        "name": info.run_name,
        "status": info.status,
        "stage": info.lifecycle_stage,
        "ended": info.end_time is not None,
        "experiment": info.experiment_id,
        "user": bool(info.user_id),
        "artifacts": plain(info.artifact_uri),
        "params": dict(sorted(data.params.items())),
        "metrics": {key: number(value) for key, value in sorted(data.metrics.items())},
        "tags": {key: plain(value) for key, value in sorted(data.tags.items()) if not hidden.match(key)},
        "datasets": [
            [each.dataset.name, each.dataset.digest, sorted((tag.key, tag.value) for tag in each.tags)]
            for each in (run.inputs.dataset_inputs if run.inputs else [])
        ],
    }


def of_experiment(experiment):
    return {
        "id": experiment.experiment_id,
        "name": experiment.name,
        "stage": experiment.lifecycle_stage,
        "artifacts": experiment.artifact_location,
        "tags": {key: value for key, value in sorted(experiment.tags.items()) if key != "mlflow.experimentKind"},
        "times": experiment.creation_time is not None and experiment.last_update_time >= experiment.creation_time,
    }


def of_version(version):
    return {
        "name": version.name,
        "version": str(version.version),
        "stage": version.current_stage,
        "description": version.description or None,
        "source": plain(version.source),
        "run": named("run", version.run_id),
        "status": version.status,
        "tags": dict(sorted(item for item in version.tags.items() if not item[0].startswith("millwright."))),
        "aliases": sorted(version.aliases),
        "times": version.last_updated_timestamp >= version.creation_timestamp > 0,
    }


def of_model(model):
    return {
        "name": model.name,
        "description": model.description or None,
        "tags": dict(sorted(model.tags.items())),
        "aliases": {key: str(value) for key, value in sorted(model.aliases.items())},
        "latest": sorted((str(each.version), each.current_stage) for each in model.latest_versions),
    }


mlflow.set_tracking_uri(uri)
client = MlflowClient()

# Experiments.
see("default", of_experiment(client.get_experiment("0")))
experiment = mlflow.set_experiment("late flights")
see("experiment", of_experiment(experiment))
see("experiment missing", client.get_experiment_by_name("nobody"))
see("experiment twice", refusal(lambda: client.create_experiment("late flights")))
see("experiment unknown", refusal(lambda: client.get_experiment("987654")))
other = client.create_experiment("other", tags={"team": "ops"})
client.set_experiment_tag(other, "stage", "draft")
client.set_experiment_tag(other, "stage", "final")
see("experiment other", of_experiment(client.get_experiment(other)))
client.rename_experiment(other, "another")
see("experiments by tag", [each.name for each in client.search_experiments(filter_string="tags.team = 'ops'")])
see("experiments like", [each.name for each in client.search_experiments(filter_string="name ILIKE '%FLIGHT%'")])
client.delete_experiment(other)
see("experiment deleted", of_experiment(client.get_experiment(other)))
see("experiments active", [each.name for each in client.search_experiments(order_by=["name"])])
see("experiments deleted", [each.name for each in client.search_experiments(view_type=ViewType.DELETED_ONLY)])
see("run in deleted", refusal(lambda: client.create_run(other)))
client.restore_experiment(other)
page = client.search_experiments(max_results=2, order_by=["name"])
rest = client.search_experiments(max_results=2, order_by=["name"], page_token=page.token)
see("experiments paged", [[each.name for each in page], [each.name for each in rest], bool(rest.token)])
see("experiments default order", [each.name for each in client.search_experiments()])
see("experiments filter bad", refusal(lambda: client.search_experiments(filter_string="colour = 'red'")))

# Runs: parent and children, params, metrics, tags.
with mlflow.start_run(run_name="parent", description="the first", tags={"team": "data"}) as parent:
    named("run", parent.info.run_id)
    mlflow.log_param("depth", 3)
    mlflow.log_params({"rate": 0.1, "kind": "boosted trees", "empty": "", "nested/name": "x"})
    mlflow.log_param("depth", 3)
    see("param changed", refusal(lambda: mlflow.log_param("depth", 4)))
    mlflow.log_metric("loss", 0.5, step=0)
    mlflow.log_metric("loss", 0.25, step=1)
    mlflow.log_metric("loss", 0.125, step=3)
    mlflow.log_metric("loss", 0.2, step=2)
    mlflow.log_metrics({"accuracy": 0.5, "nothing": float("nan"), "most": float("inf"), "least": float("-inf")}, step=1)
    mlflow.set_tag("note", "wörds ✓ 日本")
    mlflow.set_tags({"a": "1", "b": "2"})
    mlflow.delete_tag("b")
    for child in range(3):
        with mlflow.start_run(run_name=f"child {child}", nested=True) as nested:
            named("run", nested.info.run_id)
            mlflow.log_param("child", child)
            mlflow.log_metric("score", child / 4)
            mlflow.log_metric("odd", child % 2)
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "notes/a.json")
    os.makedirs(f"{folder}/tree/below", exist_ok=True)
    for path in ("one.csv", "below/two words.txt", "below/ünï.txt"):
        with open(f"{folder}/tree/{path}", "w", encoding="utf-8") as file:
            file.write(path)
    mlflow.log_artifacts(f"{folder}/tree", "tree")
    mlflow.log_artifact(f"{folder}/tree/one.csv")
    mlflow.log_artifact(f"{folder}/tree/one.csv", "deep/er")
    with open(f"{folder}/empty.bin", "wb"):
        pass
    mlflow.log_artifact(f"{folder}/empty.bin")
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [2, 4, 6]})
    mlflow.log_input(mlflow.data.from_pandas(frame, source="s3://bucket/x", name="flights"), context="training")

see("parent", of_run(client.get_run(parent.info.run_id)))
see("last child", of_run(client.get_run(nested.info.run_id)))
see("history", [[each.step, each.value] for each in sorted(client.get_metric_history(parent.info.run_id, "loss"), key=lambda each: each.step)])
see("history none", client.get_metric_history(parent.info.run_id, "unknown"))
see("history odd", [number(client.get_metric_history(parent.info.run_id, key)[0].value) for key in ("nothing", "most", "least")])
see("run unknown", refusal(lambda: client.get_run("f" * 32)))

# The newest point is the greatest (step, time, value); the same point again is none.
run = client.create_run(experiment.experiment_id, run_name="by hand", start_time=1000, tags={"how": "client"})
byhand = run.info.run_id
named("run", byhand)
client.log_metric(byhand, "m", 1.0, timestamp=10, step=5)
client.log_metric(byhand, "m", 2.0, timestamp=20, step=5)
client.log_metric(byhand, "m", 9.0, timestamp=15, step=5)
client.log_metric(byhand, "m", 2.0, timestamp=20, step=5)
client.log_metric(byhand, "m", 4.0, timestamp=99, step=-3)
see("points", sorted([each.step, each.timestamp, each.value] for each in client.get_metric_history(byhand, "m")))
client.log_batch(
    byhand,
    metrics=[Metric("batch", index / 2, 100 + index, index) for index in range(length)],
    params=[Param(f"p{index}", str(index)) for index in range(length * 3 // 50)],
    tags=[RunTag(f"t{index}", str(index)) for index in range(length * 3 // 50)],
)
see("batch", len(client.get_metric_history(byhand, "batch")))
client.set_terminated(byhand, "FAILED", end_time=5000)
got = of_run(client.get_run(byhand))
see("by hand", [got["status"], got["metrics"], len(got["params"]), len(got["tags"]), client.get_run(byhand).info.end_time])
client.update_run(byhand, status="RUNNING", name="renamed")
got = client.get_run(byhand)
see("by hand renamed", [got.info.status, got.info.run_name, got.data.tags["mlflow.runName"]])
scheduled = client.create_run(experiment.experiment_id, start_time=2000)
named("run", scheduled.info.run_id)
client.update_run(scheduled.info.run_id, status="SCHEDULED")
got = client.get_run(scheduled.info.run_id)
see("scheduled", [got.info.status, bool(re.fullmatch(r"[a-z]+-[a-z]+-\d+", got.info.run_name))])
client.update_run(scheduled.info.run_id, name="scheduled")
client.delete_run(byhand)
see("deleted", client.get_run(byhand).info.lifecycle_stage)
see("deleted refuses", refusal(lambda: client.log_metric(byhand, "m", 1.0)))
see("deleted search", [each.info.run_name for each in client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)])
client.restore_run(byhand)
see("restored", client.get_run(byhand).info.lifecycle_stage)
see("key bad", refusal(lambda: client.log_metric(byhand, "../x", 1.0)))
see("param long", refusal(lambda: client.log_param(byhand, "long", "x" * 6001)))

# Search.
searches = {
    "params": ("params.kind = 'boosted trees'", None),
    "numeric": ("metrics.score > 0.2 AND metrics.odd != 1", None),
    "tag": ("tags.team = 'data' and params.depth LIKE '3'", None),
    "ilike": ("attributes.run_name ILIKE 'CHILD %'", ["metrics.score DESC"]),
    "like": ("run_name LIKE 'CHILD %'", None),
    "quoted": ("params.`nested/name` = \"x\"", None),
    "status": ("attributes.status = 'FINISHED'", ["attributes.run_name ASC"]),
    "not equal": ("params.child != '1'", ["params.child ASC"]),
    "parent": (f"tags.mlflow.parentRunId = '{parent.info.run_id}'", ["start_time ASC"]),
    "in": (f"attributes.run_id IN ('{parent.info.run_id}', '{byhand}')", ["attributes.run_name DESC"]),
    "dataset": ("datasets.name = 'flights' AND dataset.context = 'training'", None),
    "times": ("attributes.start_time <= 2000", ["attributes.start_time ASC"]),
    "nulls last": ("", ["metrics.score ASC", "attributes.run_name ASC"]),
    "nulls last down": ("", ["metrics.score DESC", "attributes.run_name ASC"]),
}
for name, (text, order) in searches.items():
    found = client.search_runs([experiment.experiment_id], text, order_by=order)
    see(f"search {name}", [each.info.run_name for each in found])
for name, text in {
    "or": "params.a = '1' OR params.b = '2'",
    "number quoted": "metrics.a = 'x'",
    "text unquoted": "params.a = 0.1",
    "attribute": "attributes.colour = 'red'",
    "junk": "this is no filter",
    "injection": "params.a = '1'; DROP TABLE registry_runs; --'",
    "operator": "params.a > '1'",
}.items():
    see(f"search refused {name}", refusal(lambda: client.search_runs([experiment.experiment_id], text)))
pages, token = [], None
while True:
    page = client.search_runs([experiment.experiment_id], "", order_by=["attributes.run_name"], max_results=2, page_token=token)
    pages.append([each.info.run_name for each in page])
    token = page.token
    if not token:
        break
see("search pages", pages)
see("search token bad", refusal(lambda: client.search_runs([experiment.experiment_id], "", page_token="nonsense")))
see("search too many", refusal(lambda: client.search_runs([experiment.experiment_id], "", max_results=50001)))

# Artifacts.
def listing(path=None):
    return sorted([each.path, each.is_dir, each.file_size or None] for each in client.list_artifacts(parent.info.run_id, path))


see("list", listing())
see("list tree", listing("tree"))
see("list below", listing("tree/below"))
see("list none", listing("no/such"))
local = mlflow.artifacts.download_artifacts(run_id=parent.info.run_id, artifact_path="tree", dst_path=f"{folder}/down")
see("download", sorted(os.path.relpath(os.path.join(base, file), local) for base, _, files in os.walk(local) for file in files))
with open(f"{local}/below/ünï.txt", encoding="utf-8") as file:
    see("download text", file.read())
see("load text", mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/notes/hello.txt"))
see("load dict", mlflow.artifacts.load_dict(f"runs:/{parent.info.run_id}/notes/a.json"))
see("empty", os.path.getsize(mlflow.artifacts.download_artifacts(run_id=parent.info.run_id, artifact_path="empty.bin", dst_path=f"{folder}/down")))


# Models.
class Slope(mlflow.pyfunc.PythonModel):
    def __init__(self, slope):
        self.slope = slope

    def predict(self, context, model_input, params=None):
        return model_input["x"] * self.slope


frame = pd.DataFrame({"x": [1.0, 2.5, -4.0]})
requirements = {"pip_requirements": [f"mlflow=={mlflow.__version__}"]}
sources = []
for slope in (2.0, 3.0):
    with mlflow.start_run(run_name=f"slope {slope:g}") as training:
        named("run", training.info.run_id)
        mlflow.log_metric("r2", 1.0 - slope / 10)
        mlflow.log_param("slope", slope)
        where = {"name": "model"} if newest else {"artifact_path": "model"}
        logged = mlflow.pyfunc.log_model(
            python_model=Slope(slope),
            signature=ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double", "y")])),
            registered_model_name="slopes",
            **where,
            **requirements,
        )
        if newest:
            named("model", logged.model_id)
        sources.append(logged)
see("model uri", [plain(logged.model_uri) for logged in sources])
see("registered", of_model(client.get_registered_model("slopes")))
see("versions", sorted((of_version(each) for each in client.search_model_versions("name = 'slopes'")), key=lambda each: each["version"]))
client.set_registered_model_alias("slopes", "champion", "1")
client.set_registered_model_alias("slopes", "challenger", 2)
see("alias", of_version(client.get_model_version_by_alias("slopes", "champion")))
see("alias missing", refusal(lambda: client.get_model_version_by_alias("slopes", "nobody")))
see("alias reserved", refusal(lambda: client.set_registered_model_alias("slopes", "latest", "1")))
see("alias unknown version", refusal(lambda: client.set_registered_model_alias("slopes", "x", "99")))
for ref, slope in (("slopes@champion", 2.0), ("slopes/2", 3.0), ("slopes/latest", 3.0), ("slopes@challenger", 3.0)):
    loaded = mlflow.pyfunc.load_model(f"models:/{ref}")
    see(f"predicts {ref}", np.allclose(loaded.predict(frame), frame["x"] * slope))
loaded = mlflow.pyfunc.load_model(f"runs:/{training.info.run_id}/model")
see("predicts of run", np.allclose(loaded.predict(frame), frame["x"] * 3.0))
client.set_registered_model_alias("slopes", "champion", "2")
see("alias moved", of_model(client.get_registered_model("slopes"))["aliases"])
see("champion now", float(mlflow.pyfunc.load_model("models:/slopes@champion").predict(frame).iloc[0]))
client.delete_registered_model_alias("slopes", "challenger")
see("alias deleted", of_model(client.get_registered_model("slopes"))["aliases"])
client.set_model_version_tag("slopes", "1", "checked", "yes")
client.set_model_version_tag("slopes", "1", "checked", "no")
client.set_model_version_tag("slopes", "1", "gone", "soon")
client.delete_model_version_tag("slopes", "1", "gone")
client.set_registered_model_tag("slopes", "team", "data")
client.update_registered_model("slopes", "what it is")
client.update_model_version("slopes", "1", "the first")
see("version", of_version(client.get_model_version("slopes", "1")))
see("model", of_model(client.get_registered_model("slopes")))
client.transition_model_version_stage("slopes", "1", "Production")
client.transition_model_version_stage("slopes", "2", "production", archive_existing_versions=True)
see("stages", sorted((str(each.version), each.current_stage) for each in client.search_model_versions("name = 'slopes'")))
see("latest", sorted((str(each.version), each.current_stage) for each in client.get_latest_versions("slopes")))
see("latest production", [str(each.version) for each in client.get_latest_versions("slopes", ["Production"])])
see("stage bad", refusal(lambda: client.transition_model_version_stage("slopes", "1", "Elsewhere")))
see("stage loads", float(mlflow.pyfunc.load_model("models:/slopes/Production").predict(frame).iloc[0]))

# Registered by hand, renamed, deleted.
client.create_registered_model("plain", tags={"kind": "by hand"}, description="of its own")
see("model twice", refusal(lambda: client.create_registered_model("plain")))
see("model unknown", refusal(lambda: client.get_registered_model("nobody")))
see("version unknown", refusal(lambda: client.get_model_version("slopes", "77")))
first = client.create_model_version("plain", sources[0].model_uri if not newest else f"runs:/{sources[0].run_id}/model", run_id=sources[0].run_id, description="same")
see("outside", of_version(client.create_model_version("plain", "s3://bucket/model", tags={"where": "s3"})))
see("outside uri", client.get_model_version_download_uri("plain", "2"))
see("local refused", refusal(lambda: client.create_model_version("plain", "/etc")))
client.delete_model_version("plain", "2")
see("version deleted", refusal(lambda: client.get_model_version("plain", "2")))
see("next number", str(client.create_model_version("plain", "s3://bucket/other").version))
client.rename_registered_model("plain", "fancy")
see("renamed", [of_model(client.get_registered_model("fancy")), refusal(lambda: client.get_registered_model("plain"))])
see("models", [each.name for each in client.search_registered_models(order_by=["name ASC"])])
see("models by tag", [each.name for each in client.search_registered_models("tags.kind = 'by hand'")])
see("models ilike", [each.name for each in client.search_registered_models("name ILIKE 'SLO%'")])
see("models like", [each.name for each in client.search_registered_models("name LIKE 'SLO%'")])
see("models bad", refusal(lambda: client.search_registered_models("colour = 'red'")))
page = client.search_registered_models(max_results=1, order_by=["name DESC"])
see("models paged", [[each.name for each in page], [each.name for each in client.search_registered_models(max_results=1, order_by=["name DESC"], page_token=page.token)]])
see("versions by tag", [[each.name, str(each.version)] for each in client.search_model_versions("tags.checked = 'no'")])
see("versions by run", [str(each.version) for each in client.search_model_versions(f"run_id = '{training.info.run_id}'")])
see("versions by number", [str(each.version) for each in client.search_model_versions("name = 'slopes' and version_number >= 2")])
see("versions ordered", [str(each.version) for each in client.search_model_versions("name = 'slopes'", order_by=["version_number ASC"])])
client.delete_registered_model("fancy")
see("model deleted", refusal(lambda: client.get_registered_model("fancy")))

if newest:
    # Logged models.
    model = mlflow.get_logged_model(sources[0].model_id)
    see("logged model", [model.name, str(model.status), model.model_type, dict(sorted(model.params.items())), {each.key: each.value for each in model.metrics}, named("run", model.source_run_id), plain(model.artifact_location)])
    made = mlflow.create_external_model(name="outside", params={"a": "1"}, tags={"colour": "red"}, model_type="agent")
    named("model", made.model_id)
    mlflow.set_logged_model_tags(made.model_id, {"more": "yes", "gone": "soon"})
    mlflow.delete_logged_model_tag(made.model_id, "gone")
    mlflow.log_model_params({"b": "2"}, made.model_id)
    got = mlflow.get_logged_model(made.model_id)
    see("external", [got.name, str(got.status), got.model_type, dict(sorted(got.params.items())), {key: value for key, value in sorted(got.tags.items()) if not key.startswith("mlflow.")}])
    with mlflow.start_run(run_name="evaluation") as evaluation:
        named("run", evaluation.info.run_id)
        data = mlflow.data.from_pandas(frame, name="held out")
        mlflow.log_metric("rmse", 0.25, model_id=made.model_id, dataset=data)
        mlflow.log_metric("rmse", 0.5, step=1, model_id=made.model_id)
    got = mlflow.get_logged_model(made.model_id)
    see("model metrics", sorted([each.key, each.value, each.step, each.dataset_name] for each in got.metrics if each.key == "rmse" and each.dataset_name) )
    see("models logged", sorted(each.name for each in mlflow.search_logged_models(output_format="list", experiment_ids=[experiment.experiment_id])))
    for name, text in {
        "name": "name = 'outside'",
        "params": "params.a = '1'",
        "tags": "tags.colour = 'red'",
        "metrics": "metrics.rmse > 0.4",
        "type": "model_type LIKE 'age%'",
        "none": "params.a = '2'",
    }.items():
        see(f"models logged {name}", sorted(each.name for each in mlflow.search_logged_models(output_format="list", experiment_ids=[experiment.experiment_id], filter_string=text)))
    see("models logged ordered", [each.name for each in mlflow.search_logged_models(output_format="list", experiment_ids=[experiment.experiment_id], order_by=[{"field_name": "metrics.r2", "ascending": False}, {"field_name": "name", "ascending": True}])])
    see("run outputs", [named("model", each.model_id) for each in client.get_run(sources[0].run_id).outputs.model_outputs])
    client.delete_logged_model(made.model_id)
    see("model gone", refusal(lambda: client.get_logged_model(made.model_id)))

client.delete_run(parent.info.run_id)
with open(f"{folder}/seen.json", "w", encoding="utf-8") as file:
    json.dump(seen, file, indent=1, sort_keys=True, default=str, ensure_ascii=False)
