import type { CapturedPrediction, Random } from "@millwright/contracts";
import type { QualitySums } from "../quality/quality-sums.ts";
import type { StateWindow, VariantState } from "./monitor-state.ts";
import { letGo, type SampledRow } from "./row-sample.ts";
import { createRowSampler } from "./row-sampler.ts";
import { thinWindow } from "./thin-window.ts";
import { createToldStates, newestModelOf } from "./told-states.ts";
import {
  lazyWindow,
  mergeWindows,
  type Observation,
  openWindow,
  rowsOfRequest,
  type OpenWindow,
  type WindowSummary,
} from "./window.ts";

export type AnsweringModel = CapturedPrediction["model"];

export interface WindowBookOptions {
  /** Length of a window. */
  readonly windowMs: number;
  /** How long windows are kept apart before an hour's are merged into one. */
  readonly fineMs: number;
  /** How long anything is kept. */
  readonly retainMs: number;
  /** How rows are sampled. Default: none are kept. */
  readonly rows?: RowKeeping | undefined;
}

export interface RowKeeping {
  /** Most rows kept of a window of an endpoint's variant; 0: none. */
  readonly limitOf: (endpoint: string) => number;
  /** Decides which. */
  readonly random: Random;
}

/** What every variant of every endpoint did, by windows of time. */
export interface WindowBook {
  /** @param model What answered. @returns the rows that came into the sample. */
  observe(
    endpoint: string,
    variant: string,
    timeMs: number,
    observation: Observation,
    model?: AnsweringModel,
  ): readonly SampledRow[];
  /** Whether rows of the endpoint are sampled. */
  keepsRows(endpoint: string): boolean;
  /** What answers for the variant now, as far as it was told. */
  model(endpoint: string, variant: string): AnsweringModel | undefined;
  /** The sums of the window that holds the time; undefined where it is gone. */
  qualityAt(endpoint: string, variant: string, timeMs: number): QualitySums | undefined;
  /** Rows of the request that are kept of the window that holds the time. */
  rowsAt(endpoint: string, variant: string, timeMs: number, requestId: string): readonly SampledRow[];
  /** As `qualityAt`, of a window that was lost: it begins anew. */
  recoverQuality(endpoint: string, variant: string, timeMs: number, model: AnsweringModel): QualitySums;
  /** All windows that overlap `[fromMs, toMs)`, merged as it is asked for. */
  read(endpoint: string, variant: string, fromMs: number, toMs: number): WindowSummary;
  endpoints(): readonly string[];
  variants(endpoint: string): readonly string[];
  /** Forgets a variant. */
  forget(endpoint: string, variant: string): void;
  /** Merges and forgets what has grown old. */
  compact(nowMs: number): void;
  /** What was seen here, in windows that end after `fromMs`. */
  states(fromMs: number): readonly VariantState[];
  /**
   * Goes on from what an earlier process saw, before anything else is observed. Windows of another length become those of an hour that they lie in. Throws a `TypeError` for windows that
   * fit into none.
   */
  resume(states: readonly VariantState[]): void;
  /** Takes what another monitor saw; what it told before is forgotten. */
  put(source: string, states: readonly VariantState[]): void;
}

const hourMs = 3_600_000;
/** From this age on windows have coarser sketches. */
const thinAfterMs = 7 * 24 * hourMs;

interface VariantWindows {
  /** By start time. */
  readonly fine: Map<number, OpenWindow>;
  readonly coarse: Map<number, WindowSummary>;
  model: AnsweringModel | undefined;
  /** Since when it answers. */
  sinceMs: number;
  /** Before then nothing has grown old. */
  dueMs: number;
}

const startOf = (timeMs: number, length: number): number => Math.floor(timeMs / length) * length;

const noWindows = (): VariantWindows => ({
  fine: new Map(),
  coarse: new Map(),
  model: undefined,
  sinceMs: Number.NEGATIVE_INFINITY,
  dueMs: Number.POSITIVE_INFINITY,
});

