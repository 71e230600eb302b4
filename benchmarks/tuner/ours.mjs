// Millwright's own tuner, in this process.
import * as tuner from "../../packages/tuner/dist/index.js";

/** A task's space as the tuner's users write it. */
export function spaceOf(task) {
  return Object.fromEntries(Object.entries(task.space).map(([name, spec]) => [name, parameterOf(spec)]));
}

function parameterOf({ kind, low, high, log, step, choices, when }) {
  if (when !== undefined)
    return tuner.when(when.parent, when.values, parameterOf({ kind, low, high, log, step, choices }));
  if (kind === "categorical") return tuner.categorical(choices);
  return (kind === "float" ? tuner.float : tuner.int)(low, high, { log, step });
}

const exported = { ...tuner };

/** The export for a short name: "gp" is gpSampler(), "cma-es" is cmaEsSampler(). */
function madeBy(name, suffix, options) {
  const found = `${name.replaceAll(/-([a-z])/g, (_, letter) => letter.toUpperCase())}${suffix}`;
  if (typeof exported[found] !== "function") {
    const known = Object.keys(exported).filter((each) => each.endsWith(suffix));
    throw new Error(`The tuner exports no ${found}; it has ${known.join(", ")}.`);
  }
  return exported[found](options);
}

/** "multi-fidelity(gp)" wraps the sampler in brackets. */
function samplerBy(name) {
  const [, outer, inner] = /^([\w-]+)\(([\w-]+)\)$/.exec(name) ?? [];
  return inner === undefined ? madeBy(name, "Sampler") : madeBy(outer, "Sampler", { sampler: samplerBy(inner) });
}

/** @param name "auto", "gp", "tpe", …, or "default" for what a study takes by itself; with a pruner, "auto+asha"; "auto+curve-pause" is the curve pruner that pauses. */
export function startOurs(name) {
  const [samplerName, prunerName] = name.split("+");
  return {
    name: `ours:${name}`,
    async open(task, { seed, trials }) {
      const study = await tuner.openStudy({
        name: `${task.id}-${seed}`,
        space: spaceOf(task),
        ...(task.objectives === undefined
          ? { direction: "minimize" }
          : { directions: Array.from({ length: task.objectives }, () => "minimize") }),
        seed: seed + 1000,
        ...(samplerName === "default" ? {} : { sampler: samplerBy(samplerName) }),
        pruner:
          prunerName === undefined
            ? false
            : prunerName === "curve-pause"
              ? tuner.curvePruner({ pause: true })
              : madeBy(prunerName, "Pruner", {
                  maximumResource: task.epochs,
                  minimumResource: Math.round(task.epochs / 9),
                }),
      });
      return counted(study, task, trials);
    },
    stop() {},
  };
}

function counted(study, task, trials) {
  let micros = 0;
  const timed = async (work) => {
    const before = process.cpuUsage();
    try {
      return await work();
    } finally {
      const { user, system } = process.cpuUsage(before);
      micros += user + system;
    }
  };
  const running = new Map();
  // How many there will be is told where it is known: not in group F, whose budget is epochs.
  const limit = task.epochs === undefined ? { trials } : {};
  return {
    async ask() {
      const trial = await timed(() => study.ask(limit));
      running.set(trial.number, trial);
      const from = trial.checkpoint === undefined ? 0 : Number(trial.checkpoint);
      return { number: trial.number, params: trial.params, from };
    },
    report: (number, step, value) => timed(() => running.get(number).report(step, value, { checkpoint: String(step) })),
    async tell(number, values, answer) {
      const trial = running.get(number);
      running.delete(number);
      const result = answer === "pause" ? { state: "paused", reason: trial.paused.reason } : resultOf(values, task);
      await timed(() => study.tell(number, result));
    },
    /** Trials made elsewhere. */
    async fill(made) {
      for (const [params] of made) await study.enqueue(params);
      for (const [, value] of made) await study.tell((await study.ask()).number, resultOf([value], task));
    },
    close: () => study[Symbol.asyncDispose](),
    cpuMs: () => micros / 1000,
  };
}

function resultOf(values, task) {
  if (values === undefined) return { state: "pruned", reason: "The pruner said so." };
  return task.objectives === undefined ? { state: "completed", value: values[0] } : { state: "completed", values };
}
