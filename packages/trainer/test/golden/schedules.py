"""Writes schedules.json: values of Keras's own schedules and callbacks (keras 3, on its numpy back end: pip install keras numpy scipy jax), and, for the one-cycle
schedule, which Keras lacks, those of PyTorch's documented formula (torch.optim.lr_scheduler.OneCycleLR, anneal_strategy="cos",
three_phase=False), computed here in plain Python. Usage: python schedules.py > schedules.json"""

import json
import math
import os

os.environ["KERAS_BACKEND"] = "numpy"
import keras
import numpy as np

keras.backend.set_floatx("float64")
schedules = keras.optimizers.schedules
BASE = 0.1


def values(schedule, count):
    return [float(schedule(np.float64(step))) for step in range(count)]


def one_cycle(count, length, rising, divide, final_divide):
    first, top = BASE / divide, rising * length - 1
    last = first / final_divide
    anneal = lambda start, end, part: end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
    result = []
    for step in range(count):
        if step <= top:
            result.append(anneal(first, BASE, step / top))
        else:
            result.append(anneal(BASE, last, (step - top) / (length - 1 - top)))
    return result


class Model:
    """As much of a model as the callbacks touch."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = keras.optimizers.SGD(BASE)
        self.weights = None

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    @property
    def metrics(self):
        return []


rng = np.random.default_rng(7)


def curve(count, falls=True):
    """A loss that falls, then rises again, with noise; every seventh is no number."""
    result = []
    for epoch in range(count):
        value = abs(epoch - 9) / 10 + 0.3 * float(rng.random())
        result.append(None if epoch % 7 == 6 else (value if falls else 1 - value))
    return result


def early_stopping(losses, grows, **options):
    model = Model()
    callback = keras.callbacks.EarlyStopping("m", mode="max" if grows else "min", restore_best_weights=True, **options)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, {"m": float("nan") if loss is None else loss})
        if model.stop_training:
            return {"stoppedAfter": epoch + 1, "bestEpoch": callback.best_epoch + 1}
    return {"stoppedAfter": None, "bestEpoch": callback.best_epoch + 1}


def plateau(losses, grows, **options):
    model = Model()
    callback = keras.callbacks.ReduceLROnPlateau("m", mode="max" if grows else "min", **options)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"m": float("nan") if loss is None else loss})
        rates.append(float(model.optimizer.learning_rate))
    return rates


stopping_options = [
    {"patience": 1}, {"patience": 2}, {"patience": 3}, {"patience": 3, "min_delta": 0.1}, {"patience": 5, "min_delta": 0.02},
    {"patience": 4, "baseline": 0.5}, {"patience": 2, "baseline": 0.25}, {"patience": 3, "baseline": -1.0, "min_delta": 0.05},
]
plateau_options = [
    {"patience": 1, "factor": 0.5}, {"patience": 2, "factor": 0.5, "cooldown": 2}, {"patience": 3, "factor": 0.1, "min_lr": 0.005},
    {"patience": 1, "factor": 0.3, "min_delta": 0.1, "cooldown": 1},
]
names = {"min_delta": "minDelta", "min_lr": "minimum"}
ours = lambda options: {names.get(name, name): value for name, value in options.items()}

curves = [(curve(30, falls), not falls) for falls in (True, False) for _ in range(3)]
stoppings = [
    {"metric": "auc" if grows else "logLoss", "values": losses, "options": ours(options), **early_stopping(losses, grows, **options)}
    for losses, grows in curves for options in stopping_options
]
plateaus = [
    {"metric": "auc" if grows else "logLoss", "values": losses, "options": ours(options), "rates": plateau(losses, grows, **options)}
    for losses, grows in curves for options in plateau_options
]
gradients = [rng.normal(size=(3, 2)), rng.normal(size=(4,)) * 5]
norms = [0.5, 3.0, 100.0]
sgd = lambda **options: keras.optimizers.SGD(BASE, **options)
clips = [{"clip": {"norm": n}, "clipped": [np.asarray(g).ravel().tolist() for g in sgd(global_clipnorm=n)._clip_gradients(gradients)]} for n in norms]
clips += [{"clip": {"value": v}, "clipped": [np.asarray(g).ravel().tolist() for g in sgd(clipvalue=v)._clip_gradients(gradients)]} for v in (0.3, 2.0)]

json.dump(
    {
        "keras": keras.__version__,
        "base": BASE,
        "schedules": [
            {"schedule": {"kind": "step", "every": 5, "factor": 0.5}, "rates": values(schedules.ExponentialDecay(BASE, 5, 0.5, staircase=True), 24)},
            {"schedule": {"kind": "exponential", "factor": 0.9}, "rates": values(schedules.ExponentialDecay(BASE, 1, 0.9), 24)},
            {"schedule": {"kind": "cosine", "period": 6, "growth": 2, "minimum": 0.01}, "rates": values(schedules.CosineDecayRestarts(BASE, 6, t_mul=2.0, m_mul=1.0, alpha=0.1), 40)},
            {"schedule": {"kind": "cosine", "period": 7}, "rates": values(schedules.CosineDecayRestarts(BASE, 7, t_mul=1.0, m_mul=1.0), 24)},
            {"schedule": {"kind": "cosine", "period": 12, "restarts": False}, "rates": values(schedules.CosineDecay(BASE, 12), 24)},
            {"schedule": {"kind": "warmup", "length": 8, "from": 0.25, "then": {"kind": "cosine", "period": 12, "restarts": False, "minimum": 0.005}}, "rates": values(schedules.CosineDecay(BASE * 0.25, 12, alpha=0.05, warmup_target=BASE, warmup_steps=8), 24)},
            {"schedule": {"kind": "oneCycle", "length": 20}, "rates": one_cycle(20, 20, 0.3, 25, 1e4)},
            {"schedule": {"kind": "oneCycle", "length": 33, "rising": 0.45, "divide": 10, "finalDivide": 100}, "rates": one_cycle(33, 33, 0.45, 10, 100)},
        ],
        "stoppings": stoppings,
        "plateaus": plateaus,
        "gradients": [{"shape": list(g.shape), "values": g.ravel().tolist()} for g in gradients],
        "clips": clips,
    },
    __import__("sys").stdout,
)
