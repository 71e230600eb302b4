"""Tells two moons apart. A script as SageMaker's PyTorch containers run it: nothing in it knows of Millwright."""

import argparse
import csv
import inspect
import json
import os
from pathlib import Path

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--units", type=int, default=32)
parser.add_argument("--learning-rate", type=float, default=0.01)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
torch.manual_seed(args.seed)
torch.set_num_threads(1)
device = "cuda" if torch.cuda.is_available() else "cpu"


def read(channel):
    rows = []
    for path in sorted(Path(os.environ[f"SM_CHANNEL_{channel.upper()}"]).glob("*.csv")):
        with path.open(newline="", encoding="utf8") as file:
            rows.extend([float(cell) for cell in row] for row in csv.reader(file))
    table = torch.tensor(rows)
    return table[:, :-1].to(device), table[:, -1:].to(device)


train, validation = read("train"), read("validation")
model = nn.Sequential(nn.Linear(2, args.units), nn.ReLU(), nn.Linear(args.units, args.units), nn.ReLU(), nn.Linear(args.units, 1)).to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=args.learning_rate)
loss_of = nn.BCEWithLogitsLoss()

# What an interruption leaves is gone on with: the folder outlives the process.
checkpoint = Path(os.environ["SAGEMAKER_BASE_DIR"]) / "checkpoints" / "last.pt"
first = 1
if checkpoint.exists():
    state = torch.load(checkpoint)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    first = state["epoch"] + 1
    print(f"goes on with epoch {first}", flush=True)

for epoch in range(first, args.epochs + 1):
    x, y = train
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(args.seed * 10_000 + epoch)).to(device)
    total = 0.0
    for batch in order.split(64):
        optimizer.zero_grad()
        loss = loss_of(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    with torch.no_grad():
        accuracy = ((model(validation[0]) > 0) == (validation[1] > 0.5)).float().mean().item()
    print(f"epoch={epoch} train_loss={total / len(x):.6f} validation_accuracy={accuracy:.4f}", flush=True)
    part = checkpoint.with_suffix(".part")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, part)
    part.replace(checkpoint)

scored = nn.Sequential(model, nn.Sigmoid()).cpu().eval()
example = validation[0][:8].cpu()
target = Path(os.environ["SM_MODEL_DIR"])
names = {"input_names": ["features"], "output_names": ["prediction"], "opset_version": 17}
open_rows = {"dynamic_axes": {"features": {0: "rows"}, "prediction": {0: "rows"}}}
# The exporter of PyTorch 1 and 2; releases that have another by default still have it.
old = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
torch.onnx.export(scored, (example,), str(target / "model.onnx"), **names, **open_rows, **old)
with torch.no_grad():
    answers = scored(example)
golden = {"features": example.flatten().tolist(), "prediction": answers.flatten().tolist(), "rows": len(example)}
(target / "golden.json").write_text(json.dumps(golden), encoding="utf8")