export function createWindowBook(options: WindowBookOptions): WindowBook {
  const { windowMs } = options;
  const limitOf = options.rows?.limitOf ?? (() => 0);
  const book = new Map<string, Map<string, VariantWindows>>();
  const told = createToldStates();
  const agreed = (endpoint: string, variant: string, fromMs: number): readonly VariantState[] => {
    const windows = find(endpoint, variant);
    const own = windows === undefined ? [] : [stateOf(endpoint, variant, windows, options, fromMs)];
    return newestModelOf([...own, ...told.of(endpoint, variant)]);
  };
  const find = (endpoint: string, variant: string): VariantWindows | undefined => book.get(endpoint)?.get(variant);
  const make = (endpoint: string, variant: string): VariantWindows => {
    const variants = book.get(endpoint) ?? new Map<string, VariantWindows>();
    book.set(endpoint, variants);
    const windows = variants.get(variant) ?? noWindows();
    variants.set(variant, windows);
    return windows;
  };
  return {
    observe(endpoint, variant, timeMs, observation, model) {
      const windows = make(endpoint, variant);
      const { fine } = windows;
      if (model !== undefined && windows.model?.digest !== model.digest) windows.sinceMs = timeMs;
      windows.model = model ?? windows.model;
      const start = startOf(timeMs, windowMs);
      let window = fine.get(start);
      if (window === undefined) {
        window = newWindow(endpoint, observation.rows?.[0]?.requestIds[0], options);
        fine.set(start, window);
        windows.dueMs = Math.min(windows.dueMs, dueOfFine(start, options));
      }
      return window.observe(observation);
    },
    keepsRows: (endpoint) => limitOf(endpoint) > 0,
    model: (endpoint, variant) => agreed(endpoint, variant, Number.POSITIVE_INFINITY)[0]?.model,
    qualityAt: (endpoint, variant, timeMs) => qualityIn(find(endpoint, variant), windowMs, timeMs),
    rowsAt: (endpoint, variant, timeMs, requestId) => rowsIn(find(endpoint, variant), windowMs, timeMs, requestId),
    recoverQuality: (endpoint, variant, timeMs, model) =>
      recoverWindow(make(endpoint, variant), endpoint, timeMs, model, options).quality,
    read(endpoint, variant, fromMs, toMs) {
      const parts = agreed(endpoint, variant, fromMs)
        .flatMap(({ windows }) => windows)
        .filter(({ startMs, lengthMs }) => startMs + lengthMs > fromMs && startMs < toMs);
      return lazyWindow(parts.toSorted((x, y) => x.startMs - y.startMs).map(({ summary }) => summary));
    },
    endpoints: () => [...new Set([...book.keys(), ...told.endpoints()])],
    variants: (endpoint) => [...new Set([...(book.get(endpoint)?.keys() ?? []), ...told.variants(endpoint)])],
    forget: (endpoint, variant) => void book.get(endpoint)?.delete(variant),
    compact(nowMs) {
      compactBook(book, options, nowMs);
      told.forget(nowMs - options.retainMs);
    },
    states: (fromMs) => [...book].flatMap((each) => statesOf(each, options, fromMs)),
    resume(states) {
      for (const each of states) resumeWindows(make(each.endpoint, each.variant), each, options);
    },
    put: told.put,
  };
}

const qualityIn = (windows: VariantWindows | undefined, windowMs: number, timeMs: number): QualitySums | undefined =>
  windows?.fine.get(startOf(timeMs, windowMs))?.quality ?? windows?.coarse.get(startOf(timeMs, hourMs))?.quality;

const rowsIn = (
  windows: VariantWindows | undefined,
  windowMs: number,
  timeMs: number,
  requestId: string,
): readonly SampledRow[] =>
  windows?.fine.get(startOf(timeMs, windowMs))?.rowsOf(requestId) ??
  rowsOfRequest(windows?.coarse.get(startOf(timeMs, hourMs))?.rows, requestId);

function newWindow(
  endpoint: string,
  requestId: string | undefined,
  { rows }: WindowBookOptions,
  earlier?: WindowSummary,
): OpenWindow {
  const limit = rows?.limitOf(endpoint) ?? 0;
  if (rows === undefined || limit === 0) return openWindow(undefined, earlier);
  // By its first request too: processes of one seed draw other rows.
  return openWindow(createRowSampler(limit, rows.random.fork(`rows of ${requestId ?? ""}`)), earlier, limit);
}

function recoverWindow(
  windows: VariantWindows,
  endpoint: string,
  timeMs: number,
  model: AnsweringModel,
  options: WindowBookOptions,
): OpenWindow {
  windows.sinceMs = windows.model === undefined ? timeMs : Math.min(windows.sinceMs, timeMs);
  windows.model ??= model;
  const window = newWindow(endpoint, undefined, options);
  const start = startOf(timeMs, options.windowMs);
  windows.fine.set(start, window);
  windows.dueMs = Math.min(windows.dueMs, dueOfFine(start, options));
  return window;
}

