import { isFeasible, violationOf } from "../outcome.ts";
import type { Direction, SuggestContext, Trial } from "../trial.ts";

/** Compared entry by entry, less is better. */
type Key = readonly number[];

/**
 * The trials, best first: completed and feasible by value (of several objectives, by how many of these trials dominate it, then by the sum of its ranks),
 * infeasible by violation, pruned by how far they got and their last value, failed; the earlier of equals first.
 */
export function rankTrials(
  trials: readonly Trial[],
  { direction, directions = [direction] }: SuggestContext,
): readonly Trial[] {
  const losses = new Map(trials.map((trial) => [trial, lossesOf(trial, directions)]));
  const keyed = trials.map((trial) => ({ trial, key: keyOf(trial, losses, directions) }));
  return keyed.sort((a, b) => compareKeys(a.key, b.key) || a.trial.number - b.trial.number).map(({ trial }) => trial);
}

type Losses = ReadonlyMap<Trial, readonly number[] | undefined>;

function keyOf(trial: Trial, losses: Losses, directions: readonly Direction[]): Key {
  const own = losses.get(trial);
  if (own !== undefined && isFeasible(trial)) return [0, ...(own.length === 1 ? own : dominationKey(own, losses))];
  if (own !== undefined) return [1, violationOf(trial)];
  const last = trial.state === "pruned" ? trial.intermediates.at(-1) : undefined;
  if (last === undefined || Number.isNaN(last[1])) return [3];
  return [2, -last[0], directions[0] === "maximize" ? -last[1] : last[1]];
}

function dominationKey(own: readonly number[], losses: Losses): Key {
  let dominating = 0;
  let rank = 0;
  for (const other of losses.values()) {
    if (other === undefined) continue;
    const better = own.map((loss, index) => Math.sign(loss - (other[index] as number)));
    if (better.some((sign) => sign > 0) && !better.some((sign) => sign < 0)) dominating += 1;
    rank += better.filter((sign) => sign > 0).length;
  }
  return [dominating, rank];
}

/** Every objective to be minimised; `undefined` where the trial did not complete. */
export function lossesOf(trial: Trial, directions: readonly Direction[]): readonly number[] | undefined {
  if (trial.state !== "completed") return undefined;
  const values = trial.values ?? (trial.value === undefined ? undefined : [trial.value]);
  if (values === undefined || values.some(Number.isNaN)) return undefined;
  return values.map((value, index) => (directions[index] === "maximize" ? -value : value));
}

function compareKeys(a: Key, b: Key): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
