"""Fits how long deliveries take, as it did when it logged to an MLflow server: only the tracking URI is another.

    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py
"""

import mlflow
from mlflow import MlflowClient

deliveries = [(1 + index % 20, 12 + 2.5 * (1 + index % 20) + (index % 3) - 1) for index in range(60)]


def fit(points):
    count = len(points)
    x_mean = sum(x for x, _ in points) / count
    y_mean = sum(y for _, y in points) / count
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)
    return {"kilometre": slope, "base": y_mean - slope * x_mean}


def error(line, points):
    return sum(abs(line["base"] + line["kilometre"] * x - y) for x, y in points) / len(points)


client = MlflowClient()
mlflow.set_experiment("delivery time")
if not client.search_registered_models("name = 'delivery'"):
    client.create_registered_model("delivery", description="How long a delivery takes.")

for used in (4, 60):
    with mlflow.start_run(run_name=f"{used} deliveries") as run:
        line = fit(deliveries[:used])
        mlflow.log_params({"deliveries": used, "kind": "line"})
        for day in range(5):
            mlflow.log_metric("error", error(line, deliveries[: 12 * (day + 1)]), step=day)
        mlflow.log_dict(line, "model/line.json")
        client.create_model_version("delivery", f"{run.info.artifact_uri}/model", run.info.run_id)
