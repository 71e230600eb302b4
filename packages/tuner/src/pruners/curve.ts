import { bestTrial } from "../outcome.ts";
import type { PruneContext, PruneVerdict, Pruner, SuggestContext, Trial } from "../trial.ts";
import { type KnownOutcome, type Outlook, calibrate, outlookOf } from "./curve-calibration.ts";
import { checkNumber, checkWhole, signOf } from "./reports.ts";

export interface CurveOptions {
  /** The last step of a full training. `auto`: that of the completed trial that got furthest. Default: auto. */
  readonly horizon?: number | "auto" | undefined;
  /**
   * Stops a trial whose chance to beat the best one is below this, in (0, 1). Default: 0.05; where trials pause, half the share of the newest ten that got better than all before
   * them, from 0.02 to 0.3: what a new trial may hope for.
   */
  readonly chance?: number | undefined;
  /**
   * Whether a trial pauses instead of being stopped. The same trial goes on from its checkpoint once its chance, by what is known then, is no longer too small; and the one with
   * the greatest chance for every four trials begun, so that it is found out what curves come to. It then gets half as far again before it may pause. Default: false.
   */
  readonly pause?: boolean | undefined;
  /** Reports that a curve must have before it is extrapolated, from 3. Default: 4. */
  readonly minimumReports?: number | undefined;
  /** Trials that must have completed before any is stopped, from 1. Default: 1. */
  readonly startupTrials?: number | undefined;
}

/**
 * Stops a trial when, by its learning curve so far, it is unlikely to beat the best completed trial: power laws and exponentials are fitted with their uncertainty and
 * averaged, corrected by how far off they were at the same step for the trials that completed, and the chance that the value at the horizon is better is below `chance`. So it
 * stops late, or not at all, where curves say little early. The last values of completed trials are what is to be beaten. After Domhan et al., IJCAI 2015, and the decay curve
 * rule of Golovin et al., Google Vizier, KDD 2017; the correction is this package's own. Steps count from 1 or from 0.
 */
export function curvePruner(options: CurveOptions = {}): Pruner {
  const { horizon = "auto", pause = false, chance, minimumReports = 4, startupTrials = 1 } = options;
  if (horizon !== "auto") checkNumber("horizon", horizon, 1, Number.MAX_VALUE);
  if (chance !== undefined && !(chance > 0 && chance < 1))
    throw new RangeError(`chance is ${String(chance)}; it must lie in (0, 1).`);
  checkWhole("minimumReports", minimumReports, 3);
  checkWhole("startupTrials", startupTrials, 1);
  if (typeof pause !== "boolean") throw new TypeError(`pause is ${String(pause)}; it must be true or false.`);
  const hopesOf = hopes({ horizon, minimumReports, startupTrials });
  const leastChance = (context: SuggestContext): number => chance ?? (pause ? chanceOfNew(context) : 0.05);
  const judge = (context: PruneContext): PruneVerdict => {
    const hope = hopesOf(context.trial, context);
    const least = leastChance(context);
    if (hope === undefined || !(hope.probability < least)) return { prune: false };
    const { best, value, horizon: last, step, probability } = hope;
    if (pause && step < Math.min(last, furtherOn * pausedAt(context.trial))) return { prune: false };
    const reason = `after step ${step} its chance to beat trial ${best}, ${value}, by step ${last} is ${probability.toPrecision(2)}`;
    const { forecast, outcomes, error } = hope;
    const numbers = { step, horizon: last, probability, chance: least, forecast, best, outcomes, error };
    const explanation = { rule: "curve", ...numbers };
    return pause ? { prune: false, pause, reason, explanation } : { prune: true, reason, explanation };
  };
  if (!pause) return { name: "curve", judge };
  const promote = (context: SuggestContext): number | undefined => {
    const { trials } = context;
    let top: { readonly number: number; readonly probability: number } | undefined;
    for (const trial of trials) {
      const hope = trial.state === "paused" ? hopesOf(trial, context) : undefined;
      if (hope === undefined || !(hope.probability > (top?.probability ?? leastHope))) continue;
      top = { number: trial.number, probability: hope.probability };
    }
    if (top === undefined || top.probability >= leastChance(context)) return top?.number;
    const begun = trials.filter(({ attempts }) => attempts > 0).length;
    const wentOn = trials.reduce(
      (sum, { state, attempts }) => sum + Math.max(0, attempts - 1) + (state === "completed" ? 1 : 0),
      0,
    );
    return begun >= promoteEvery * wentOn ? top.number : undefined;
  };
  return { name: "curve", judge, promote };
}

/** A trial that went on gets so many times as far before it may pause again. */
const furtherOn = 1.5;
/** For so many trials begun, one goes on that paused, or completes. */
const promoteEvery = 4;
/** Trials with no greater chance stay paused. */
const leastHope = 0.01;
/** So many of the newest trials tell what a new one may hope for. */
const newestTrials = 10;

