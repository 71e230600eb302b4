"""Steps of Adam with PyTorch: eager, over the rows and from the weights in the folder. Prints losses and times of the steps alone."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

folder, batch, steps, threads, rate = Path(sys.argv[1]), *(int(each) for each in sys.argv[2:5]), float(sys.argv[5])
torch.set_num_threads(threads)
sizes = json.loads((folder / "task.json").read_text())["layers"]
flat = np.fromfile(folder / "weights.bin", dtype="<f4")
modules, at = [], 0
for inputs, units in zip(sizes, sizes[1:]):
    layer = nn.Linear(inputs, units)
    kernel = flat[at : at + inputs * units].reshape(inputs, units)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
        layer.bias.copy_(torch.from_numpy(flat[at + inputs * units : at + (inputs + 1) * units].copy()))
    at += (inputs + 1) * units
    modules += [layer, nn.ReLU()]
model = nn.Sequential(*modules[:-1], nn.Sigmoid())
features = torch.from_numpy(np.fromfile(folder / "features.bin", dtype="<f4").reshape(-1, sizes[0]))
labels = torch.from_numpy(np.fromfile(folder / "labels.bin", dtype="<f4").reshape(-1, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=rate, eps=1e-7)
loss_of = nn.BCELoss()
losses = []
cpu, wall = time.process_time(), time.perf_counter()
for step in range(steps):
    rows = slice(step * batch, (step + 1) * batch)
    optimizer.zero_grad()
    loss = loss_of(model(features[rows]), labels[rows])
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps({"losses": losses, "cpuMs": 1e3 * (time.process_time() - cpu), "wallMs": 1e3 * (time.perf_counter() - wall)}))
