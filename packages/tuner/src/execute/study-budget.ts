import { type Amount, budgetExhausted } from "@millwright/contracts";
import type { Decision } from "../decider.ts";
import type { JournalEntry } from "../journal.ts";
import type { Params, Space } from "../space.ts";
import type { EngineContext } from "../study/context.ts";
import { knownTrial, runningTrial } from "../study/context.ts";
import type { Trial } from "../trial.ts";
import { minus, plus, times } from "./amounts.ts";
import { learnCosts } from "./cost-model.ts";
import type { TrialSpending } from "./spending-ledger.ts";

/** What a trial is expected to cost; pure. */
export type TrialCost = Amount | ((params: Params, trials: readonly Trial[]) => Amount);

/** What all trials of a study may spend. */
export interface StudyBudget {
  readonly limits: Amount;
  /** Default: learnt from the trials that ended. */
  readonly trialCost: TrialCost | undefined;
}

/** Sums of decimal fractions differ from the limit in the last bits. */
const rest = 1e-9;

/** What is neither spent nor set aside, by unit; below 0 where more was spent than there was. */
export function leftOf(limits: Amount, trials: readonly Trial[]): Record<string, number> {
  const left: Record<string, number> = { ...limits };
  for (const { cost, reserved, added, cachedFrom } of trials) {
    // What was added or taken from another trial cost nothing here.
    if (added !== undefined || cachedFrom !== undefined) continue;
    for (const unit of Object.keys(limits))
      left[unit] = (left[unit] as number) - (cost?.[unit] ?? 0) - (reserved?.[unit] ?? 0);
  }
  return left;
}

export interface Beginning {
  readonly space: Space;
  readonly trials: readonly Trial[];
  readonly params: Params;
  /** What the trial has spent in earlier attempts. */
  readonly cost: Amount | undefined;
  /** The greatest that one of its steps took. */
  readonly largest: Amount;
}

/**
 * What is set aside for a trial before it begins. While nothing is known of costs that is all there is, so that the first trial runs alone.
 * Throws `PORT_BUDGET_EXHAUSTED`.
 */
export function reserveFor(
  { limits, trialCost }: StudyBudget,
  { space, trials, params, cost, largest }: Beginning,
): Amount {
  const left = leftOf(limits, trials);
  const whole =
    typeof trialCost === "function"
      ? trialCost(params, trials)
      : (trialCost ?? learnCosts(space, trials).predict(params)?.high);
  const reserved: Record<string, number> = {};
  for (const [unit, limit] of Object.entries(limits)) {
    const free = left[unit] as number;
    const known = whole?.[unit];
    // A trial that goes on needs the rest; what it spent before says little once it has spent more than was expected.
    const asked =
      known === undefined ? limit : Math.max(known - (cost?.[unit] ?? 0), known / 4, 2 * (largest[unit] ?? 0));
    const isKnown = known !== undefined || trials.some((trial) => trial.state === "running");
    if (free <= limit * rest || (isKnown && asked > free + limit * rest))
      throw budgetExhausted(unit, asked, Math.max(0, free));
    reserved[unit] = Math.min(asked, free);
  }
  return reserved;
}

/** The entries, with what is set aside in the one that begins a trial. @param lost Trials whose workers died. Throws `PORT_BUDGET_EXHAUSTED`. */
export function reserveForBegin(
  { budget, space, state }: EngineContext,
  entries: readonly JournalEntry[],
  lost: readonly Trial[],
): readonly JournalEntry[] {
  const begin = entries.find((entry) => entry.kind === "begin");
  if (budget === undefined || begin === undefined) return entries;
  const trials = state.trials.map((trial): Trial => {
    if (!lost.includes(trial)) return trial;
    const cost = plus(trial.cost, lostOf(trial, state.spending(trial.number)));
    return { ...trial, state: "waiting", cost, reserved: undefined };
  });
  const { number } = begin;
  const made = entries.flatMap((entry) =>
    (entry.kind === "trial" || entry.kind === "params") && entry.number === number ? [entry.params] : [],
  );
  const params = Object.assign({}, trials[number]?.params, ...made) as Params;
  const { largest } = state.spending(number);
  const reserved = reserveFor(budget, { space, trials, params, cost: trials[number]?.cost, largest });
  return entries.map((entry) => (entry === begin ? { ...entry, reserved } : entry));
}

