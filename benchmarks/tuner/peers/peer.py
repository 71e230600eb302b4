"""Optimisers of Python behind ask and tell, one JSON object a line; one process holds many studies.

Requests, each answered by one line (which also gives `cpuMs`, the processor time it took here):
  {"op": "open", "study": id, "sampler": name, "space": …, "objectives": 1, "seed": 0, "pruner": null}
  {"op": "ask", "study": id}                                     → {"number": 0, "params": {…}}
  {"op": "report", "study": id, "number": 0, "step": 1, "value": 0.5} → {"prune": false}
  {"op": "tell", "study": id, "number": 0, "values": [0.5]}      (no values: it was pruned)
  {"op": "fill", "study": id, "trials": [[{…}, 0.5], …]}         (trials made elsewhere; of Optuna only)
  {"op": "close", "study": id}
Everything is minimised. A parameter whose condition does not hold is left out.
"""
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")


def active(spec, params):
    condition = spec.get("when")
    return condition is None or (condition["parent"] in params and params[condition["parent"]] in condition["values"])


class Optuna:
    def __init__(self, request):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.space, self.trials = optuna, request["space"], {}
        seed, name = request["seed"], request["sampler"]
        samplers = optuna.samplers
        made = {
            "default": lambda: samplers.TPESampler(seed=seed),
            "gp": lambda: samplers.GPSampler(seed=seed),
            "cmaes": lambda: samplers.CmaEsSampler(seed=seed),
            "nsga2": lambda: samplers.NSGAIISampler(seed=seed),
            "random": lambda: samplers.RandomSampler(seed=seed),
            "qmc": lambda: samplers.QMCSampler(seed=seed, scramble=True),
        }[name]()
        steps = request.get("steps")
        pruner = {
            None: lambda: optuna.pruners.NopPruner(),
            "median": lambda: optuna.pruners.MedianPruner(),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=steps),
        }[request.get("pruner")]()
        self.study = optuna.create_study(directions=["minimize"] * request["objectives"], sampler=made, pruner=pruner)

    def ask(self):
        trial = self.study.ask()
        params = {}
        for name, spec in self.space.items():
            if not active(spec, params):
                continue
            if spec["kind"] == "categorical":
                params[name] = trial.suggest_categorical(name, spec["choices"])
            else:
                suggest = trial.suggest_float if spec["kind"] == "float" else trial.suggest_int
                step = {"step": spec["step"]} if "step" in spec else {}
                params[name] = suggest(name, spec["low"], spec["high"], log=spec.get("log", False), **step)
        self.trials[trial.number] = trial
        return trial.number, params

    def fill(self, trials):
        distributions = self.optuna.distributions
        known = {
            name: distributions.CategoricalDistribution(spec["choices"])
            if spec["kind"] == "categorical"
            else (distributions.FloatDistribution if spec["kind"] == "float" else distributions.IntDistribution)(spec["low"], spec["high"], log=spec.get("log", False))
            for name, spec in self.space.items()
        }
        self.study.add_trials([self.optuna.trial.create_trial(params=params, distributions=known, value=value) for params, value in trials])

    def report(self, number, step, value):
        self.trials[number].report(value, step)
        return self.trials[number].should_prune()

    def tell(self, number, values):
        trial = self.trials.pop(number)
        if values is None:
            self.study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
        else:
            self.study.tell(trial, values)


def encode(space):
    """Numbers in [0, 1] on the search scale for optimisers without whole numbers, logarithms or conditions of their own."""
    import math

    def decode(name, u):
        spec = space[name]
        if spec["kind"] == "categorical":
            return spec["choices"][int(u)]
        low, high = spec["low"], spec["high"]
        if spec["kind"] == "int" or "step" in spec:
            step = spec.get("step", 1)
            if spec.get("log"):
                value = math.exp(math.log(low - 0.5) + u * (math.log(high + 0.5) - math.log(low - 0.5)))
            else:
                value = low - step / 2 + u * (high - low + step)
            value = min(high, max(low, low + step * round((value - low) / step)))
            return int(value) if spec["kind"] == "int" else value
        return math.exp(math.log(low) + u * math.log(high / low)) if spec.get("log") else low + u * (high - low)

    return decode


def without_inactive(space, params):
    kept = {}
    for name, spec in space.items():
        if active(spec, kept):
            kept[name] = params[name]
    return kept


class Hyperopt:
    """hyperopt's TPE; conditions are flat here, as nested choices would need another space for each task."""

    def __init__(self, request):
        import numpy
        from hyperopt import hp, Trials
        from hyperopt.base import Domain, JOB_STATE_DONE, STATUS_OK
        import hyperopt.tpe

        self.done, self.ok = JOB_STATE_DONE, STATUS_OK
        self.space, self.decode = request["space"], encode(request["space"])
        tree = {
            name: hp.choice(name, list(range(len(spec["choices"])))) if spec["kind"] == "categorical" else hp.uniform(name, 0, 1)
            for name, spec in self.space.items()
        }
        self.domain, self.trials, self.tpe = Domain(lambda params: 0, tree), Trials(), hyperopt.tpe
        self.random, self.open = numpy.random.default_rng(request["seed"]), {}

    def ask(self):
        identity = self.trials.new_trial_ids(1)
        self.trials.refresh()
        document = self.tpe.suggest(identity, self.domain, self.trials, int(self.random.integers(2**31 - 1)))[0]
        values = {name: found[0] for name, found in document["misc"]["vals"].items()}
        self.open[identity[0]] = document
        return identity[0], without_inactive(self.space, {name: self.decode(name, value) for name, value in values.items()})

    def tell(self, number, values):
        document = self.open.pop(number)
        document["state"], document["result"] = self.done, {"loss": values[0], "status": self.ok}
        self.trials.insert_trial_docs([document])
        self.trials.refresh()


