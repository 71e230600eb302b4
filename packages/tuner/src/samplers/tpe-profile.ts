import type { WidthRule } from "./parzen-widths.ts";
import type { Grouping } from "./tpe-groups.ts";
import { goodTrials, goodTrialsOfMany, trialWeights } from "./tpe-split.ts";

/**
 * `optuna4` and `optuna5` draw from the distributions that Optuna 4.5 and 5.0 draw from. `refined` is `optuna5` with groups, good trials' kernels that may
 * be narrower, half the prior's weight, a search around the best candidate, and a distance to running trials.
 */
export type TpeProfile = "optuna4" | "optuna5" | "refined";

export interface TpeOptions {
  /** What the other options' defaults are. Default: `refined`. */
  readonly profile?: TpeProfile | undefined;
  /** Trials drawn at random first. Default: 10. */
  readonly startupTrials?: number | undefined;
  /** Candidates drawn from the good trials' density. Default: 24. */
  readonly candidates?: number | undefined;
  /** One mixture over all parameters, not one each. Default: true with one objective, but not in `optuna4`; `refined`: true. */
  readonly multivariate?: boolean | undefined;
  /** With `multivariate`: one mixture over each set of parameters that were always seen together. Default: false; `refined`: true. */
  readonly group?: boolean | undefined;
  /** Running trials count among the bad ones, so that parallel workers keep apart. Default: true, but not in `optuna4`. */
  readonly constantLiar?: boolean | undefined;
  /** How many of `finished` trials are good. Default: min(⌈0.1 n⌉, 25); with several objectives ⌈0.1 n⌉. */
  readonly gamma?: ((finished: number) => number) | undefined;
  /** Weights of the trials on one side, oldest first; at least 0, and one above. Default: 1, and from 25 trials on a ramp over all but the last 25. */
  readonly weights?: ((trials: number) => readonly number[]) | undefined;
  /** Of the broad kernel beside the trials'. At least 0. Default: 1; `refined`: 0.5. */
  readonly priorWeight?: number | undefined;
}

/** The options with all defaults filled in for a study. */
export interface TpeRules {
  readonly profile: TpeProfile;
  readonly startupTrials: number;
  readonly candidates: number;
  readonly grouping: Grouping;
  readonly constantLiar: boolean;
  readonly gamma: (finished: number) => number;
  readonly weights: (trials: number) => readonly number[];
  /** Where it is set, good trials are weighed alike. */
  readonly equalGood: boolean;
  readonly priorWeight: number;
  readonly width: WidthRule;
  /** Of the good trials' kernels. */
  readonly goodWidth: WidthRule;
  /** Rounds of the search around the best candidate. */
  readonly refinements: number;
  /** Suggestions keep a distance to running trials. */
  readonly spaced: boolean;
  readonly logIntsAsPoints: boolean;
}

/** Throws a `RangeError` for options that make no sense. */
export function checkTpeOptions(options: TpeOptions): void {
  const { profile = "refined", startupTrials = 10, candidates = 24, priorWeight = 1, multivariate, group } = options;
  if (profile !== "optuna4" && profile !== "optuna5" && profile !== "refined")
    throw new RangeError(`The profile is one of optuna4, optuna5 and refined, not ${String(profile)}.`);
  if (!Number.isSafeInteger(startupTrials) || startupTrials < 0)
    throw new RangeError(`startupTrials must be a whole number from 0, not ${String(startupTrials)}.`);
  if (!Number.isSafeInteger(candidates) || candidates < 1)
    throw new RangeError(`candidates must be a whole number from 1, not ${String(candidates)}.`);
  if (!(priorWeight >= 0 && priorWeight < Infinity))
    throw new RangeError(`priorWeight must be a finite number from 0, not ${String(priorWeight)}.`);
  if (group === true && multivariate === false) throw new RangeError("group needs multivariate.");
}

const magicClip = (observations: number): number => 1 / Math.min(100, observations + 2);

/**
 * The good are few, so that their least width by Optuna's rule is a tenth of the range and more, too broad to close in on a point. Watanabe,
 * arXiv 2304.11127, section 4.3, finds small least widths best; the factor is the best of a few tried on random functions.
 */
const narrowClip = (observations: number): number => 0.3 / (observations + 2);

export function tpeRules(options: TpeOptions, objectives: number): TpeRules {
  const { profile = "refined", startupTrials = 10, candidates = 24, weights = trialWeights } = options;
  const many = objectives > 1;
  const refined = profile === "refined";
  const group = options.group ?? refined;
  const multivariate = options.multivariate ?? (group || refined || (profile === "optuna5" && !many));
  const rule = profile !== "optuna4" ? "neighbours" : multivariate ? "shrinking" : "neighbours-and-prior";
  return {
    profile,
    startupTrials,
    candidates,
    grouping: !multivariate ? "independent" : group ? "group" : "joint",
    constantLiar: options.constantLiar ?? profile !== "optuna4",
    gamma: options.gamma ?? (many ? goodTrialsOfMany : goodTrials),
    weights,
    equalGood: many,
    priorWeight: options.priorWeight ?? (refined ? 0.5 : 1),
    width: { rule, floor: magicClip },
    goodWidth: { rule, floor: refined ? narrowClip : magicClip },
    refinements: refined ? 4 : 0,
    spaced: refined,
    logIntsAsPoints: profile === "optuna4",
  };
}
