import type { Pruner } from "../trial.ts";
import { bestOf, checkNumber, checkWhole, signOf } from "./reports.ts";

export interface PatientOptions {
  /** Reported steps, after the one that is judged against, in which a better value is waited for; from 0. */
  readonly patience: number;
  /** An improvement counts as one where it is more than this; from 0. Default: 0. */
  readonly minimumDelta?: number | undefined;
}

/**
 * Lets `wrapped` judge only once the trial has stopped improving: when the best of its newest `patience + 1` values is worse than the best before them by
 * more than `minimumDelta`. Without `wrapped` that alone stops the trial. The rule of Optuna's PatientPruner.
 */
export function patientPruner(wrapped: Pruner | undefined, { patience, minimumDelta = 0 }: PatientOptions): Pruner {
  if (wrapped !== undefined && typeof wrapped.judge !== "function")
    throw new TypeError("patientPruner wraps a pruner, or undefined.");
  checkWhole("patience", patience, 0);
  checkNumber("minimumDelta", minimumDelta, 0, Infinity);
  const promote = wrapped?.promote?.bind(wrapped);
  return {
    name: wrapped === undefined ? "patient" : `patient(${wrapped.name})`,
    judge(context) {
      const { trial, direction } = context;
      const reports = trial.intermediates.toSorted(([a], [b]) => a - b);
      if (reports.length <= patience + 1) return { prune: false };
      const values = reports.map(([, value]) => value);
      const before = bestOf(values.slice(0, -patience - 1), direction);
      const after = bestOf(values.slice(-patience - 1), direction);
      const sign = signOf(direction);
      if (!(sign * before + minimumDelta < sign * after)) return { prune: false };
      if (wrapped !== undefined) return wrapped.judge(context);
      return {
        prune: true,
        reason: `the best of its newest ${patience + 1} values, ${after}, is worse than ${before} before them`,
        explanation: { rule: "patient", patience, minimumDelta, before, after, step: reports.at(-1)?.[0] ?? 0 },
      };
    },
    ...(promote === undefined ? {} : { promote }),
  };
}
