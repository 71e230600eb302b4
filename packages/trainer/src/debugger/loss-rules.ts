import type { Observation } from "./observation.ts";
import { asRule, type Found, said, type TrainingRule, verdictOf } from "./training-rule.ts";

type Mode = "train" | "validation";

/** The loss of a mode, where it was seen and is a number. */
const lossIn = ({ tensors }: Observation, name: Mode): number | undefined => {
  const loss = tensors.find((tensor) => tensor.collection === "losses" && tensor.name === name)?.mean;
  return loss !== undefined && Number.isFinite(loss) ? loss : undefined;
};

export interface LossNotDecreasingParameters {
  /** Least steps between the two losses that are compared. Default: 10. */
  readonly numSteps?: number | undefined;
  /** Least decrease, in percent of the earlier loss. Default: 0.1. */
  readonly diffPercent?: number | undefined;
  /** Largest increase that is taken as noise, in percent of the earlier loss. Default: 5. */
  readonly increaseThresholdPercent?: number | undefined;
  /** Default: `"train"`. */
  readonly mode?: Mode | undefined;
}

/** Fires where, over at least `numSteps`, a loss has fallen by less than `diffPercent`, or has risen by more than `increaseThresholdPercent`. */
export function lossNotDecreasing(parameters: LossNotDecreasingParameters): TrainingRule {
  const { numSteps = 10, diffPercent = 0.1, increaseThresholdPercent = 5, mode = "train" } = parameters;
  interface State extends Found {
    readonly base?: { readonly step: number; readonly loss: number } | undefined;
  }
  return asRule<State>({
    name: "LossNotDecreasing",
    needs: ["losses"],
    empty: {},
    update({ base }, observation) {
      const loss = observation.mode === mode ? lossIn(observation, mode) : undefined;
      if (loss === undefined) return { base };
      const next = { step: observation.step, loss };
      if (base === undefined) return { base: next };
      if (next.step - base.step < numSteps) return { base };
      const fallen = base.loss === loss ? 0 : ((base.loss - loss) / Math.abs(base.loss)) * 100;
      const bad = fallen < 0 ? -fallen > increaseThresholdPercent : fallen < diffPercent;
      if (!bad) return { base: next };
      const change = fallen < 0 ? `risen by ${said(-fallen)}` : `fallen by ${said(fallen)}`;
      const message = `The ${mode} loss was ${said(base.loss)} in step ${base.step} and is ${said(loss)}: it has ${change} %.`;
      return { base: next, found: { step: next.step, message, tensor: `losses/${mode}` } };
    },
    verdict: verdictOf,
  });
}

export interface OverfitParameters {
  /** Steps that are left out at the beginning. Default: 0. */
  readonly startStep?: number | undefined;
  /** Validations in a row whose ratio is too large. Default: 1. */
  readonly patience?: number | undefined;
  /** Largest (validation loss − training loss) / training loss. Default: 0.1. */
  readonly ratioThreshold?: number | undefined;
}

/** Fires where the mean validation loss is above the mean training loss by more than `ratioThreshold` of it, `patience` times in a row. */
export function overfit({ startStep = 0, patience = 1, ratioThreshold = 0.1 }: OverfitParameters): TrainingRule {
  interface State extends Found {
    readonly count: number;
    readonly sum: number;
    readonly seen: number;
  }
  return asRule<State>({
    name: "Overfit",
    needs: ["losses"],
    empty: { count: 0, sum: 0, seen: 0 },
    update({ count, sum, seen }, observation) {
      const train = lossIn(observation, "train");
      if (observation.mode === "train") {
        return train === undefined || observation.step < startStep
          ? { count, sum, seen }
          : { count, sum: sum + train, seen: seen + 1 };
      }
      const validation = lossIn(observation, "validation");
      const mean = train ?? (seen === 0 ? undefined : sum / seen);
      if (validation === undefined || mean === undefined || observation.step < startStep) return { count, sum, seen };
      const ratio = (validation - mean) / Math.abs(mean);
      if (!(ratio > ratioThreshold)) return { count: 0, sum: 0, seen: 0 };
      const message = `The validation loss is ${said(validation)}, ${said(ratio * 100)} % above the training loss, ${said(mean)}, ${count + 1} times in a row.`;
      const found = count + 1 >= patience ? { found: { step: observation.step, message } } : {};
      return { count: count + 1, sum: 0, seen: 0, ...found };
    },
    verdict: verdictOf,
  });
}

export interface OvertrainingParameters {
  /** Observations of the training loss without an improvement. Default: 5. */
  readonly patienceTrain?: number | undefined;
  /** Validations without an improvement. Default: 10. */
  readonly patienceValidation?: number | undefined;
  /** How much lower than the lowest before counts as an improvement. Default: 0.01. */
  readonly delta?: number | undefined;
}

/** Fires where one of the losses has not become lower by `delta` for as many observations as its patience. */
export function overtraining(parameters: OvertrainingParameters): TrainingRule {
  const { patienceTrain = 5, patienceValidation = 10, delta = 0.01 } = parameters;
  interface Waiting {
    readonly best: number;
    readonly waited: number;
  }
  interface State extends Found {
    readonly train?: Waiting | undefined;
    readonly validation?: Waiting | undefined;
  }
  return asRule<State>({
    name: "Overtraining",
    needs: ["losses"],
    empty: {},
    update(state, observation) {
      const { mode, step } = observation;
      const loss = lossIn(observation, mode);
      const { train, validation } = state;
      if (loss === undefined) return { train, validation };
      const before = state[mode];
      const improved = before === undefined || loss < before.best - delta;
      const next = improved ? { best: loss, waited: 0 } : { ...before, waited: before.waited + 1 };
      const patience = mode === "train" ? patienceTrain : patienceValidation;
      const message = `The ${mode === "train" ? "training" : "validation"} loss has not become lower than ${said(next.best)} by ${delta} for ${next.waited} observations.`;
      const found = next.waited >= patience ? { found: { step, message, tensor: `losses/${mode}` } } : {};
      return { train, validation, [mode]: next, ...found };
    },
    verdict: verdictOf,
  });
}

export interface StalledTrainingParameters {
  /** Longest time without a new step, in seconds. Default: 1,800. */
  readonly threshold?: number | undefined;
}

/** Fires where no step has been seen that is later than the one before for `threshold` seconds: observations of the same step tell what time it is. */
export function stalledTraining({ threshold = 1_800 }: StalledTrainingParameters): TrainingRule {
  interface State extends Found {
    readonly step: number;
    readonly sinceMs?: number | undefined;
  }
  return asRule<State>({
    name: "StalledTraining",
    needs: [],
    empty: { step: 0 },
    update({ step, sinceMs }, observation) {
      const idleMs = sinceMs === undefined ? 0 : observation.timeMs - sinceMs;
      const message = `No step has come for ${said(idleMs / 1_000)} s after step ${step}.`;
      const found = idleMs >= threshold * 1_000 ? { found: { step: observation.step, message } } : {};
      if (sinceMs === undefined || observation.step > step)
        return { step: observation.step, sinceMs: observation.timeMs, ...found };
      return { step, sinceMs, ...found };
    },
    verdict: verdictOf,
  });
}
