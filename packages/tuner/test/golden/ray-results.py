"""result.json files of the real Ray Tune: python ray-results.py <folder> (Ray 2.60, ray[tune])."""
import glob
import json
import os
import sys

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"
import ray
from ray import tune


def train(config):
    for step in range(4):
        loss = (config["rate"] - 0.1) ** 2 + config["model"]["depth"] / (step + 1)
        if config["model"]["kind"] == "b" and step == 2:
            loss = float("inf")
        tune.report({"loss": loss, "deep": {"accuracy": 1 - loss}})


folder = sys.argv[1]
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
tuner = tune.Tuner(
    train,
    param_space={"rate": tune.grid_search([0.01, 0.5]), "model": {"depth": tune.grid_search([2, 3]), "kind": tune.choice(["a", "b"])}},
    tune_config=tune.TuneConfig(metric="loss", mode="min", scheduler=tune.schedulers.AsyncHyperBandScheduler(max_t=4, grace_period=1, reduction_factor=2)),
    run_config=tune.RunConfig(name="study", storage_path=folder, verbose=0),
)
results = tuner.fit()
said = {"best": results.get_best_result().config, "trials": []}
for result in sorted(glob.glob(os.path.join(folder, "study", "*", "result.json"))):
    rows = []
    for line in open(result):
        row = json.loads(line)
        for key in ("pid", "hostname", "node_ip", "date", "timestamp", "experiment_tag", "iterations_since_restore", "time_since_restore"):
            row.pop(key, None)
        rows.append(json.dumps(row))
    said["trials"].append("\n".join(rows) + "\n")
with open(os.path.join(folder, "ray-results.json"), "w") as file:
    json.dump(said, file, indent=1)
