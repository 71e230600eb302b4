import { decodeNumbers, encodeNumbers, type JsonObject, type JsonValue } from "@millwright/contracts";
import { type DistinctSketch, parseProfile, profileToJson, type QuantileSketch } from "@millwright/data";
import { stateInvalid } from "../errors.ts";
import { type ClassSums, mostClasses } from "../quality/class-sums.ts";
import { emptyQuality, type QualitySums, summedNumbers } from "../quality/quality-sums.ts";
import { mergeRows, type RowSample } from "./row-sample.ts";
import { parseRows, rowsToJson } from "./row-state.ts";
import { listOf, numberOf, objectOf, textOf, tuple } from "./state-reading.ts";
import { parseWaiting, type WaitingState, waitingToJson } from "./waiting-json.ts";
import type { EventCountsState } from "../slo/event-counts.ts";
import { type CountedEvents, eventsOf } from "../slo/merged-counts.ts";
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

/** Good and total events of an objective. */
export interface ObjectiveState {
  readonly name: string;
  readonly events: CountedEvents;
  /** The same as it goes on after a restart; undefined in states of format 1. */
  readonly counts?: EventCountsState | undefined;
}

export interface ParsedState {
  readonly variants: readonly VariantState[];
  readonly objectives: readonly ObjectiveState[];
  /** When it was told; −∞ in states of format 1. */
  readonly toldMs: number;
  /** What labels need; undefined where it was left out. */
  readonly waiting: WaitingState | undefined;
}

/** @param rowsPerWindow Most sampled rows of each window that go with it; a RangeError is thrown for what is no such number. Default: 0. */
export function stateToJson({ variants, objectives, toldMs, waiting }: ParsedState, rowsPerWindow = 0): JsonObject {
  if (!(Number.isSafeInteger(rowsPerWindow) && rowsPerWindow >= 0))
    throw new RangeError(`rowsPerWindow must be a whole number of at least 0, not ${rowsPerWindow}.`);
  const told = encodeNumbers({
    formatVersion: 3,
    toldMs,
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
    objectives: objectives.map(({ name, events, counts }) =>
      counts === undefined ? { name, events } : { name, counts },
    ),
  } as unknown as JsonValue) as JsonObject;
  return waiting === undefined ? told : { ...told, waiting: waitingToJson(waiting) };
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

function qualityToJson({ cells, lags, segments, classes, ...numbers }: QualitySums): JsonObject {
  return {
    ...numbers,
    ...(classes === undefined
      ? {}
      : {
          classes: {
            names: classes.names,
            topHits: classes.topHits,
            confusion: [...classes.confusion].map((each) => [...each]),
          },
        }),
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

/** Reads what `stateToJson` wrote, now or in an earlier release. Throws `MONITOR_STATE_INVALID`. */
export function parseState(json: unknown): ParsedState {
  try {
    const { waiting, ...told } = objectOf(json);
    const state = objectOf(decodeNumbers(told as JsonValue));
    const { formatVersion } = state;
    if (formatVersion !== 1 && formatVersion !== 2 && formatVersion !== 3)
      throw new TypeError(`its format version is ${JSON.stringify(formatVersion)}, none of 1 to 3`);
    return {
      variants: listOf(state["variants"]).map((each) => parseVariant(objectOf(each))),
      objectives: listOf(state["objectives"]).map((each) => parseObjective(objectOf(each))),
      toldMs: formatVersion === 1 ? Number.NEGATIVE_INFINITY : numberOf(state["toldMs"]),
      waiting: waiting === undefined ? undefined : parseWaiting(waiting),
    };
  } catch (error) {
    throw stateInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

function parseObjective({ name, events, counts }: Readonly<Record<string, unknown>>): ObjectiveState {
  const triples = (value: unknown) => listOf(value).map((each) => tuple(each, 3) as [number, number, number]);
  if (counts === undefined) return { name: textOf(name), events: triples(events) };
  const { bucketMs, coarseFactor, fine, coarse, ...rest } = objectOf(counts);
  const buckets = {
    bucketMs: numberOf(bucketMs),
    coarseFactor: numberOf(coarseFactor),
    fine: triples(fine),
    coarse: triples(coarse),
  };
  return {
    name: textOf(name),
    events: eventsOf(buckets),
    counts: { ...(rest as unknown as EventCountsState), ...buckets },
  };
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
  // States of format 1 know of none that were recovered.
  for (const name of [...summedNumbers, "largestLagMs"] as const)
    sums[name] = numberOf(json[name] ?? (name === "recovered" ? 0 : undefined));
  if (json["classes"] !== undefined) sums.classes = parseClasses(objectOf(json["classes"]));
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

function parseClasses({ names, topHits, confusion }: Readonly<Record<string, unknown>>): ClassSums {
  const known = listOf(names).map((name) => {
    if (typeof name !== "string" && typeof name !== "number" && typeof name !== "boolean")
      throw new TypeError("a class has no name");
    return name;
  });
  if (known.length > mostClasses) throw new TypeError(`there are more than ${mostClasses} classes`);
  const cells = listOf(confusion).map((each) => tuple(each, 2) as [number, number]);
  return { names: known, topHits: numberOf(topHits), confusion: new Map(cells) };
}
