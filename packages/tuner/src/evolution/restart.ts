import type { Random } from "@millwright/contracts";
import type { SearchState } from "./layout.ts";
import type { Run, RunStart } from "./runs.ts";

export interface StopRules {
  /** Best and worst loss of each generation so far, oldest first; of pruned and failed trials none. */
  readonly ranges: readonly (readonly [best: number, worst: number])[];
  readonly population: number;
  /** Axes without levels. */
  readonly continuous: readonly number[];
  /** Whether all of the last generation stood for the same parameters. */
  readonly uniform: boolean;
}

/**
 * Why a run has nothing more to find, after the criteria of Auger and Hansen, "A Restart CMA Evolution Strategy with Increasing Population Size",
 * CEC 2005, section 2.1; `undefined` while it goes on.
 */
export function stopReason(
  { gaussian, stretch }: SearchState,
  { ranges, population, continuous, uniform }: StopRules,
): string | undefined {
  const n = gaussian.mean.length;
  if (n === 0) return uniform ? "all choices agree" : undefined;
  const { values } = gaussian.eigen;
  const longest = gaussian.sigma * Math.sqrt(Math.max(...values));
  if (!Number.isFinite(longest) || longest > 1e4) return "diverged";
  if (Math.max(...values) > 1e14 * Math.min(...values)) return "condition number above 1e14";
  const narrow = continuous.every(
    (axis) =>
      gaussian.sigma * (stretch[axis] as number) * Math.sqrt(gaussian.covariance[axis * n + axis] as number) < 1e-8,
  );
  if (continuous.length > 0 && narrow) return "narrower than 1e-8";
  if (continuous.length === 0 && uniform) return "all levels agree";
  const window = 10 + Math.ceil((30 * n) / population);
  const recent = ranges.slice(-window);
  if (recent.length < window) return undefined;
  const low = Math.min(...recent.map(([best]) => best));
  const high = Math.max(...recent.map(([, worst]) => worst));
  // Values have no scale of their own but that of the run.
  const first = Math.max(...ranges.map(([, worst]) => worst));
  return high - low <= 1e-9 * (first - low) ? "no change of values" : undefined;
}

export interface RestartOptions {
  readonly policy: "bipop" | "ipop";
  readonly population: number;
  readonly sigma: number;
  readonly axes: number;
}

/**
 * The start of the next run, anywhere in the cube. IPOP doubles the population each time (Auger and Hansen, CEC 2005); BIPOP has small runs with narrow
 * starts take as many trials as the doubling ones (Hansen, "Benchmarking a BI-Population CMA-ES on the BBOB-2009 Function Testbed").
 */
export function nextStart(
  runs: readonly Run[],
  { policy, population, sigma, axes }: RestartOptions,
  random: Random,
): RunStart {
  const start = Array.from({ length: axes }, () => random.next());
  const spent = (regime: RunStart["regime"]): number =>
    runs
      .filter((run) => run.index > 0 && run.start.regime === regime)
      .reduce((total, { own }) => total + own.length, 0);
  const doublings = runs.filter((run) => run.start.regime === "large").length;
  const large = population * 2 ** doublings;
  if (policy === "ipop" || runs.length < 2 || spent("large") <= spent("small"))
    return { population: large, sigma, start, regime: "large" };
  const before = population * 2 ** (doublings - 1);
  return {
    population: Math.max(population, Math.floor(population * (before / (2 * population)) ** (random.next() ** 2))),
    sigma: sigma * 10 ** (-2 * random.next()),
    start,
    regime: "small",
  };
}
