import { type CallOptions, parseModelRef } from "@millwright/contracts";
import { scoreInvalid } from "../errors.ts";
import type { DescribedVersion } from "../models/version-records.ts";
import type { Registry } from "../registry.ts";
import {
  type Interval,
  type Moments,
  type Tally,
  meanInterval,
  momentsOf,
  newcombeInterval,
  welchInterval,
  wilsonInterval,
} from "../statistics/score-intervals.ts";

/** Where a number comes from: measured before release, beside the champion without answering, or in production. */
export type ScoreSetting = "offline" | "shadow" | "online";

/** What was measured. Of `predictions` answers given, labels are known for as many as are counted here. */
export type ScoreSample = (
  | ({ readonly kind: "rate" } & Tally)
  | ({ readonly kind: "mean" } & Moments)
  | { readonly kind: "values"; readonly values: readonly number[] }
) & { readonly predictions?: number | undefined };

export interface ScoreQuestion extends CallOptions {
  readonly name: string;
  readonly version: number;
  readonly metric: string;
  readonly setting: "shadow" | "online";
}

/** Whoever watches production: gives what was measured, or undefined where nothing was. */
export type ScoreReader = (question: ScoreQuestion) => Promise<ScoreSample | undefined>;

export interface ScoreMetric {
  readonly name: string;
  readonly direction: "maximize" | "minimize";
  /** A series of the versions' runs with one value per fold, for an interval of the offline number. Default: the package's metric alone. */
  readonly foldSeries?: string | undefined;
}

export interface ScoreboardOptions extends CallOptions {
  readonly metrics: readonly ScoreMetric[];
  /** Versions that challenge the champion. */
  readonly challengers: readonly number[];
  /** A version, or an alias that means one. Default: the alias `champion`. */
  readonly champion?: number | string | undefined;
  readonly read?: ScoreReader | undefined;
  /** Of the intervals; in (0, 1). Default: 0.95. */
  readonly confidence?: number | undefined;
}

/** A number of a version, with its interval and its difference from the champion's. */
export interface ScoreRow {
  readonly version: number;
  readonly role: "champion" | "challenger";
  readonly metric: string;
  readonly setting: ScoreSetting;
  /** Undefined where nothing was measured. */
  readonly value?: number | undefined;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly method: "wilson" | "student" | "none";
  /** Measurements, or predictions whose label is known. */
  readonly count: number;
  /** Part of the predictions whose label is known, in [0, 1]; undefined where nobody counted the predictions. */
  readonly coverage?: number | undefined;
  /** From the champion's number of the same metric and setting: positive is better. Without an interval where one of the two has none. */
  readonly improvement?:
    | (Pick<Interval, "value"> & Partial<Interval> & { readonly method: "newcombe" | "welch" | "none" })
    | undefined;
  /** What is missing, as a sentence. */
  readonly note?: string | undefined;
}

export interface Scoreboard {
  readonly name: string;
  readonly champion: number;
  readonly confidence: number;
  /** By metric, setting and version, the champion first. */
  readonly rows: readonly ScoreRow[];
}

/** What a scoreboard reads of a registry. */
export type ScoreboardSource = Pick<Registry, "version" | "series">;

/**
 * Champion and challengers side by side: each metric offline, in shadow and online, with intervals (Wilson's of rates, Student's of means), the share of
 * predictions whose label is known, and the difference from the champion (Newcombe's interval of rates, Welch's of means, as of independent samples). Throws
 * `PORT_MODEL_UNKNOWN`, `REGISTRY_SCORE_INVALID` for numbers that cannot be.
 */
export async function readScoreboard(
  registry: ScoreboardSource,
  name: string,
  options: ScoreboardOptions,
): Promise<Scoreboard> {
  const { metrics, challengers, champion = "champion", confidence = 0.95, signal } = options;
  signal?.throwIfAborted();
  if (!(confidence > 0 && confidence < 1)) throw scoreInvalid(name, `the confidence is ${confidence}, not in (0, 1)`);
  const ref = typeof champion === "number" ? `${name}/${champion}` : `${name}@${champion}`;
  parseModelRef(ref);
  const best = await registry.version(ref, { signal });
  const others: DescribedVersion[] = [];
  for (const version of challengers)
    if (version !== best.version) others.push(await registry.version(`${name}/${version}`, { signal }));
  const rows: ScoreRow[] = [];
  for (const metric of metrics)
    for (const setting of ["offline", "shadow", "online"] as const) {
      const reference = await sampleOf(registry, best, metric, setting, options);
      rows.push(toRow(best, "champion", metric, setting, reference, confidence));
      for (const other of others) {
        const sample = await sampleOf(registry, other, metric, setting, options);
        const improvement = improvementOf(sample, reference, metric, confidence);
        rows.push({ ...toRow(other, "challenger", metric, setting, sample, confidence), ...improvement });
      }
    }
  return { name, champion: best.version, confidence, rows };
}

/** A sample, or a single number that nothing is known about. */
type Sample = ScoreSample | { readonly kind: "number"; readonly value: number };

