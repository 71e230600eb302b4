"""Writes loss-scale.json: what torch.amp.GradScaler does with gradients that are numbers and gradients that are none (torch 2.15: pip install torch).
Usage: python loss-scale.py > loss-scale.json"""

import json
import random

import torch


def sequence(finite, **options):
    """The scale and the count of good steps after each step, and whether the optimizer took it."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1e-3)
    scaler = torch.amp.GradScaler("cpu", **options)
    steps = []
    for good in finite:
        before = weight.item()
        optimizer.zero_grad()
        scaler.scale((weight * (1.0 if good else float("inf"))).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        state = scaler.state_dict()
        steps.append([state["scale"], state["_growth_tracker"], weight.item() != before])
    return steps


generator = random.Random(4)
cases = [
    {"options": {}, "finite": [False] * 3 + [True] * 5 + [False]},
    {"options": {"growth_interval": 3}, "finite": [generator.random() < 0.85 for _ in range(120)]},
    {"options": {"init_scale": 3.0, "growth_factor": 1.5, "backoff_factor": 0.3, "growth_interval": 2},
     "finite": [generator.random() < 0.7 for _ in range(80)]},
    {"options": {"init_scale": 2.0**126, "growth_interval": 1}, "finite": [True] * 4 + [False] * 2 + [True] * 3},
]
result = [{**case, "steps": sequence(case["finite"], **case["options"])} for case in cases]
print(json.dumps({"torch": torch.__version__.split("+")[0], "cases": result}))
