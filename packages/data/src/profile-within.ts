import { type Clock, createRandom, type Dataset, systemClock } from "@millwright/contracts";
import { createProfiler, type Profile, type ProfileOptions } from "./profile.ts";
import { createRowSampler } from "./row-sampler.ts";
import { sliceBatch } from "./rows.ts";

/** What profiling may cost. `rows` or `timeMs` is needed; with both, the one that is reached first counts. */
export interface ProfileBudget {
  /** Most rows that are profiled. All rows are still read. */
  readonly rows?: number | undefined;
  /** Most milliseconds from the call to the result: up to four fifths of them for reading, the rest for profiling. */
  readonly timeMs?: number | undefined;
  /** Most values (rows times columns) held in memory where `rows` is not given; the sample has no more. Default: 8,000,000. */
  readonly values?: number | undefined;
}

export interface ProfileProgress {
  /** Rows that were read. */
  readonly seenRows: number;
  /** Rows that were profiled, which begins when reading has ended. */
  readonly sampledRows: number;
}

export interface ProfileWithinOptions extends ProfileOptions {
  readonly budget: ProfileBudget;
  /** Probability that all bounds hold at one time, in (0, 1). Default: 0.99. */
  readonly confidence?: number | undefined;
  /** Another seed takes other rows. Default: 0. */
  readonly seed?: number | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Called many times a second. Default: nobody is told. */
  readonly progress?: ((progress: ProfileProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far a number of the sample may be from that of all rows read; 0 where all were profiled, 1 where nothing is known. */
export interface SampleBound {
  /** For the share of rows that are null. */
  readonly missingShare: number;
  /** For the share of values at most any number or text; for the share of a single text, at most twice this. */
  readonly rank: number;
}

export interface SampledProfile extends ProfileProgress {
  /** The profile of the sampled rows: `rows` and counts are of the sample. */
  readonly profile: Profile;
  /** False where time ran out before the last row: then the bounds are about the rows read, and nothing is known of the others. */
  readonly reachedEnd: boolean;
  readonly confidence: number;
  /** By column. Means, extremes and distinct values of a sample have no bound: a single row that is not in it may move them at will. */
  readonly bounds: Readonly<Record<string, SampleBound>>;
  readonly elapsedMs: number;
}

/** Values at one go: few enough that time is looked at often, many enough that the looking costs nothing. */
const goValues = 100_000;
/** Shares of the time by which reading and profiling have ended. */
const readUntil = 0.8;
const profileUntil = 0.95;

/**
 * Profiles a dataset within a budget: where it does not reach for all rows, a sample in which every row is with the same probability, with the bound of
 * what that can be off. First the rows are read and drawn, then those that were drawn are profiled in random order, until they or the time have run out.
 * Throws a RangeError for a budget or a confidence out of range.
 */
export async function profileWithin(dataset: Dataset, options: ProfileWithinOptions): Promise<SampledProfile> {
  const { budget, confidence = 0.99, seed = 0, clock = systemClock, progress, signal, ...profiling } = options;
  checkBudget(budget, confidence);
  const { schema } = dataset;
  const started = clock.monotonicMs();
  const elapsedMs = (): number => clock.monotonicMs() - started;
  const limitMs = budget.timeMs ?? Number.POSITIVE_INFINITY;
  const width = Math.max(1, schema.length);
  const goRows = Math.ceil(goValues / width);
  const maxRows = Math.floor(budget.rows ?? Math.max(1, (budget.values ?? 8_000_000) / width));
  const random = createRandom(seed);
  const sampler = createRowSampler({ maxRows, share: firstShare(maxRows, dataset.rows), random, schema });
  let seenRows = 0;
  let reachedEnd = true;
  for await (const batch of dataset.batches({ batchRows: goRows, signal })) {
    if (elapsedMs() > limitMs * readUntil) {
      reachedEnd = false;
      break;
    }
    sampler.update(batch);
    seenRows += batch.length;
    progress?.({ seenRows, sampledRows: 0 });
  }
  const profiler = createProfiler(schema, profiling);
  const sample = sampler.shuffled();
  for (let start = 0; start < sample.length; start += goRows) {
    signal?.throwIfAborted();
    if (start > 0 && elapsedMs() > limitMs * profileUntil) break;
    profiler.update(sliceBatch(sample, start, start + goRows));
    progress?.({ seenRows, sampledRows: Math.min(sample.length, start + goRows) });
  }
  const profile = profiler.profile();
  const bounds = boundsOf(profile, seenRows, confidence);
  return { profile, seenRows, sampledRows: profile.rows, reachedEnd, confidence, bounds, elapsedMs: elapsedMs() };
}

function checkBudget({ rows, timeMs, values = 1 }: ProfileBudget, confidence: number): void {
  if (rows === undefined && timeMs === undefined) throw new RangeError("The budget needs `rows` or `timeMs`.");
  if (rows !== undefined && !(rows >= 1)) throw new RangeError(`budget.rows must be at least 1, not ${rows}.`);
  if (timeMs !== undefined && !(timeMs > 0)) throw new RangeError(`budget.timeMs must be above 0, not ${timeMs}.`);
  if (!(values >= 1)) throw new RangeError(`budget.values must be at least 1, not ${values}.`);
  if (!(confidence > 0 && confidence < 1))
    throw new RangeError(`The confidence must be between 0 and 1, not ${confidence}.`);
}

/** Three standard deviations below what would fill the sample, so that the draw seldom goes over it and is halved. */
function firstShare(maxRows: number, rows: number | undefined): number {
  if (rows === undefined || rows <= maxRows) return 1;
  return Math.max(maxRows - 3 * Math.sqrt(maxRows), maxRows / 2) / rows;
}

/**
 * Dvoretzky, Kiefer and Wolfowitz with the constant of Massart (1990) for ranks, Hoeffding (1963) for the missing share; rows drawn without replacement
 * are no further off (Hoeffding, section 6). The risk is shared among the columns, so that all bounds hold at one time.
 */
function boundsOf(profile: Profile, seenRows: number, confidence: number): Record<string, SampleBound> {
  const columns = Object.entries(profile.columns);
  const risk = (1 - confidence) / (2 * columns.length);
  const within = (rows: number): number =>
    profile.rows === seenRows ? 0 : rows === 0 ? 1 : Math.min(1, Math.sqrt(Math.log(2 / risk) / (2 * rows)));
  return Object.fromEntries(
    columns.map(([name, { count }]) => [name, { missingShare: within(profile.rows), rank: within(count) }]),
  );
}
