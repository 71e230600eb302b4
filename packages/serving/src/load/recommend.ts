import {
  type CallOptions,
  type Clock,
  type JsonValue,
  type Random,
  createRandom,
  systemClock,
} from "@millwright/contracts";
import { type Arrivals, poissonArrivals } from "./arrivals.ts";
import type { LatencySummary } from "./latencies.ts";
import { type LoadTarget, runLoad } from "./run-load.ts";

/** A way to serve: so many workers, batches, threads, this precision, that runtime. */
export interface Candidate {
  readonly name: string;
  readonly settings: Readonly<Record<string, JsonValue>>;
  /** In whatever currency all candidates share. At least 0. */
  readonly costPerHour: number;
}

export interface RecommendOptions extends CallOptions {
  readonly candidates: readonly Candidate[];
  /** Makes a candidate ready to be asked; it is closed before the next one is opened. */
  open(
    candidate: Candidate,
    options: CallOptions,
  ): Promise<{ readonly target: LoadTarget; close?(): Promise<void> | void }>;
  /** Latencies, from when requests are due, that count as served. `percentile` between 0 and 1. */
  readonly objective: { readonly percentile: 0.5 | 0.9 | 0.95 | 0.99 | 0.999; readonly ms: number };
  /** Failed requests, as a share, that are still served. Default: 0. */
  readonly maxFailedShare?: number | undefined;
  /** Rates to look among, requests a second; the search ends when the bounds are within `precision` of each other. Default of `precision`: 0.02. */
  readonly rates: { readonly from: number; readonly to: number; readonly precision?: number | undefined };
  /** How long one rate is tried, milliseconds. Default: 20,000, of which the first tenth warms up. */
  readonly probeMs?: number | undefined;
  readonly warmUpMs?: number | undefined;
  /** Longest time that a candidate may need to answer in time again after a rate that was too high, milliseconds. Default: 60,000. */
  readonly settleMs?: number | undefined;
  /** Default: Poisson. */
  readonly arrivals?: ((ratePerSecond: number) => Arrivals) | undefined;
  readonly random?: Random | undefined;
  readonly clock?: Clock | undefined;
  /** Told after each rate that was tried. */
  readonly onProbe?: ((candidate: Candidate, probe: Probe) => void) | undefined;
}

/** One rate, tried. */
export interface Probe {
  readonly ratePerSecond: number;
  readonly met: boolean;
  readonly failedShare: number;
  readonly answeredPerSecond: number;
  readonly latencyMs: LatencySummary;
}

export interface CandidateResult {
  readonly candidate: Candidate;
  /** The highest rate that met the objective, requests a second; 0 where none did. */
  readonly maxRatePerSecond: number;
  /** At that rate, all of the time. Infinity where there is none. */
  readonly costPerMillion: number;
  /** At the lowest rate that was tried. */
  readonly lightLatencyMs: LatencySummary | undefined;
  /** At the highest rate that met the objective. */
  readonly latencyMs: LatencySummary | undefined;
  readonly probes: readonly Probe[];
  /** Why it could not be tried to the end. */
  readonly error?: string | undefined;
}

export interface Recommendation {
  /** In the order of `candidates`. */
  readonly results: readonly CandidateResult[];
  /** Results that no other one beats in cost, light p99 and rate at once, the cheapest first. */
  readonly pareto: readonly CandidateResult[];
  /** The cheapest for a million requests among those that met the objective. */
  readonly cheapest: CandidateResult | undefined;
  /** The one that served the most. */
  readonly fastest: CandidateResult | undefined;
}

const neverAborted = new AbortController().signal;

/**
 * Finds for each candidate the highest rate it serves within the objective, by open-loop load: the rate doubles until it fails, then the bounds close in by
 * halves of their ratio. A candidate that cannot be opened is reported with its reason; the others go on.
 */
