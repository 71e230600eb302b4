import { decideScaling, startScaling } from "./decide-scaling.ts";
import type { ScalingOptions } from "./scaling-policy.ts";

export interface SimulationOptions {
  /** Requests per second that a worker can answer. */
  readonly workerRatePerSecond: number;
  /** How long a worker needs to come up. Default: 5,000. */
  readonly startMs?: number | undefined;
  /** How long an answer takes where nobody waits. Default: 1000 / `workerRatePerSecond`. */
  readonly serviceMs?: number | undefined;
  /** How long an answer may take. Default: five times `serviceMs`. */
  readonly objectiveMs?: number | undefined;
  /** How often the scaler decides. Default: 10,000. */
  readonly everyMs?: number | undefined;
  /** Workers at the start. Default: `min`. */
  readonly workers?: number | undefined;
}

export interface SimulationReport {
  /** At each decision. */
  readonly steps: readonly {
    readonly timeMs: number;
    readonly ratePerSecond: number;
    readonly workers: number;
    readonly ready: number;
    readonly backlog: number;
    readonly latencyMs: number;
  }[];
  readonly scaleOuts: number;
  readonly scaleIns: number;
  /** How often a change went the other way than the one before. */
  readonly oscillations: number;
  /** The part of the requests that was answered within the objective, from 0 to 1. */
  readonly withinObjective: number;
  readonly workerHours: number;
  readonly mostWorkers: number;
}

const tickMs = 1_000;

/**
 * Replays a load against scaling policies before they are applied: a fluid queue, whose answers wait for the backlog before them. `load` gives the requests per
 * second from a time on, in order of time; the last entry ends it. Throws `RangeError` for options out of range.
 */
export function simulateScaling(
  options: ScalingOptions,
  load: readonly { readonly timeMs: number; readonly ratePerSecond: number }[],
  simulation: SimulationOptions,
): SimulationReport {
  const { workerRatePerSecond: rate, startMs = 5_000, everyMs = 10_000 } = simulation;
  const { serviceMs = 1_000 / rate, objectiveMs = 5 * serviceMs } = simulation;
  if (!(rate > 0 && Number.isFinite(rate)))
    throw new RangeError(`workerRatePerSecond must be above 0, not ${String(rate)}.`);
  if (!(everyMs > 0 && startMs >= 0)) throw new RangeError("everyMs must be above 0 and startMs at least 0.");
  const [first, ...others] = load;
  const last = others.at(-1);
  if (first === undefined || last === undefined)
    throw new RangeError("A load needs at least two entries: its start and its end.");
  let state = startScaling(simulation.workers ?? options.min ?? 1);
  let starting: readonly number[] = [];
  let ready = state.workers;
  let backlog = 0;
  let at = 0;
  let arrivedSince = 0;
  let busySince = 0;
  const sums = { arrived: 0, within: 0, workerMs: 0 };
  const steps: SimulationReport["steps"][number][] = [];
  for (let timeMs = first.timeMs; timeMs < last.timeMs; timeMs += tickMs) {
    while ((load[at + 1]?.timeMs ?? Infinity) <= timeMs) at += 1;
    const ratePerSecond = load[at]?.ratePerSecond ?? 0;
    ready += starting.filter((readyMs) => readyMs <= timeMs).length;
    starting = starting.filter((readyMs) => readyMs > timeMs);
    const capacity = (ready * rate * tickMs) / 1_000;
    const arrived = (ratePerSecond * tickMs) / 1_000;
    const latencyMs = serviceMs + (backlog / (ready * rate)) * 1_000;
    const served = Math.min(capacity, backlog + arrived);
    backlog += arrived - served;
    sums.arrived += arrived;
    if (latencyMs <= objectiveMs) sums.within += arrived;
    sums.workerMs += (ready + starting.length) * tickMs;
    arrivedSince += arrived;
    busySince += (served / rate) * 1_000;
    if ((timeMs - first.timeMs) % everyMs !== 0 || timeMs === first.timeMs) continue;
    const minutes = everyMs / 60_000;
    const metrics = {
      invocationsPerInstance: arrivedSince / minutes / state.workers,
      concurrencyPerInstance: (busySince / everyMs + backlog) / state.workers,
      queuePerInstance: backlog / state.workers,
    };
    arrivedSince = 0;
    busySince = 0;
    const before = state.workers;
    ({ state } = decideScaling(options, state, { timeMs, metrics }));
    if (state.workers > before)
      starting = [...starting, ...Array.from({ length: state.workers - before }, () => timeMs + startMs)];
    // Those that are still coming up are the first to go.
    const given = Math.max(0, before - state.workers);
    const unborn = Math.min(given, starting.length);
    starting = starting.slice(0, starting.length - unborn);
    ready -= given - unborn;
    steps.push({ timeMs, ratePerSecond, workers: state.workers, ready, backlog, latencyMs });
  }
  return { ...changesOf(steps, simulation.workers ?? options.min ?? 1), steps, ...totals(sums) };
}

const totals = (sums: { readonly arrived: number; readonly within: number; readonly workerMs: number }) => ({
  withinObjective: sums.arrived === 0 ? 1 : sums.within / sums.arrived,
  workerHours: sums.workerMs / 3_600_000,
});

function changesOf(steps: SimulationReport["steps"], start: number) {
  let before = start;
  let direction = 0;
  const counts = { scaleOuts: 0, scaleIns: 0, oscillations: 0, mostWorkers: start };
  for (const { workers } of steps) {
    counts.mostWorkers = Math.max(counts.mostWorkers, workers);
    const way = Math.sign(workers - before);
    before = workers;
    if (way === 0) continue;
    if (way > 0) counts.scaleOuts += 1;
    else counts.scaleIns += 1;
    if (direction !== 0 && way !== direction) counts.oscillations += 1;
    direction = way;
  }
  return counts;
}