/** What a trial whose worker died may have spent unseen: at most what was set aside, and of what is counted in steps no more than twice the greatest. */
export function lostOf({ reserved }: Trial, { largest }: TrialSpending): Amount | undefined {
  if (reserved === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(reserved).map(([unit, held]) => [unit, Math.min(held, 2 * (largest[unit] ?? held))]),
  );
}

/** Spending of a running trial. */
export interface Spend {
  readonly amount: Amount;
  /** What must be set aside for it after that. Default: nothing. */
  readonly need?: Amount | undefined;
  /** Units of which less than `need` will do, as long as it is more than nothing. Default: none. */
  readonly partly?: readonly string[] | undefined;
  /** It is spent already: counted, covered or not. Otherwise nothing is written where it is not covered. */
  readonly happened: boolean;
}

export interface SpendOutcome {
  /** Whether the amount was there, and is there for what is needed next. */
  readonly covered: boolean;
  readonly reserved: Amount;
  readonly left: Amount;
  /** Whether the trial has come as far as any that is completed: it will hardly take another step. */
  readonly isAtEnd: boolean;
}

export function decideSpend(
  context: EngineContext,
  number: number,
  spend: Spend,
  attempt: number | undefined,
): Decision<SpendOutcome> {
  const { state, clock, budget } = context;
  runningTrial(context, number, attempt);
  const { amount, happened } = spend;
  const limits = budget?.limits ?? {};
  const held = knownTrial(context, number).reserved ?? {};
  const atEnd = isAtEnd(state.trials, number);
  const { covered, reserved } = coverage(limits, leftOf(limits, state.trials), held, spend);
  const outcome = (trials: readonly Trial[]): SpendOutcome => ({
    covered,
    reserved: trials[number]?.reserved ?? {},
    left: minus(leftOf(limits, trials)),
    isAtEnd: atEnd,
  });
  if (!covered && !happened) return { entries: [], result: outcome };
  const kept = covered ? reserved : minus(held, amount);
  return { entries: [{ kind: "spend", number, amount, reserved: kept, timeMs: clock.nowMs() }], result: outcome };
}

function isAtEnd(trials: readonly Trial[], number: number): boolean {
  const step = trials[number]?.intermediates.at(-1)?.[0];
  const lasts = trials.flatMap(({ state, intermediates }) =>
    state === "completed" ? (intermediates.at(-1)?.[0] ?? []) : [],
  );
  return step !== undefined && lasts.length > 0 && step === Math.max(...lasts);
}

/** Pure. @param held What is set aside for the trial. @param left What is nobody's. */
export function coverage(
  limits: Amount,
  left: Amount,
  held: Amount,
  { amount, need = {}, partly = [] }: Spend,
): { readonly covered: boolean; readonly reserved: Amount } {
  const reserved: Record<string, number> = {};
  let covered = true;
  for (const [unit, limit] of Object.entries(limits)) {
    const after = (held[unit] ?? 0) - (amount[unit] ?? 0);
    const free = (left[unit] ?? 0) + Math.min(0, after);
    const kept = Math.max(0, after);
    const missing = Math.max(0, (need[unit] ?? 0) - kept);
    const isPart = partly.includes(unit) && kept + Math.max(0, free) > limit * rest;
    if (free < -limit * rest || (missing > free + limit * rest && !isPart)) covered = false;
    reserved[unit] = kept + Math.max(0, Math.min(missing, free));
  }
  return { covered, reserved };
}

/** What must be set aside for the next step: twice the greatest so far. */
export const needAfter = (largest: Amount): Amount => times(largest, 2);
