import type { Schema } from "@millwright/contracts";
import { compileAggregates, type AggregateResults, type CompiledAggregates } from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { type BlobReader, createBlobReader, type Section, type SectionMark, withSection } from "./entity-blob.ts";
import { decodeProgress, encodeProgress, type EntityProgress, NO_PROGRESS } from "./entity-progress.ts";
import { onlineCorrupt } from "./keyed-errors.ts";
import type { OnlineRecord, OnlineRow, OnlineValue } from "../online/online-store.ts";
import { createOnlineView, type OnlineReading, type OnlineView } from "../online/online-view.ts";
import { addKept, rowsFrom } from "../online/online-load.ts";
import { layoutOf, markOf, type RowLayout } from "../online/row-layout.ts";
import { outranks } from "../online/row-rank.ts";
import {
  decodeSection,
  encodeSection,
  entityRowsOf,
  generationAt,
  NO_ROWS,
  recordsOf,
  type EntityRows,
} from "./row-section.ts";
import { keySchema } from "../definition/source-columns.ts";

/** A view whose rows stand in a keyed store, entity by entity. */
export interface KeyedView {
  readonly view: FeatureView;
  /** The group its entities stand in. */
  readonly group: string;
  readonly layout: RowLayout;
  readonly aggregates: CompiledAggregates;
  /** What stands in for the features of a view without windows; null where nothing does. */
  readonly defaults: readonly OnlineValue[];
  readonly keySchema: Schema;
  /** Whether an entity's newest row is all that reads need, and windows nothing. */
  readonly isPlain: boolean;
  /** What is kept of an entity. Throws `FEATURE_STORE_ONLINE_CORRUPT`, `FEATURE_STORE_DEFINITION_CHANGED`. */
  rowsOf(key: string, bytes: Uint8Array | undefined): EntityRows;
  /** Which load from the history an entity went through last; −1 where nothing is kept of it. */
  generationOf(key: string, bytes: Uint8Array): number;
  /** What of the history the entity has. Entries with the same bytes of it, one after the other, give the same object. */
  progressOf(key: string, bytes: Uint8Array | undefined): EntityProgress;
  /** The section that says so; undefined where there is nothing to say. */
  progressSection(progress: EntityProgress): Section | undefined;
  /** Whether anything of this view is in an entry: rows, or progress. */
  hasAny(key: string, bytes: Uint8Array): boolean;
  /** Whether nothing but what is kept of this view is in an entry. */
  isAlone(key: string, bytes: Uint8Array): boolean;
  /** The entity's bytes with other rows of this view, and other progress where that is given, which stays without rows too; null where nothing is left. */
  withRows(current: Uint8Array | undefined, rows: EntityRows, progress?: EntityProgress): Uint8Array | null;
  /**
   * What is to be kept after rows were added. Throws `FEATURE_STORE_VALUE_RANGE`.
   * @param floorUs Of the rows before it, only those that count may be among them. Default: no time is.
   */
  adding(kept: EntityRows, rows: readonly OnlineRow[], floorUs?: number): EntityRows;
  /** What is kept of the rows from a time on, with those of a history before it; and how many rows from that time on were kept. */
  loading(kept: EntityRows, history: LoadedRows): { readonly after: EntityRows; readonly keptRows: number };
  /** Where an entity's rows can be told apart from those before: the time, or an earlier one. */
  boundaryAt(kept: EntityRows, timeUs: number): number;
  newest(key: string, kept: EntityRows): OnlineRow | undefined;
  /** Writes the aggregates to `results`. Throws `FEATURE_STORE_TIME_TOO_OLD`. */
  read(key: string, kept: EntityRows, timeUs: number, results: AggregateResults): OnlineReading;
}

/** Rows of an entity out of the history. */
export interface LoadedRows {
  readonly rows: readonly OnlineRow[];
  readonly upToUs: number;
  /** Rows before it were left out, but for the newest; undefined where the history has none of the entity. */
  readonly floorUs: number | undefined;
  readonly generation: number;
}

export function createKeyedView(view: FeatureView, latenessMs: number): KeyedView {
  const layout = layoutOf(view);
  const aggregates = compileAggregates(view);
  const isPlain = aggregates.names.length === 0 && Object.keys(view.features).length > 0;
  const group = view.entity.name;
  const progressMark = progressMarkOf(view);
  const stateOf = (records: Iterable<OnlineRecord>): OnlineView => {
    const state = createOnlineView(view, { latenessMs, aggregates });
    state.add(records);
    return state;
  };
  const kept = (rows: readonly OnlineRow[], before: EntityRows): EntityRows =>
    plainRows(view, rows, before, latenessMs * 1000);
  return {
    view,
    group,
    layout,
    aggregates,
    isPlain,
    defaults: Object.keys(view.features).map((name) => view.defaults[name] ?? null),
    keySchema: keySchema(view),
    ...entryReader(view, layout),
    progressSection(progress) {
      const bytes = encodeProgress(progress);
      return bytes === null ? undefined : { mark: progressMark, bytes };
    },
    withRows(current, rows, progress) {
      const bytes = withSection(current, layout.mark, encodeSection(layout, rows));
      return withProgress(bytes, progressMark, progress);
    },
    adding(before, rows, floorUs = Number.NEGATIVE_INFINITY) {
      if (isPlain) {
        return kept([...before.rows, ...rows], { ...before, floorUs: Math.max(before.floorUs, floorUs) });
      }
      const state = stateOf(recordsOf(before));
      if (Number.isFinite(floorUs)) state.add([{ floorUs }]);
      state.check(rows);
      state.add(rows);
      return entityRowsOf(layout, state.records(), before.generation);
    },
    loading(before, { rows, upToUs, floorUs, generation }) {
      const history = { ...NO_ROWS, floorUs: floorUs ?? Number.NEGATIVE_INFINITY, generation };
      if (isPlain) {
        const later = before.rows.filter(({ timeUs }) => timeUs >= upToUs);
        const known = before.floorUs > upToUs ? { ...history, floorUs: before.floorUs } : history;
        return { after: kept([...rows, ...later], known), keptRows: later.length };
      }
      const state = stateOf(recordsOf({ ...history, rows }));
      const keptRows = addKept(state, rowsFrom(stateOf(recordsOf(before)), upToUs));
      return { after: entityRowsOf(layout, state.records(), generation), keptRows };
    },
    boundaryAt: (before, timeUs) => stateOf(recordsOf(before)).boundaryAt(timeUs),
    newest: (key, before) => (isPlain ? before.rows.at(-1) : stateOf(recordsOf(before)).newest(key)),
    read: (key, before, timeUs, results) => stateOf(recordsOf(before)).read(key, timeUs, results),
  };
}

