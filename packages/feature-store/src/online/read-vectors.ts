import type {
  Batch,
  Column,
  FeatureRequest,
  FeatureStatus,
  FeatureVectors,
  Histogram,
  Meter,
  ViewStatus,
} from "@millwright/contracts";
import type { AggregateResults, CompiledAggregates } from "./aggregates.ts";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { type FeatureService } from "../definition/service-definition.ts";
import { rowStale } from "../errors.ts";
import type { OnlineValue } from "./online-store.ts";
import type { OnlineReading, OnlineView } from "./online-view.ts";
import { createPlainColumns } from "./plain-columns.ts";
import type { RowLayout } from "./row-layout.ts";
import { checkBatch, entityKeysOf, keySchema } from "../definition/source-columns.ts";
import { columnOfNumbers, columnOfOthers, isNumberResult } from "../windows/result-column.ts";

export interface ReadingOptions {
  readonly timeUs: number;
  readonly ages: Histogram;
  readonly stateOf: (view: FeatureView) => OnlineView;
}

/** How old rows are when they are served, in seconds, by view. */
export const freshnessMeter = (meter: Meter): Histogram =>
  meter.histogram("millwright_feature_age_seconds", {
    help: "Age of feature rows when they are read online.",
    labelNames: ["view"],
    buckets: [1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800],
  });

/** Reads the stored features of a service. */
export function readStored(service: FeatureService, request: FeatureRequest, options: ReadingOptions): FeatureVectors {
  const columns: Record<string, Column> = {};
  const views: Record<string, ViewStatus> = {};
  for (const view of service.views) {
    const read = readView(view, request.entities, options);
    Object.assign(columns, read.columns);
    views[view.name] = read.status;
  }
  return { features: { length: request.entities.length, columns }, views };
}

/** Reads a view for each entity. */
function readView(
  view: FeatureView,
  entities: Batch,
  { timeUs, ages, stateOf }: ReadingOptions,
): { readonly columns: Record<string, Column>; readonly status: ViewStatus } {
  checkBatch("The entities", keySchema(view), entities);
  const state = stateOf(view);
  const rows = entities.length;
  const keys = entityKeysOf(view.entity.keys, entities);
  const results = state.aggregates.createResults();
  const vectors = createVectors(view, state.aggregates, rows);
  const status: FeatureStatus[] = [];
  const ageMs = new Float64Array(rows);
  const labels = { view: view.name };
  for (let row = 0; row < rows; row++) {
    const reading = state.read(keys[row], timeUs, results);
    ageMs[row] = reading.ageMs;
    if (!Number.isNaN(reading.ageMs)) ages.observe(reading.ageMs / 1000, labels);
    const served = servedStatus(view, reading, keys[row]);
    status.push(served);
    if (served === "defaulted") vectors.standIn(row);
    else vectors.set(row, reading.values, results);
  }
  return { columns: vectors.columns(), status: { status, ageMs } };
}

/** What is served of a reading: as the view's freshness and defaults have it. Throws `FEATURE_STORE_STALE`. */
export function servedStatus(
  view: FeatureView,
  { status, ageMs }: Pick<OnlineReading, "status" | "ageMs">,
  key: string | undefined,
): FeatureStatus {
  const { freshness } = view;
  if (status !== "present") return Object.keys(view.defaults).length > 0 ? "defaulted" : status;
  if (freshness === undefined || ageMs < freshness.maxAgeMs) return status;
  if (freshness.onStale === "fail") throw rowStale(view.name, key ?? "", ageMs, freshness.maxAgeMs);
  return freshness.onStale === "default" ? "defaulted" : "stale";
}

/** A view's features of all rows, filled row by row. */
export interface Vectors {
  set(row: number, values: readonly OnlineValue[] | undefined, aggregates: AggregateResults): void;
  /** Puts the view's defaults in a row. */
  standIn(row: number): void;
  columns(): Record<string, Column>;
}

export function createVectors(view: FeatureView, { names, types }: CompiledAggregates, rows: number): Vectors {
  const { features, columnNames, defaults } = featuresOf(view);
  const plain = createPlainColumns(features, rows);
  const numbers = names.map(() => new Float64Array(rows));
  const others = names.map(() => Array<unknown>(rows).fill(undefined));
  return {
    set(row, given, results) {
      for (let index = 0; index < names.length; index++) {
        numbers[index]![row] = results.numbers[index]!;
        others[index]![row] = results.others[index];
      }
      plain.set(row, given ?? NOTHING);
    },
    standIn(row) {
      names.forEach((name, index) => {
        numbers[index]![row] = Number(view.defaults[name] ?? Number.NaN);
        others[index]![row] = view.defaults[name] ?? undefined;
      });
      plain.set(row, defaults);
    },
    columns() {
      const columns: Record<string, Column> = {};
      plain.addTo(columns, columnNames);
      names.forEach((name, index) => {
        const type = types[index]!;
        columns[featureName(view, name)] = isNumberResult(type)
          ? columnOfNumbers(type, numbers[index]!)
          : columnOfOthers(type, others[index]!);
      });
      return columns;
    },
  };
}

/** Null for every feature. */
const NOTHING: readonly OnlineValue[] = [];

interface PlainFeatures {
  readonly features: Pick<RowLayout, "types" | "offsets" | "runs">;
  readonly columnNames: readonly string[];
  readonly defaults: readonly OnlineValue[];
}

const known = new WeakMap<FeatureView, PlainFeatures>();

/** The features of a view that are stored as they are; worked out once. */
function featuresOf(view: FeatureView): PlainFeatures {
  let found = known.get(view);
  if (found === undefined) {
    const names = Object.keys(view.features);
    found = {
      // Values are put in one by one here: nothing is copied from bytes.
      features: { types: Object.values(view.features), offsets: [], runs: [] },
      columnNames: names.map((name) => featureName(view, name)),
      defaults: names.map((name) => view.defaults[name] ?? null),
    };
    known.set(view, found);
  }
  return found;
}