export async function recommendEndpoint(options: RecommendOptions): Promise<Recommendation> {
  checkOptions(options);
  const results: CandidateResult[] = [];
  for (const candidate of options.candidates) {
    options.signal?.throwIfAborted();
    results.push(await tryCandidate(options, candidate));
  }
  const served = results.filter(({ maxRatePerSecond }) => maxRatePerSecond > 0);
  const pareto = served
    .filter((each) => !served.some((other) => other !== each && dominates(other, each)))
    .toSorted((left, right) => left.costPerMillion - right.costPerMillion);
  const best = (better: (left: CandidateResult, right: CandidateResult) => boolean): CandidateResult | undefined =>
    served.reduce<CandidateResult | undefined>(
      (found, each) => (found === undefined || better(each, found) ? each : found),
      undefined,
    );
  return {
    results,
    pareto,
    cheapest: best((left, right) => left.costPerMillion < right.costPerMillion),
    fastest: best((left, right) => left.maxRatePerSecond > right.maxRatePerSecond),
  };
}

/** Every combination of the settings. */
export function candidateGrid(
  settings: Readonly<Record<string, readonly JsonValue[]>>,
  costPerHour: (settings: Readonly<Record<string, JsonValue>>) => number,
): readonly Candidate[] {
  const combinations = Object.entries(settings).reduce<readonly Readonly<Record<string, JsonValue>>[]>(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
  return combinations.map((each) => ({
    name: Object.entries(each)
      .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
      .join(" "),
    settings: each,
    costPerHour: costPerHour(each),
  }));
}

/** Invocations a minute for one instance that SageMaker's autoscaling should aim at: `MAX_RPS × SAFETY_FACTOR × 60`, whose factor AWS recommends as 0.5. */
export const invocationsPerInstance = (maxRatePerSecond: number, safetyFactor = 0.5): number =>
  Math.floor(maxRatePerSecond * safetyFactor * 60);

function checkOptions({ candidates, objective, rates, probeMs = 1, maxFailedShare = 0 }: RecommendOptions): void {
  if (candidates.length === 0) throw new RangeError("A recommendation needs at least one candidate.");
  for (const { name, costPerHour } of candidates)
    if (!(costPerHour >= 0)) throw new RangeError(`costPerHour of "${name}" must be at least 0, not ${costPerHour}.`);
  if (!(objective.ms > 0)) throw new RangeError(`objective.ms must be above 0, not ${objective.ms}.`);
  if (!(rates.from > 0 && rates.to >= rates.from && Number.isFinite(rates.to)))
    throw new RangeError(`rates must be 0 < from ≤ to, not ${rates.from} and ${rates.to}.`);
  if (!((rates.precision ?? 0.02) > 0))
    throw new RangeError(`rates.precision must be above 0, not ${rates.precision}.`);
  if (!(probeMs > 0)) throw new RangeError(`probeMs must be above 0, not ${probeMs}.`);
  if (!(maxFailedShare >= 0 && maxFailedShare < 1))
    throw new RangeError(`maxFailedShare must be at least 0 and less than 1, not ${maxFailedShare}.`);
}

async function tryCandidate(options: RecommendOptions, candidate: Candidate): Promise<CandidateResult> {
  const probes: Probe[] = [];
  let error: string | undefined;
  try {
    const opened = await options.open(candidate, { signal: options.signal });
    try {
      await search(options, async (ratePerSecond) => {
        // What a rate beyond its strength left in its queues must not count against the next one.
        if (probes.at(-1)?.met === false) await settle(options, opened.target);
        const probe = await tryRate(options, opened.target, ratePerSecond);
        probes.push(probe);
        options.onProbe?.(candidate, probe);
        return probe.met;
      });
    } finally {
      await opened.close?.();
    }
  } catch (problem) {
    options.signal?.throwIfAborted();
    error = problem instanceof Error ? problem.message : String(problem);
  }
  const met = probes.filter((probe) => probe.met);
  const best = met.toSorted((left, right) => right.ratePerSecond - left.ratePerSecond)[0];
  const maxRatePerSecond = best?.ratePerSecond ?? 0;
  return {
    candidate,
    maxRatePerSecond,
    costPerMillion:
      maxRatePerSecond === 0 ? Number.POSITIVE_INFINITY : (candidate.costPerHour * 1e6) / (maxRatePerSecond * 3600),
    lightLatencyMs: probes[0]?.latencyMs,
    latencyMs: best?.latencyMs,
    probes,
    ...(error === undefined ? {} : { error }),
  };
}

/** Asks `met` of rates until the highest that is met is known within the precision. */
async function search({ rates }: RecommendOptions, met: (ratePerSecond: number) => Promise<boolean>): Promise<void> {
  const { from, to, precision = 0.02 } = rates;
  if (!(await met(from))) return;
  let low = from;
  let high = Math.min(to, from * 2);
  while (high > low && (await met(high))) {
    low = high;
    high = Math.min(to, high * 2);
  }
  while (high / low > 1 + precision) {
    const between = Math.sqrt(low * high);
    if (await met(between)) low = between;
    else high = between;
  }
}

/** Asks one thing after another until three answers in a row are in time. Throws a RangeError where that takes too long. */
async function settle(options: RecommendOptions, target: LoadTarget): Promise<void> {
  const { objective, settleMs = 60_000, clock = systemClock, signal = neverAborted } = options;
  const startMs = clock.monotonicMs();
  for (let inTime = 0, index = 0; inTime < 3; index += 1) {
    const askedMs = clock.monotonicMs();
    if (askedMs - startMs > settleMs)
      throw new RangeError(
        `It did not answer within ${objective.ms} ms again for ${settleMs} ms after too high a rate.`,
      );
    const failed = await target(index, { signal }).then(
      ({ failure }) => failure !== undefined,
      () => true,
    );
    signal.throwIfAborted();
    inTime = !failed && clock.monotonicMs() - askedMs <= objective.ms ? inTime + 1 : 0;
    if (inTime === 0) await clock.sleep(objective.ms / 10, { signal });
  }
}

async function tryRate(options: RecommendOptions, target: LoadTarget, ratePerSecond: number): Promise<Probe> {
  const { objective, maxFailedShare = 0, probeMs = 20_000, warmUpMs = probeMs / 10, clock, signal } = options;
  const { arrivals = poissonArrivals, random = createRandom(0) } = options;
  const report = await runLoad({
    target,
    arrivals: arrivals(ratePerSecond),
    durationMs: probeMs + warmUpMs,
    warmUpMs,
    timeoutMs: Math.max(1000, objective.ms * 10),
    random: random.fork(ratePerSecond),
    clock,
    signal,
  });
  const { due, failed, answeredPerSecond, latencyMs } = report;
  const failedShare = due === 0 ? 0 : failed / due;
  const reached = percentileOf(latencyMs, objective.percentile);
  return {
    ratePerSecond,
    met: latencyMs.count > 0 && failedShare <= maxFailedShare && reached <= objective.ms,
    failedShare,
    answeredPerSecond,
    latencyMs,
  };
}

function percentileOf(latencyMs: LatencySummary, percentile: RecommendOptions["objective"]["percentile"]): number {
  const names = { 0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99", 0.999: "p999" } as const;
  return latencyMs[names[percentile]];
}

function dominates(left: CandidateResult, right: CandidateResult): boolean {
  const measures = ({ costPerMillion, lightLatencyMs, maxRatePerSecond }: CandidateResult): readonly number[] => [
    costPerMillion,
    lightLatencyMs?.p99 ?? Number.POSITIVE_INFINITY,
    -maxRatePerSecond,
  ];
  const others = measures(right);
  const pairs = measures(left).map((value, at) => value - (others[at] ?? 0));
  return pairs.every((difference) => difference <= 0) && pairs.some((difference) => difference < 0);
}