const progressMarkOf = ({ id }: FeatureView): SectionMark => markOf(`progress/${id}`);

function entryReader(
  view: FeatureView,
  layout: RowLayout,
): Pick<KeyedView, "rowsOf" | "generationOf" | "progressOf" | "hasAny" | "isAlone"> {
  const group = view.entity.name;
  const progressMark = progressMarkOf(view);
  const reader = createBlobReader();
  const progressIn = createProgressReader(reader, progressMark);
  const where = (key: string): string => `The online entry "${key}" of "${group}"`;
  const inEntry = <Result>(key: string, bytes: Uint8Array, work: (section: number) => Result): Result => {
    try {
      reader.open(bytes, () => where(key));
      return work(reader.find(layout.mark));
    } catch (error) {
      throw entryError(error, group, key);
    }
  };
  const ownSections = (at: number): number => (at < 0 ? 0 : 1) + (reader.find(progressMark) < 0 ? 0 : 1);
  return {
    rowsOf(key, bytes) {
      if (bytes === undefined) return NO_ROWS;
      return inEntry(key, bytes, (at) => (at < 0 ? NO_ROWS : decodeSection(layout, key, reader.view, at)));
    },
    generationOf: (key, bytes) => inEntry(key, bytes, (at) => (at < 0 ? -1 : generationAt(reader.view, at))),
    progressOf: (key, bytes) => (bytes === undefined ? NO_PROGRESS : inEntry(key, bytes, progressIn)),
    hasAny: (key, bytes) => inEntry(key, bytes, (at) => ownSections(at) > 0),
    isAlone: (key, bytes) => inEntry(key, bytes, (at) => reader.sections === ownSections(at)),
  };
}

/** Reads the progress in the open entry. Entities that came in together mostly have the same. */
function createProgressReader(reader: BlobReader, mark: SectionMark): () => EntityProgress {
  let lastBytes = new Uint8Array(0);
  let last = NO_PROGRESS;
  return () => {
    const at = reader.find(mark);
    if (at < 0) return NO_PROGRESS;
    const { view } = reader;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, 4 + view.getUint32(at, true));
    if (bytes.length === lastBytes.length && bytes.every((byte, index) => byte === lastBytes[index])) return last;
    last = decodeProgress(view, at);
    lastBytes = bytes.slice();
    return last;
  };
}

/** The entity's bytes with other progress, where that is given. */
function withProgress(
  bytes: Uint8Array | null,
  mark: SectionMark,
  progress: EntityProgress | undefined,
): Uint8Array | null {
  return progress === undefined ? bytes : withSection(bytes ?? undefined, mark, encodeProgress(progress));
}

/** What reading bytes that are no entry comes to. */
export function entryError(error: unknown, group: string, key: string): unknown {
  if (!(error instanceof RangeError || error instanceof SyntaxError)) return error;
  return onlineCorrupt(group, key, error.message);
}

/**
 * Of a view without windows: one row for each pair of event and created time, the one that counts, by rank. Kept are those that a read for up to
 * the lateness before the newest may ask for, and the newest before them.
 */
function plainRows(view: FeatureView, rows: readonly OnlineRow[], before: EntityRows, latenessUs: number): EntityRows {
  const ranked: OnlineRow[] = [];
  for (const row of rows) {
    let at = ranked.length;
    while (at > 0 && outranks(view, ranked[at - 1]!, row) && !isSameRank(ranked[at - 1]!, row)) at--;
    if (at === 0 || !isSameRank(ranked[at - 1]!, row)) ranked.splice(at, 0, row);
    else if (view.ties === "last") ranked[at - 1] = row;
  }
  const newest = ranked.at(-1);
  if (newest === undefined) return { ...before, rows: ranked };
  const oldestUs = newest.timeUs - latenessUs;
  let first = ranked.length - 1;
  while (first > 0 && ranked[first]!.timeUs > oldestUs) first--;
  return first === 0
    ? { ...before, rows: ranked }
    : { ...before, rows: ranked.slice(first), floorUs: Math.max(before.floorUs, ranked[first]!.timeUs) };
}

const isSameRank = (one: OnlineRow, other: OnlineRow): boolean =>
  one.timeUs === other.timeUs && one.createdUs === other.createdUs;
