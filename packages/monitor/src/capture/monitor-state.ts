import { decodeNumbers, encodeNumbers, type JsonObject, type JsonValue } from "@millwright/contracts";
import { type DistinctSketch, parseProfile, profileToJson, type QuantileSketch } from "@millwright/data";
import { stateInvalid } from "../errors.ts";
import { emptyQuality, type QualitySums, summedNumbers } from "../quality/quality-sums.ts";
import { mergeRows, type RowSample } from "./row-sample.ts";
import { parseRows, rowsToJson } from "./row-state.ts";
import type { AnsweringModel } from "./window-book.ts";
import type { FeatureAges, WindowSummary } from "./window.ts";

/** A window of one variant. */
export interface StateWindow {
  readonly startMs: number;
  readonly lengthMs: number;
  readonly summary: WindowSummary;
}

/** What one process knows of one variant. */
export interface VariantState {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: AnsweringModel | undefined;
  /** Since when that model answers. */
  readonly sinceMs: number;
  readonly windows: readonly StateWindow[];
}

/** Good and total events of an objective: `[timeMs, good, total]`, in buckets. */
export interface ObjectiveState {
  readonly name: string;
  readonly events: readonly (readonly [timeMs: number, good: number, total: number])[];
}

export interface ParsedState {
  readonly variants: readonly VariantState[];
  readonly objectives: readonly ObjectiveState[];
}

/** @param rowsPerWindow Most sampled rows of each window that go with it; a RangeError is thrown for what is no such number. Default: 0. */
export function stateToJson({ variants, objectives }: ParsedState, rowsPerWindow = 0): JsonObject {
  if (!(Number.isSafeInteger(rowsPerWindow) && rowsPerWindow >= 0))
    throw new RangeError(`rowsPerWindow must be a whole number of at least 0, not ${rowsPerWindow}.`);
  return encodeNumbers({
    formatVersion: 1,
    variants: variants.map(({ endpoint, variant, model, sinceMs, windows }) => ({
      endpoint,
      variant,
      ...(model === undefined ? {} : { model: { ...model } }),
      sinceMs,
      windows: windows.map(({ startMs, lengthMs, summary }) => ({
        startMs,
        lengthMs,
        ...summaryToJson(summary),
        ...rowsMember(summary.rows, rowsPerWindow),
      })),
    })),
    objectives: objectives.map(({ name, events }) => ({ name, events })),
  } as unknown as JsonValue) as JsonObject;
}

const rowsMember = (rows: RowSample | undefined, limit: number): JsonObject =>
  rows === undefined || limit === 0 ? {} : { rows: rowsToJson(mergeRows([rows], limit)) };

function summaryToJson(summary: WindowSummary): JsonObject {
  const { requests, errors, latency, features, outputs, featureAges, requestIds, quality } = summary;
  return {
    requests,
    errors,
    sketches: sketchesToJson(latency, featureAges, requestIds),
    features: profileToJson(features),
    outputs: profileToJson(outputs),
    quality: qualityToJson(quality),
  };
}

const agePrefix = "age ";

/** As columns of a profile, which has a format of its own. */
function sketchesToJson(latency: QuantileSketch, ages: FeatureAges, distinct: DistinctSketch): JsonObject {
  const column = (quantiles: QuantileSketch) =>
    ({ type: "float64", count: quantiles.count, missing: 0, nonFinite: 0, quantiles }) as const;
  const ofAges = Object.entries(ages).map(([view, sketch]) => [agePrefix + view, column(sketch)] as const);
  const requestIds = { type: "utf8", count: 0, missing: 0, nonFinite: 0, distinct } as const;
  return profileToJson({
    rows: latency.count,
    columns: { latencyMs: column(latency), requestIds, ...Object.fromEntries(ofAges) },
  });
}

function qualityToJson({ cells, lags, segments, ...numbers }: QualitySums): JsonObject {
  return {
    ...numbers,
    cells: Array.from(cells, ([bin, { answers, labels, actual, logLoss, brier }]) => [
      bin,
      answers,
      labels,
      actual,
      logLoss,
      brier,
    ]),
    lags: Array.from(lags, ([bin, count]) => [bin, count]),
    segments: Array.from(segments, ([key, sums]) => [key, qualityToJson(sums)]),
  };
}

