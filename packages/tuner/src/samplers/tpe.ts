import type { Random } from "@millwright/contracts";
import type { Params, Space } from "../space.ts";
import { drawParams, isAllowed } from "../space-constraints.ts";
import type { Explanation, Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";
import { type AxisTable, createAxisTable } from "./parzen-axes.ts";
import { type Choice, createChooser } from "./tpe-choice.ts";
import { nearestTrials } from "./tpe-nearest.ts";
import { type TpeOptions, type TpeRules, checkTpeOptions, tpeRules } from "./tpe-profile.ts";
import { createApart, spacing } from "./tpe-spacing.ts";
import { goodMask, isFinished } from "./tpe-split.ts";

/** Rounds of candidates that known constraints may forbid altogether before one is drawn without a model. */
const CONSTRAINED_ROUNDS = 20;

/** Rounds of candidates that may all be too near to running trials before the nearness is put up with. */
const SPACED_ROUNDS = 3;

/** Draws of start-up trials that may be too near to running ones. */
const SPACED_DRAWS = 50;

/**
 * Tree-structured Parzen estimator: a density of the good trials, l, and one of the others, g; of candidates drawn from l the one with the highest
 * l/g. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011; Watanabe, arXiv 2304.11127; with several objectives Ozaki et al.,
 * GECCO 2020.
 *
 * Conditional parameters are fitted to the trials that had them. Known constraints filter the candidates; trials that missed measured ones rank after
 * all others. Each explanation has the numbers of good and bad trials, log l, log g and the numbers of the nearest trials.
 * Throws a `RangeError` for options out of their range.
 */
export function tpeSampler(options: TpeOptions = {}): Sampler {
  checkTpeOptions(options);
  const tables = new WeakMap<Space, AxisTable>();
  return {
    name: "tpe",
    suggest(space, context, random) {
      const { direction, directions = [direction], trials } = context;
      const rules = tpeRules(options, directions.length);
      const table = tables.get(space) ?? createAxisTable(space, rules);
      tables.set(space, table);
      const known = trials.filter((trial) => isFinished(trial) || (rules.constantLiar && trial.state === "running"));
      table.scratch.begin();
      const rows = table.rowsOf(known);
      const finished = rows.filter((_, index) => isFinished(known[index] as Trial));
      const running = rules.spaced ? rows.filter((_, index) => known[index]?.state === "running") : [];
      const isApart = createApart(table, running, spacing(Math.max(finished.length, rules.startupTrials)));
      const situation = { space, context, table, rules, known, rows, finished, isApart };
      return finished.length < rules.startupTrials ? drawStart(situation, random) : suggestByModel(situation, random);
    },
  };
}

interface Situation {
  readonly space: Space;
  readonly context: SuggestContext;
  readonly table: AxisTable;
  readonly rules: TpeRules;
  /** The trials that count, with their rows. */
  readonly known: readonly Trial[];
  readonly rows: readonly Float64Array[];
  readonly finished: readonly Float64Array[];
  /** Whether parameters are far enough from those of running trials. */
  readonly isApart: (params: Params) => boolean;
}

function drawStart({ space, context, rules, finished, isApart }: Situation, random: Random): Suggestion {
  let params = drawParams(space, random, context.constraints);
  for (let draw = 1; draw < SPACED_DRAWS && !isApart(params); draw += 1)
    params = drawParams(space, random, context.constraints);
  return {
    params,
    explanation: { sampler: "tpe", profile: rules.profile, phase: "startup", trials: finished.length },
  };
}

function suggestByModel(situation: Situation, random: Random): Suggestion {
  const { space, context, table, rules, known, rows, finished } = situation;
  const { direction, directions = [direction], constraints } = context;
  const good = goodMask(known, directions, rules.gamma);
  const below = rows.filter((_, index) => good[index] === 1);
  const above = rows.filter((_, index) => good[index] !== 1);
  const told: Explanation = { sampler: "tpe", profile: rules.profile, good: below.length, bad: above.length };
  const choice = choose(situation, { finished, below, above }, random);
  if (choice === undefined)
    return { params: drawParams(space, random, constraints), explanation: { ...told, phase: "constrained" } };
  const { params, logGood, logBad } = choice;
  const nearest = nearestTrials(table, params, known, rows);
  return {
    params,
    explanation: { ...told, phase: "model", logGood, logBad, logRatio: logGood - logBad, nearest },
  };
}

/** `undefined` where the known constraints forbid all candidates. */
function choose(
  { space, context, table, rules, isApart }: Situation,
  rows: Parameters<typeof createChooser>[2],
  random: Random,
): Choice | undefined {
  const chooser = createChooser(space, table, rows, rules, random);
  const allows = (params: Params): boolean => isAllowed(context.constraints, params);
  const best = chooser.best();
  const allowed = allows(best.params) ? best : chooser.bestOf(CONSTRAINED_ROUNDS, allows);
  if (allowed === undefined || isApart(allowed.params)) return allowed;
  return chooser.bestOf(SPACED_ROUNDS, (params) => allows(params) && isApart(params)) ?? allowed;
}
