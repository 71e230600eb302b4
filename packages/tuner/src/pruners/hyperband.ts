import { crc32 } from "node:zlib";
import type { Pruner, Trial } from "../trial.ts";
import { checkNumber, checkWhole, lastReport } from "./reports.ts";
import { endedAfter, firstCompleted, judgeRungs } from "./successive-halving.ts";

export interface HyperbandOptions {
  /** r, from 1: the first rung of the first bracket. Default: 1. */
  readonly minimumResource?: number | undefined;
  /** R, steps of a full trial. `auto`: one more than the last step of the first trial that completed; nothing is stopped before. Default: auto. */
  readonly maximumResource?: number | "auto" | undefined;
  /** η, from 2. Default: 3. With R/r it should give 4 to 6 brackets. */
  readonly reductionFactor?: number | undefined;
  /** The first so many trials at a rung never pass it, from 0; not together with `auto`. Default: 0. */
  readonly bootstrapCount?: number | undefined;
}

/**
 * Hyperband: successive halving in several brackets, of which bracket b first stops trials after `r·η^b` steps. Trials go to brackets in proportion to
 * `hyperbandBudgets`, by the CRC-32 of `study_number`, so that the same trial is in the same bracket after a restart. Optuna's rule (HyperbandPruner); the number of
 * brackets is exact where Optuna's logarithm rounds (R/r = 243). L. Li et al., Hyperband, JMLR 18 (2018), Algorithm 1.
 */
export function hyperbandPruner(options: HyperbandOptions = {}): Pruner {
  const { minimumResource = 1, maximumResource = "auto", reductionFactor = 3, bootstrapCount = 0 } = options;
  checkNumber("minimumResource", minimumResource, 1, Number.MAX_VALUE);
  checkWhole("reductionFactor", reductionFactor, 2);
  checkWhole("bootstrapCount", bootstrapCount, 0);
  if (maximumResource !== "auto") checkNumber("maximumResource", maximumResource, minimumResource, Number.MAX_VALUE);
  else if (bootstrapCount > 0) throw new RangeError("bootstrapCount needs a maximumResource that is not auto.");
  return {
    name: "hyperband",
    judge({ trial, trials, direction, study = "" }) {
      const source = maximumResource === "auto" ? firstCompleted(trials) : undefined;
      const known = maximumResource === "auto" ? lastStepOf(source) : maximumResource;
      if (known === undefined) return { prune: false };
      const budgets = hyperbandBudgets(Math.max(known, minimumResource), { minimumResource, reductionFactor });
      const bracket = hyperbandBracket(study, trial.number, budgets);
      return judgeRungs(
        trial,
        (source === undefined ? trials : endedAfter(trials, source)).filter(
          ({ number }) => hyperbandBracket(study, number, budgets) === bracket,
        ),
        {
          direction,
          reductionFactor,
          bootstrapCount,
          firstRung: minimumResource * reductionFactor ** bracket,
          rule: "hyperband",
          bracket,
        },
      );
    },
  };
}

const lastStepOf = (trial: Trial | undefined): number | undefined =>
  trial === undefined ? undefined : (lastReport(trial)?.[0] ?? 0) + 1;

/**
 * How trials are shared among Hyperband's brackets: ⌈B·η^s/(s+1)⌉ for bracket b, where s = B − 1 − b and B is the number of k ≥ 0 with `r·η^k ≤ R`.
 * For R = 81, r = 1, η = 3 they are 81, 34, 15, 8, 5.
 */
export function hyperbandBudgets(
  maximumResource: number,
  options: Pick<HyperbandOptions, "minimumResource" | "reductionFactor"> = {},
): readonly number[] {
  const { minimumResource = 1, reductionFactor = 3 } = options;
  checkNumber("minimumResource", minimumResource, 1, Number.MAX_VALUE);
  checkNumber("maximumResource", maximumResource, minimumResource, Number.MAX_VALUE);
  checkWhole("reductionFactor", reductionFactor, 2);
  let brackets = 0;
  while (minimumResource * reductionFactor ** brackets <= maximumResource) brackets += 1;
  return Array.from({ length: brackets }, (_, bracket) => {
    const rate = brackets - 1 - bracket;
    return Math.ceil((brackets * reductionFactor ** rate) / (rate + 1));
  });
}

/** @returns The bracket of a trial, from 0. */
export function hyperbandBracket(study: string, trial: number, budgets: readonly number[]): number {
  let left = crc32(`${study}_${trial}`) % budgets.reduce((sum, budget) => sum + budget, 0);
  return budgets.findIndex((budget) => (left -= budget) < 0);
}
