import {
  type Batch,
  type CapturedPrediction,
  type Column,
  decodeNumbers,
  type JsonObject,
  type JsonValue,
} from "@millwright/contracts";
import { asFloat64, column, sliceBatch, takeRows, toArray } from "@millwright/data";
import { featurePrefix, outputPrefix } from "../capture/arrow-segment.ts";
import type { StateWindow, VariantState } from "../capture/monitor-state.ts";
import { asFloats } from "../capture/observe.ts";
import type { AnsweringModel } from "../capture/window-book.ts";
import { mergeWindows, type Observation, openWindow, type OpenWindow } from "../capture/window.ts";

/** Sums requests up in windows of one length, by endpoint, variant and model. */
export interface Summarizer {
  addTable(batch: Batch): void;
  addRow(row: JsonObject): void;
  states(): readonly VariantState[];
}

interface Answered {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: AnsweringModel;
  readonly windows: Map<number, OpenWindow>;
}

export function createSummarizer(lengthMs: number): Summarizer {
  const known = new Map<string, Answered>();
  const windowOf = (endpoint: string, variant: string, model: AnsweringModel, timeMs: number): OpenWindow => {
    const key = JSON.stringify([endpoint, variant, model.digest]);
    const answered = known.get(key) ?? { endpoint, variant, model, windows: new Map<number, OpenWindow>() };
    known.set(key, answered);
    const start = Number.isFinite(timeMs) ? Math.floor(timeMs / lengthMs) * lengthMs : 0;
    const window = answered.windows.get(start) ?? openWindow();
    answered.windows.set(start, window);
    return window;
  };
  return {
    addTable(batch) {
      for (const { endpoint, variant, model, timeMs, observation } of observationsOf(batch, lengthMs))
        windowOf(endpoint, variant, model, timeMs).observe(observation);
    },
    addRow(row) {
      const { endpoint, variant, model, timeMs } = decodeNumbers(row as JsonValue) as unknown as CapturedPrediction;
      windowOf(String(endpoint), String(variant), model, timeMs).observe(observationOfRow(row));
    },
    states: () =>
      Array.from(known.values(), ({ windows, ...who }): VariantState => ({
        ...who,
        sinceMs: Math.min(...windows.keys()),
        windows: Array.from(windows, ([startMs, window]): StateWindow => ({
          startMs,
          lengthMs,
          summary: window.summary(),
        })),
      })),
  };
}

interface Observed {
  readonly endpoint: string;
  readonly variant: string;
  readonly model: AnsweringModel;
  readonly timeMs: number;
  readonly observation: Observation;
}

/** The rows of a table by who answered and when: one observation each. */
function observationsOf(batch: Batch, lengthMs: number): readonly Observed[] {
  const texts = (name: string): readonly string[] => toArray(batch.columns[name] as Column) as readonly string[];
  const [ids, endpoints, variants, names, digests] = [
    texts("requestId"),
    texts("endpoint"),
    texts("variant"),
    texts("modelName"),
    texts("modelDigest"),
  ];
  const numbers = (name: string): Float64Array => asFloat64(batch.columns[name] as Column);
  const [versions, times, latencies] = [numbers("modelVersion"), numbers("timeMs"), numbers("latencyMs")];
  const groups = new Map<string, { readonly rows: number[]; readonly firsts: number[] }>();
  for (let row = 0; row < batch.length; row += 1) {
    const time = times[row] as number;
    const key = JSON.stringify([endpoints[row], variants[row], digests[row], Math.floor(time / lengthMs)]);
    const group = groups.get(key) ?? { rows: [], firsts: [] };
    groups.set(key, group);
    // The rows of one request follow one another.
    if (row === 0 || ids[row] !== ids[row - 1] || time !== times[row - 1]) group.firsts.push(row);
    group.rows.push(row);
  }
  return Array.from(groups.values(), ({ rows, firsts }): Observed => {
    const [first] = rows as [number];
    const version = versions[first] as number;
    const part = rows.length === batch.length ? batch : takeRows(batch, Int32Array.from(rows));
    return {
      endpoint: endpoints[first] as string,
      variant: variants[first] as string,
      model: {
        name: names[first] as string,
        digest: digests[first] as AnsweringModel["digest"],
        ...(Number.isNaN(version) ? {} : { version }),
      },
      timeMs: times[first] as number,
      observation: {
        requests: firsts.length,
        errors: 0,
        latenciesMs: Float64Array.from(firsts, (row) => latencies[row] as number),
        // As 64-bit floats, like what stands as JSON: profiles of one column merge.
        features: [asFloats(columnsWith(part, featurePrefix))],
        outputs: [asFloats(columnsWith(part, outputPrefix))],
        requestIds: firsts.map((row) => ids[row] as string),
      },
    };
  });
}