/** Reads what `stateToJson` wrote. Throws `MONITOR_STATE_INVALID`. */
export function parseState(json: unknown): ParsedState {
  try {
    const state = objectOf(decodeNumbers(json as JsonValue));
    if (state["formatVersion"] !== 1)
      throw new TypeError(`its format version is ${JSON.stringify(state["formatVersion"])}, not 1`);
    return {
      variants: listOf(state["variants"]).map((each) => parseVariant(objectOf(each))),
      objectives: listOf(state["objectives"]).map((each) => {
        const { name, events } = objectOf(each);
        return {
          name: textOf(name),
          events: listOf(events).map((event) => tuple(event, 3) as [number, number, number]),
        };
      }),
    };
  } catch (error) {
    throw stateInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

function parseVariant({ endpoint, variant, model, sinceMs, windows }: Readonly<Record<string, unknown>>): VariantState {
  const { name, digest, version } = model === undefined ? {} : (objectOf(model) as Partial<AnsweringModel>);
  return {
    endpoint: textOf(endpoint),
    variant: textOf(variant),
    model:
      name === undefined
        ? undefined
        : ({
            name: textOf(name),
            digest: textOf(digest),
            ...(version === undefined ? {} : { version }),
          } as AnsweringModel),
    sinceMs: numberOf(sinceMs),
    windows: listOf(windows).map((each) => {
      const window = objectOf(each);
      return {
        startMs: numberOf(window["startMs"]),
        lengthMs: numberOf(window["lengthMs"]),
        summary: parseSummary(window),
      };
    }),
  };
}

function parseSummary(window: Readonly<Record<string, unknown>>): WindowSummary {
  const { columns } = parseProfile(window["sketches"]);
  const latency = columns["latencyMs"]?.quantiles;
  const requestIds = columns["requestIds"]?.distinct;
  if (latency === undefined || requestIds === undefined) throw new TypeError("a window lacks its sketches");
  const featureAges = Object.entries(columns).flatMap(([name, { quantiles }]) =>
    name.startsWith(agePrefix) && quantiles !== undefined ? [[name.slice(agePrefix.length), quantiles] as const] : [],
  );
  return {
    requests: numberOf(window["requests"]),
    errors: numberOf(window["errors"]),
    latency,
    features: parseProfile(window["features"]),
    outputs: parseProfile(window["outputs"]),
    featureAges: Object.fromEntries(featureAges),
    requestIds,
    quality: parseQuality(objectOf(window["quality"])),
    rows: window["rows"] === undefined ? undefined : parseRows(window["rows"]),
  };
}

function parseQuality(json: Readonly<Record<string, unknown>>): QualitySums {
  const sums = emptyQuality();
  for (const name of [...summedNumbers, "largestLagMs"] as const) sums[name] = numberOf(json[name]);
  for (const each of listOf(json["cells"])) {
    const [bin, answers, labels, actual, logLoss, brier] = tuple(each, 6) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    sums.cells.set(bin, { answers, labels, actual, logLoss, brier });
  }
  for (const each of listOf(json["lags"])) sums.lags.set(...(tuple(each, 2) as [number, number]));
  for (const each of listOf(json["segments"])) {
    const [key, segment] = listOf(each);
    const pair: unknown = JSON.parse(textOf(key));
    if (!Array.isArray(pair) || pair.length !== 2) throw new TypeError(`"${String(key)}" is no segment`);
    sums.segments.set(textOf(key), parseQuality(objectOf(segment)));
  }
  return sums;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("an object is missing");
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("a list is missing");
  return value as readonly unknown[];
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a text is missing");
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("a number is missing");
  return value;
}

function tuple(value: unknown, length: number): readonly number[] {
  const items = listOf(value).map(numberOf);
  if (items.length !== length) throw new TypeError(`a list has ${items.length} numbers, not ${length}`);
  return items;
}
