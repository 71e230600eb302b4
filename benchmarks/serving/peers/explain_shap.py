"""Contributions of LightGBM's trees by the package shap: its own C extension, and LightGBM's pred_contrib that it asks by default.

prepare <folder> <trees> <leaves>: trains, and writes model.txt, trees.json and rows.bin. run <folder> <shap|lightgbm>: prints times, and writes <name>.bin.
"""

import json
import sys
import time

import lightgbm as lgb
import numpy as np
import shap

FEATURES = 20


def tree(structure):
    nodes = []

    def put(node):
        at = len(nodes)
        if "leaf_value" in node:
            nodes.append({"value": node["leaf_value"], "rows": node.get("leaf_count", 0)})
            return at
        nodes.append(None)
        left, right = put(node["left_child"]), put(node["right_child"])
        nodes[at] = {"feature": node["split_feature"], "threshold": node["threshold"], "missingLeft": node["default_left"], "left": left, "right": right, "rows": node["internal_count"], "gain": 0}
        return at

    put(structure)
    return nodes


def prepare(folder, trees, leaves):
    random = np.random.default_rng(1)
    x = random.normal(size=(60_000, FEATURES))
    x[random.random(x.shape) < 0.02] = np.nan
    filled = np.nan_to_num(x)
    y = filled[:, 0] * filled[:, 1] + np.sin(3 * filled[:, 2]) + filled[:, 3:].sum(axis=1) * 0.2 + random.normal(size=len(x)) * 0.1
    model = lgb.train({"objective": "regression", "num_leaves": leaves, "verbose": -1, "num_threads": 1, "seed": 1}, lgb.Dataset(x, y), trees)
    model.save_model(f"{folder}/model.txt")
    kept = {"formatVersion": 1, "features": [{"name": f"f{at}", "kind": "number"} for at in range(FEATURES)], "base": 0, "link": "identity"}
    kept["trees"] = [tree(each["tree_structure"]) for each in model.dump_model()["tree_info"]]
    with open(f"{folder}/trees.json", "w") as file:
        json.dump(kept, file)
    np.ascontiguousarray(x[:500]).tofile(f"{folder}/rows.bin")


def run(folder, name):
    model = lgb.Booster(model_file=f"{folder}/model.txt")
    rows = np.fromfile(f"{folder}/rows.bin").reshape(-1, FEATURES)
    explainer = shap.TreeExplainer(model)
    if name == "shap":
        # Else shap asks LightGBM, and does not use its own code.
        explainer.model.model_type = "internal"
        ask = lambda x: explainer.shap_values(x, check_additivity=False)
    else:
        ask = lambda x: model.predict(x, pred_contrib=True, num_threads=1)[:, :-1]
    one = rows[:1]
    ask(one)
    ask(rows[:20])
    start = time.process_time()
    told = ask(rows)
    batch = (time.process_time() - start) / len(rows)
    count, start = 0, time.process_time()
    while time.process_time() - start < 1:
        ask(rows[count % len(rows)].reshape(1, -1))
        count += 1
    single = (time.process_time() - start) / count
    np.ascontiguousarray(told).tofile(f"{folder}/{name}.bin")
    print(json.dumps({"batchUs": batch * 1e6, "singleUs": single * 1e6, "version": f"shap {shap.__version__}, lightgbm {lgb.__version__}"}))


if sys.argv[1] == "prepare":
    prepare(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    run(sys.argv[2], sys.argv[3])