async function sampleOf(
  registry: ScoreboardSource,
  { name, version, runId, manifest }: DescribedVersion,
  { name: metric, foldSeries }: ScoreMetric,
  setting: ScoreSetting,
  { read, signal }: ScoreboardOptions,
): Promise<Sample | undefined> {
  if (setting !== "offline") {
    const sample = await read?.({ name, version, metric, setting, signal });
    if (sample !== undefined) checkSample(`${name}/${version}`, metric, sample);
    return sample;
  }
  if (foldSeries !== undefined && runId !== undefined) {
    const values = (await registry.series(runId, foldSeries, { signal })).map(({ value }) => value);
    if (values.length > 1) {
      const sample = { kind: "values", values } as const;
      checkSample(`${name}/${version}`, metric, sample);
      return sample;
    }
  }
  const value = manifest.provenance.metrics[metric];
  return value === undefined ? undefined : { kind: "number", value };
}

function checkSample(subject: string, metric: string, sample: ScoreSample): void {
  const refuse = (problem: string): never => {
    throw scoreInvalid(subject, `${metric} ${problem}`);
  };
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (sample.kind === "rate") {
    const { successes, trials } = sample;
    if (!isCount(successes) || !isCount(trials) || successes > trials)
      refuse(`has ${successes} successes of ${trials} trials`);
  } else if (sample.kind === "mean") {
    const { count, mean, standardDeviation } = sample;
    if (!isCount(count) || !Number.isFinite(mean) || !(standardDeviation >= 0) || standardDeviation === Infinity)
      refuse(`has a mean of ${mean} ± ${standardDeviation} of ${count}`);
  } else if (sample.kind === "values") {
    const wrong = sample.values.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) refuse(`has the value ${wrong}`);
  } else refuse("is neither a rate, a mean nor values");
  const { predictions } = sample;
  if (predictions !== undefined && (!isCount(predictions) || predictions < countOf(sample)))
    refuse(`has labels of ${countOf(sample)} of ${predictions} predictions`);
}

const countOf = (sample: Sample): number =>
  sample.kind === "number"
    ? 1
    : sample.kind === "rate"
      ? sample.trials
      : sample.kind === "mean"
        ? sample.count
        : sample.values.length;

function toRow(
  { version }: DescribedVersion,
  role: ScoreRow["role"],
  { name: metric }: ScoreMetric,
  setting: ScoreSetting,
  sample: Sample | undefined,
  confidence: number,
): ScoreRow {
  const place = { version, role, metric, setting };
  if (sample === undefined) return { ...place, method: "none", count: 0, note: `Nothing was measured ${setting}.` };
  const count = countOf(sample);
  const predictions = sample.kind === "number" ? undefined : sample.predictions;
  const coverage = predictions === undefined || predictions === 0 ? undefined : count / predictions;
  const known = { count, ...(coverage === undefined ? {} : { coverage }) };
  if (count === 0)
    return { ...place, ...known, method: "none", note: `None of ${predictions ?? 0} predictions has a label yet.` };
  const unlabelled =
    predictions !== undefined && predictions > count
      ? { note: `${predictions - count} of ${predictions} predictions have no label yet.` }
      : {};
  if (sample.kind === "rate") {
    return { ...place, ...known, ...wilsonInterval(sample, confidence), method: "wilson", ...unlabelled };
  }
  if (sample.kind === "number")
    return { ...place, ...known, value: sample.value, method: "none", note: "A single number, without an interval." };
  const moments = toMoments(sample);
  if (moments.count < 2)
    return { ...place, ...known, value: moments.mean, method: "none", note: "One measurement has no interval." };
  return { ...place, ...known, ...meanInterval(moments, confidence), method: "student", ...unlabelled };
}

const toMoments = (sample: Exclude<ScoreSample, { readonly kind: "rate" }>): Moments =>
  sample.kind === "values" ? momentsOf(sample.values) : sample;

/** Nothing where there is nothing to compare. */
function improvementOf(
  sample: Sample | undefined,
  reference: Sample | undefined,
  { direction }: ScoreMetric,
  confidence: number,
): Pick<ScoreRow, "improvement"> {
  if (sample === undefined || reference === undefined || countOf(sample) === 0 || countOf(reference) === 0) return {};
  const difference = differenceOf(sample, reference, confidence);
  if (direction === "maximize") return { improvement: difference };
  const { value, low, high, method } = difference;
  return {
    improvement: {
      value: -value,
      ...(low === undefined || high === undefined ? {} : { low: -high, high: -low }),
      method,
    },
  };
}

function differenceOf(a: Sample, b: Sample, confidence: number): NonNullable<ScoreRow["improvement"]> {
  if (a.kind === "rate" && b.kind === "rate") return { ...newcombeInterval(a, b, confidence), method: "newcombe" };
  if (a.kind !== "rate" && a.kind !== "number" && b.kind !== "rate" && b.kind !== "number") {
    const [first, second] = [toMoments(a), toMoments(b)];
    if (first.count > 1 && second.count > 1) return { ...welchInterval(first, second, confidence), method: "welch" };
  }
  const value = middleOf(a) - middleOf(b);
  return { value, method: "none" };
}

function middleOf(sample: Sample): number {
  if (sample.kind === "number") return sample.value;
  return sample.kind === "rate" ? sample.successes / sample.trials : toMoments(sample).mean;
}
