import type { Random } from "@millwright/contracts";
import { lossOf, violationOf } from "../outcome.ts";
import type { Direction, Trial } from "../trial.ts";

/** One sampler of a portfolio. */
export interface Arm {
  readonly name: string;
  /** How much it is believed in before it has played; above 0. */
  readonly credit: number;
}

/** How a search goes, from the trials of a study with one objective. */
export interface Progress {
  /** Trials that completed or were pruned. */
  readonly finished: number;
  /** Trials finished since one was clearly better than all before it. */
  readonly sinceBetter: number;
  /** Per arm: its clear improvements, each counting half as much every 20 finished trials later. */
  readonly improvements: Readonly<Record<string, number>>;
}

/** An improvement below this share of the losses' middle half is none. */
const clear = 1e-3;
const halfLife = 20;

/** Walks the trials in their order. */
export function progressOf(trials: readonly Trial[], direction: Direction): Progress {
  const finished = trials.filter(({ state }) => state === "completed" || state === "pruned");
  const losses = finished.flatMap((trial) => {
    const loss = trial.state === "completed" && violationOf(trial) === 0 ? lossOf(trial, direction) : undefined;
    return loss === undefined || !Number.isFinite(loss) ? [] : [loss];
  });
  const sorted = losses.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const least = clear * (at(0.75) - at(0.25));
  const improvements: Record<string, number> = {};
  let best = Infinity;
  let sinceBetter = 0;
  for (const [place, trial] of finished.entries()) {
    sinceBetter += 1;
    const loss = trial.state === "completed" && violationOf(trial) === 0 ? lossOf(trial, direction) : undefined;
    if (loss === undefined || !(loss < best)) continue;
    if (loss < best - least) {
      sinceBetter = 0;
      const arm = trial.explanation["arm"];
      const weight = 0.5 ** ((finished.length - 1 - place) / halfLife);
      if (typeof arm === "string") improvements[arm] = (improvements[arm] ?? 0) + weight;
    }
    best = loss;
  }
  return { finished: finished.length, sinceBetter, improvements };
}

/**
 * Whose turn it is. The first arm plays while it gets on; from `patience` trials without a clear improvement the others have a growing share of the turns,
 * up to half of them, each by its credit and its improvements. @param arms The first is the one believed in.
 */
export function chooseArm(
  arms: readonly [Arm, ...Arm[]],
  { sinceBetter, improvements }: Progress,
  patience: number,
  random: Random,
): Arm {
  const [first, ...others] = arms;
  const share = Math.min(0.5, Math.max(0, sinceBetter - patience) / (4 * patience));
  if (others.length === 0 || random.next() >= share) return first;
  const merits = others.map(({ name, credit }) => credit + (improvements[name] ?? 0));
  let left = random.next() * merits.reduce((sum, merit) => sum + merit, 0);
  for (const [index, arm] of others.entries()) {
    left -= merits[index] as number;
    if (left < 0) return arm;
  }
  return others.at(-1) as Arm;
}
