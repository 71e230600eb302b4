"""Steps of Adam with scikit-learn's MLPClassifier: one partial_fit a batch, from the weights in the folder. Prints losses and times of the steps alone."""

import json
import os
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = sys.argv[4]

import numpy as np
from sklearn.neural_network import MLPClassifier

folder, batch, steps, rate = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[5])
sizes = json.loads((folder / "task.json").read_text())["layers"]
features = np.fromfile(folder / "features.bin", dtype="<f4").reshape(-1, sizes[0])
labels = np.fromfile(folder / "labels.bin", dtype="<f4").astype(int)
model = MLPClassifier(
    hidden_layer_sizes=sizes[1:-1], alpha=0.0, batch_size=batch, learning_rate_init=rate, epsilon=1e-7, shuffle=False
)
model.partial_fit(features[:batch], labels[:batch], classes=[0, 1])
flat, at = np.fromfile(folder / "weights.bin", dtype="<f4"), 0
for layer, (inputs, units) in enumerate(zip(sizes, sizes[1:])):
    model.coefs_[layer][...] = flat[at : at + inputs * units].reshape(inputs, units)
    model.intercepts_[layer][...] = flat[at + inputs * units : at + (inputs + 1) * units]
    at += (inputs + 1) * units
optimizer = model._optimizer
optimizer.t = 0
for moment in (optimizer.ms, optimizer.vs):
    for each in moment:
        each[...] = 0
losses = []
cpu, wall = time.process_time(), time.perf_counter()
for step in range(steps):
    rows = slice(step * batch, (step + 1) * batch)
    model.partial_fit(features[rows], labels[rows])
    losses.append(float(model.loss_))
print(json.dumps({"losses": losses, "cpuMs": 1e3 * (time.process_time() - cpu), "wallMs": 1e3 * (time.perf_counter() - wall)}))