function resumeWindows(own: VariantWindows, state: VariantState, options: WindowBookOptions): void {
  const { fine, coarse } = own;
  const { endpoint, windows, model, sinceMs } = state;
  const { windowMs, rows } = options;
  Object.assign(own, { model, sinceMs, dueMs: Number.NEGATIVE_INFINITY });
  for (const { startMs, lengthMs, summary } of windows) {
    if (lengthMs === windowMs && startMs === startOf(startMs, windowMs)) {
      fine.set(startMs, newWindow(endpoint, `after ${summary.requests}`, options, summary));
      continue;
    }
    const hour = startOf(startMs, hourMs);
    if (startMs + lengthMs > hour + hourMs)
      throw new TypeError(`a window of ${lengthMs} ms fits into none of ${windowMs} ms, nor into one of an hour`);
    addCoarse(coarse, hour, summary, rows?.limitOf(endpoint) ?? 0);
  }
}

function addCoarse(coarse: Map<number, WindowSummary>, hour: number, summary: WindowSummary, rowLimit: number): void {
  const parts = [...(coarse.has(hour) ? [coarse.get(hour) as WindowSummary] : []), summary];
  const merged = mergeWindows(parts, Math.max(1, rowLimit));
  forgetRows(parts, merged);
  coarse.set(hour, merged);
}

const statesOf = (
  [endpoint, variants]: readonly [string, ReadonlyMap<string, VariantWindows>],
  options: WindowBookOptions,
  fromMs: number,
): VariantState[] => Array.from(variants, ([variant, windows]) => stateOf(endpoint, variant, windows, options, fromMs));

function stateOf(
  endpoint: string,
  variant: string,
  { fine, coarse, model, sinceMs }: VariantWindows,
  { windowMs }: WindowBookOptions,
  fromMs: number,
): VariantState {
  const merged = Array.from(coarse, ([startMs, summary]): StateWindow => ({ startMs, lengthMs: hourMs, summary }));
  const open = [...fine].filter(([start]) => start + windowMs > fromMs);
  return {
    endpoint,
    variant,
    model,
    sinceMs,
    windows: [
      ...merged.filter(({ startMs }) => startMs + hourMs > fromMs),
      ...open.map(([startMs, window]): StateWindow => ({ startMs, lengthMs: windowMs, summary: window.summary() })),
    ],
  };
}

function compactBook(book: Map<string, Map<string, VariantWindows>>, options: WindowBookOptions, nowMs: number): void {
  for (const [endpoint, variants] of book) {
    for (const [variant, windows] of variants) {
      compactVariant(windows, options, nowMs, options.rows?.limitOf(endpoint) ?? 0);
      if (windows.fine.size === 0 && windows.coarse.size === 0) variants.delete(variant);
    }
    if (variants.size === 0) book.delete(endpoint);
  }
}

/** When a window is old enough to be merged or forgotten. */
const dueOfFine = (start: number, { windowMs, fineMs, retainMs }: WindowBookOptions): number =>
  start + windowMs + Math.min(fineMs, retainMs);

/** There may be thousands of variants, and all are looked at in each evaluation: mostly nothing of them has grown old. */
function compactVariant(windows: VariantWindows, options: WindowBookOptions, nowMs: number, rowLimit: number): void {
  if (nowMs < windows.dueMs) return;
  const { fine, coarse } = windows;
  const { windowMs, retainMs } = options;
  let dueMs = Number.POSITIVE_INFINITY;
  const old: number[] = [];
  for (const start of fine.keys()) {
    const due = dueOfFine(start, options);
    if (due <= nowMs) old.push(start);
    else dueMs = Math.min(dueMs, due);
  }
  // In the order of time.
  for (const start of old.sort((a, b) => a - b)) {
    const window = fine.get(start) as OpenWindow;
    if (start + windowMs > nowMs - retainMs) addCoarse(coarse, startOf(start, hourMs), window.summary(), rowLimit);
    fine.delete(start);
  }
  for (const [start, summary] of coarse) {
    const endMs = start + hourMs;
    if (endMs + retainMs <= nowMs) {
      coarse.delete(start);
      continue;
    }
    if (endMs + thinAfterMs <= nowMs) coarse.set(start, thinWindow(summary));
    dueMs = Math.min(dueMs, endMs + (endMs + thinAfterMs <= nowMs ? retainMs : Math.min(thinAfterMs, retainMs)));
  }
  windows.dueMs = dueMs;
}

/** Of rows that a merge has left out, only their labels may still be waited for. */
function forgetRows(parts: readonly WindowSummary[], { rows }: WindowSummary): void {
  if (rows === undefined) return;
  const kept = new Set(rows.rows);
  for (const part of parts) for (const row of part.rows?.rows ?? []) if (!kept.has(row)) letGo(row);
}