const columnsWith = ({ length, columns }: Batch, prefix: string): Batch => ({
  length,
  columns: Object.fromEntries(
    Object.entries(columns).flatMap(([name, each]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), each]] : [],
    ),
  ),
});

function observationOfRow(row: JsonObject): Observation {
  const { latencyMs, errorCode, requestId, featureAgesMs } = decodeNumbers(
    row as JsonValue,
  ) as unknown as CapturedPrediction;
  const ages = Object.entries(featureAgesMs ?? {}).map(
    ([view, values]) => [view, values.filter((age) => age !== null)] as const,
  );
  return {
    requests: 1,
    errors: errorCode === undefined ? 0 : 1,
    latenciesMs: Float64Array.of(errorCode === undefined ? latencyMs : Number.NaN),
    features: batchesOfCells(row["features"]),
    outputs: batchesOfCells(row["outputs"]),
    requestIds: [requestId],
    featureAges: new Map(ages),
  };
}

/** Lists of JSON as columns: of numbers, of booleans, or of texts. */
export function batchesOfCells(cells: JsonValue | undefined): readonly Batch[] {
  const columns = Object.entries((decodeNumbers(cells ?? {}) ?? {}) as Readonly<Record<string, unknown>>).flatMap(
    ([name, values]): [string, Column][] => {
      if (!Array.isArray(values)) return [];
      const met = (values as readonly unknown[]).filter((value) => value !== null);
      if (met.every((value) => typeof value === "number")) return [[name, column("float64", values as number[])]];
      if (met.every((value) => typeof value === "boolean")) return [[name, column("bool", values as boolean[])]];
      const text = (value: unknown): string | null =>
        value === null || typeof value === "string"
          ? value
          : JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each));
      return [[name, column("utf8", (values as readonly unknown[]).map(text))]];
    },
  );
  const length = columns[0]?.[1].length ?? 0;
  const fitting = columns.filter(([, each]) => each.length === length);
  return length === 0 ? [] : [sliceBatch({ length, columns: Object.fromEntries(fitting) }, 0, length)];
}

/** The windows of states merged into longer ones. */
export function coarser(states: readonly VariantState[], lengthMs: number): readonly VariantState[] {
  const known = new Map<string, { readonly state: VariantState; readonly windows: Map<number, StateWindow[]> }>();
  for (const state of states) {
    const key = JSON.stringify([state.endpoint, state.variant, state.model?.digest]);
    const entry = known.get(key) ?? { state, windows: new Map<number, StateWindow[]>() };
    known.set(key, entry);
    for (const window of state.windows) {
      const start = Math.floor(window.startMs / lengthMs) * lengthMs;
      entry.windows.set(start, [...(entry.windows.get(start) ?? []), window]);
    }
  }
  return Array.from(known.values(), ({ state, windows }): VariantState => ({
    ...state,
    sinceMs: Math.min(...windows.keys()),
    windows: Array.from(windows, ([startMs, parts]): StateWindow => ({
      startMs,
      lengthMs,
      summary: mergeWindows(parts.map(({ summary }) => summary)),
    })),
  }));
}