class Hebo:
    def __init__(self, request):
        import numpy
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        numpy.random.seed(request["seed"])
        torch.manual_seed(request["seed"])
        torch.set_num_threads(1)
        self.numpy, self.space, self.decode = numpy, request["space"], encode(request["space"])
        parts = [
            {"name": name, "type": "cat", "categories": list(range(len(spec["choices"])))}
            if spec["kind"] == "categorical"
            else {"name": name, "type": "num", "lb": 0, "ub": 1}
            for name, spec in self.space.items()
        ]
        self.optimizer = HEBO(DesignSpace().parse(parts), scramble_seed=request["seed"])
        self.open, self.next = {}, 0

    def ask(self):
        row = self.optimizer.suggest(1)
        number, self.next = self.next, self.next + 1
        self.open[number] = row
        values = row.iloc[0].to_dict()
        return number, without_inactive(self.space, {name: self.decode(name, value) for name, value in values.items()})

    def tell(self, number, values):
        self.optimizer.observe(self.open.pop(number), self.numpy.array([values]))


class Smac:
    """SMAC3's hyperparameter facade, with its conditions."""

    def __init__(self, request):
        import tempfile
        from pathlib import Path
        import ConfigSpace as cs
        from smac import HyperparameterOptimizationFacade as Facade, Scenario

        space = cs.ConfigurationSpace(seed=request["seed"])
        self.space = request["space"]
        for name, spec in self.space.items():
            if spec["kind"] == "categorical":
                space.add(cs.CategoricalHyperparameter(name, [json.dumps(choice) for choice in spec["choices"]]))
            elif spec["kind"] == "float" and "step" in spec:
                count = round((spec["high"] - spec["low"]) / spec["step"])
                space.add(cs.UniformIntegerHyperparameter(name, 0, count))
            else:
                kind = cs.UniformFloatHyperparameter if spec["kind"] == "float" else cs.UniformIntegerHyperparameter
                space.add(kind(name, spec["low"], spec["high"], log=spec.get("log", False)))
        for name, spec in self.space.items():
            if "when" in spec:
                wanted = [json.dumps(value) for value in spec["when"]["values"]]
                space.add(cs.InCondition(space[name], space[spec["when"]["parent"]], wanted))
        scenario = Scenario(space, deterministic=True, n_trials=request["trials"], seed=request["seed"], output_directory=Path(tempfile.mkdtemp(prefix="smac")))
        self.facade = Facade(scenario, lambda config, seed: 0.0, overwrite=True, logging_level=50)
        self.open, self.next = {}, 0

    def ask(self):
        info = self.facade.ask()
        number, self.next = self.next, self.next + 1
        self.open[number] = info
        params = {}
        for name, value in dict(info.config).items():
            spec = self.space[name]
            if spec["kind"] == "categorical":
                params[name] = json.loads(value)
            elif spec["kind"] == "float" and "step" in spec:
                params[name] = spec["low"] + spec["step"] * int(value)
            else:
                params[name] = int(value) if spec["kind"] == "int" else float(value)
        return number, params

    def tell(self, number, values):
        from smac.runhistory.dataclasses import TrialValue

        self.facade.tell(self.open.pop(number), TrialValue(cost=values[0]))


libraries = {"optuna": Optuna, "hyperopt": Hyperopt, "hebo": Hebo, "smac": Smac}


def answer(studies, request):
    op, identity = request["op"], request.get("study")
    if op == "versions":
        from importlib.metadata import version

        return {"python": sys.version.split()[0], "version": version({"optuna": "optuna", "hebo": "HEBO"}.get(request["library"], request["library"]))}
    if op == "open":
        studies[identity] = libraries[request["library"]](request)
    elif op == "ask":
        number, params = studies[identity].ask()
        return {"number": number, "params": params}
    elif op == "report":
        return {"prune": bool(studies[identity].report(request["number"], request["step"], request["value"]))}
    elif op == "tell":
        studies[identity].tell(request["number"], request.get("values"))
    elif op == "fill":
        studies[identity].fill(request["trials"])
    elif op == "close":
        del studies[identity]
    return {}


def plain(value):
    return value.item() if hasattr(value, "item") else str(value)


def main():
    out = sys.stdout
    # What libraries print must not come between the answers.
    sys.stdout = sys.stderr
    studies = {}
    for line in sys.stdin:
        began = time.process_time()
        try:
            reply = answer(studies, json.loads(line))
        except Exception as error:  # the referee decides what a failure means
            reply = {"error": f"{type(error).__name__}: {error}"}
        reply["cpuMs"] = (time.process_time() - began) * 1000
        out.write(json.dumps(reply, default=plain) + "\n")
        out.flush()


main()