/** The step a trial was last paused at. */
function pausedAt({ verdict }: Trial): number {
  const step = verdict?.["rule"] === "curve" ? verdict["step"] : undefined;
  return typeof step === "number" ? step : -Infinity;
}

/** Half the chance of a new trial to beat the best, in [0.02, 0.3], by Laplace's rule of succession. */
function chanceOfNew({ trials, direction }: SuggestContext): number {
  const sign = signOf(direction);
  let best = Infinity;
  const better = trials
    .filter(({ state }) => state === "completed" || state === "paused")
    .map((trial) => {
      const value = trial.state === "completed" ? (trial.values?.[0] ?? trial.value) : undefined;
      const improved = value !== undefined && sign * value < best;
      if (improved) best = sign * value;
      return improved;
    })
    .slice(-newestTrials);
  const share = (1 + better.filter(Boolean).length) / (2 + better.length);
  return Math.min(0.3, Math.max(0.02, share / 2));
}

/** What a trial may come to, and what it is measured by. */
interface Hope {
  readonly step: number;
  readonly horizon: number;
  /** Number and value of the best completed trial. */
  readonly best: number;
  readonly value: number;
  /** Of beating it. */
  readonly probability: number;
  readonly forecast: number;
  /** How many completed trials the forecast was corrected by, and how far off theirs were, in their own deviations. */
  readonly outcomes: number;
  readonly error: number;
}

interface Looks {
  readonly horizon: number | "auto";
  readonly minimumReports: number;
  readonly startupTrials: number;
}

/** @returns `undefined` while too little is known, and of a trial that got to the horizon. */
function hopes({
  horizon,
  minimumReports,
  startupTrials,
}: Looks): (trial: Trial, context: SuggestContext) => Hope | undefined {
  const outlooks = keptOutlooks();
  return (trial, { trials, direction }) => {
    const completed = trials.filter(({ state }) => state === "completed");
    const best = bestTrial(completed, direction);
    const value = best?.values?.[0] ?? best?.value;
    const last = horizon === "auto" ? furthest(completed) : horizon;
    const step = trial.intermediates.at(-1)?.[0];
    if (completed.length < startupTrials || best === undefined || value === undefined || !Number.isFinite(value))
      return undefined;
    if (last === undefined || step === undefined || step >= last) return undefined;
    const sign = signOf(direction);
    const outlook = outlooks(trial, step, last, sign, minimumReports);
    if (outlook === undefined) return undefined;
    const known = completed.slice(-mostOutcomes).flatMap((other): readonly KnownOutcome[] => {
      const final = other.values?.[0] ?? other.value;
      if (final === undefined || !Number.isFinite(final)) return [];
      const seen = outlooks(other, step, last, sign, fewestReports);
      return seen === undefined ? [] : [{ outlook: seen, loss: sign * final }];
    });
    const seen = known.length === 0 ? { ...outlook, error: 1 } : calibrate(outlook, known);
    const numbers = { step, horizon: last, best: best.number, value, outcomes: known.length, error: seen.error };
    return { ...numbers, probability: seen.below(sign * value), forecast: sign * seen.mean };
  };
}

/** Forecasts are corrected by so many completed trials at most, the newest. */
const mostOutcomes = 64;
/** A completed curve with fewer up to the step in question says nothing of forecasts there. */
const fewestReports = 3;

/** What a trial's curve up to a step says of the horizon; `undefined` with fewer finite reports than `fewest`. What was computed for the same reports is kept. */
function keptOutlooks(): (
  trial: Trial,
  step: number,
  horizon: number,
  sign: 1 | -1,
  fewest: number,
) => Outlook | undefined {
  const kept = new WeakMap<Trial["intermediates"], Map<string, Outlook>>();
  return ({ intermediates }, step, horizon, sign, fewest) => {
    const reports = intermediates.filter(([at, reported]) => at <= step && Number.isFinite(reported));
    if (reports.length < fewest) return undefined;
    const known = kept.get(intermediates) ?? new Map<string, Outlook>();
    kept.set(intermediates, known);
    const key = `${sign}/${horizon}/${step}/${reports.length}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    // A step of 0 is the first: shapes are of steps above 0.
    const first = intermediates[0]?.[0] ?? 1;
    const offset = first < 1 ? 1 - first : 0;
    const curve = { steps: reports.map(([at]) => at + offset), losses: reports.map(([, value]) => sign * value) };
    const outlook = outlookOf(curve, horizon + offset);
    known.set(key, outlook);
    return outlook;
  };
}

const furthest = (completed: readonly Trial[]): number | undefined => {
  const steps = completed.flatMap(({ intermediates }) => intermediates.at(-1)?.[0] ?? []);
  return steps.length === 0 ? undefined : Math.max(...steps);
};
