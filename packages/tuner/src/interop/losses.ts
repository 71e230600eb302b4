import type { Space } from "../space.ts";
import type { Direction, Trial } from "../trial.ts";

/** What a conversion could not carry over. */
export interface ConversionLoss {
  /** Where: a parameter's name, or a member's path. */
  readonly path: string;
  /** `warning`: carried over in another form; `error`: left out. */
  readonly severity: "warning" | "error";
  readonly message: string;
}

/** A study that another tool made. Its trials are the study's own kind: pass them to `priorTrials`, plots, importances and replays. */
export interface ImportedStudy {
  readonly name: string;
  readonly space: Space;
  readonly directions: readonly Direction[];
  readonly trials: readonly Trial[];
  readonly losses: readonly ConversionLoss[];
}

export const loss = (path: string, severity: ConversionLoss["severity"], message: string): ConversionLoss => ({
  path,
  severity,
  message,
});
