import type { Batch, Column, Random } from "@millwright/contracts";
import { isNumeric, valueAt } from "@millwright/data";
import {
  byPriority,
  type Cell,
  type CellKind,
  emptyRows,
  letGo,
  type RowColumn,
  type RowLayout,
  type RowSample,
  type SampledRow,
} from "./row-sample.ts";

/** Rows of one or more requests, one after another. */
export interface RowsSeen {
  readonly requestIds: readonly string[];
  /** Rows of each request. */
  readonly rowCounts: ArrayLike<number>;
  /** As the redactor leaves them. */
  readonly features: Batch | undefined;
  /** Left out where they have another number of rows than the features. */
  readonly outputs: Batch | undefined;
}

/** Draws a uniform sample of a stream of rows. */
export interface RowSampler {
  /** @param taken Gets the rows that came into the sample; some of them may have left it again. */
  offer(seen: RowsSeen, taken: SampledRow[]): void;
  sample(): RowSample;
}

/** Most columns of a row's features, and of its outputs: what is beyond is not kept. */
const mostColumns = 256;
/** Longer texts are cut, in UTF-16 units. */
const longestText = 256;

/** @param limit Most rows, at least 1. @param random A stream of its own. */
export function createRowSampler(limit: number, random: Random): RowSampler {
  // A heap: none is before its parent, so the first has the largest priority.
  const heap: SampledRow[] = [];
  let layout: RowLayout | undefined;
  let known: RowSample | undefined = emptyRows;
  const take = (row: SampledRow): void => {
    known = undefined;
    if (heap.length < limit) return rise(heap, row);
    letGo(heap[0] as SampledRow);
    sink(heap, row);
  };
  return {
    offer(seen, taken) {
      const { requestIds, rowCounts, features, outputs } = seen;
      const length = features?.length ?? outputs?.length ?? 0;
      let read: ((at: number) => Cell[]) | undefined;
      let request = 0;
      let row = 0;
      for (let at = 0; at < length; at += 1, row += 1) {
        while (row >= (rowCounts[request] ?? Infinity)) {
          request += 1;
          row = 0;
        }
        const priority = random.next();
        if (heap.length === limit && priority >= (heap[0] as SampledRow).priority) continue;
        if (read === undefined) {
          const reader = readerOf(seen, length);
          layout = layout !== undefined && isAlike(layout, reader.layout) ? layout : reader.layout;
          read = reader.read;
        }
        const requestId = requestIds[request] ?? "";
        const sampled = { priority, requestId, row, layout: layout as RowLayout, cells: read(at), label: undefined };
        take(sampled);
        taken.push(sampled);
      }
    },
    sample: () =>
      (known ??= {
        below: heap.length < limit ? 1 : (heap[0] as SampledRow).priority,
        rows: heap.toSorted(byPriority),
        missing: 0,
      }),
  };
}

function rise(heap: SampledRow[], row: SampledRow): void {
  let at = heap.push(row) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as SampledRow;
    if (parent.priority >= row.priority) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = row;
}

/** Puts a row in the place of the first. */
function sink(heap: SampledRow[], row: SampledRow): void {
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    const [left, right] = [heap[below] as SampledRow, heap[below + 1]];
    if (right !== undefined && right.priority > left.priority) below += 1;
    const larger = heap[below] as SampledRow;
    if (larger.priority <= row.priority) break;
    heap[at] = larger;
    at = below;
  }
  heap[at] = row;
}

function readerOf(
  { features, outputs }: RowsSeen,
  length: number,
): { readonly layout: RowLayout; readonly read: (at: number) => Cell[] } {
  const parts = [features, outputs].map((batch) =>
    batch === undefined || batch.length !== length ? [] : columnsOf(batch),
  );
  const readers = parts.flat().map(({ kind, column }) => cellReader(kind, column));
  const [ofFeatures, ofOutputs] = parts.map((part) => part.map(({ name, kind }): RowColumn => ({ name, kind })));
  return {
    layout: { features: ofFeatures ?? [], outputs: ofOutputs ?? [] },
    read: (at) => readers.map((read) => read(at)),
  };
}

function columnsOf(batch: Batch): (RowColumn & { readonly column: Column })[] {
  const columns: (RowColumn & { readonly column: Column })[] = [];
  for (const name in batch.columns) {
    const column = batch.columns[name] as Column;
    const kind = kindOf(column);
    if (kind !== undefined && columns.push({ name, kind, column }) === mostColumns) break;
  }
  return columns;
}

function kindOf({ type }: Column): CellKind | undefined {
  if (type === "utf8" || type === "dictionary") return "text";
  if (type === "bool") return "bool";
  return type === "list" || type === "binary" || type === "timestamp" || type === "date" ? undefined : "number";
}

function cellReader(kind: CellKind, column: Column): (at: number) => Cell {
  if (kind === "text") return (at) => cutText(valueAt(column, at) as string | null);
  if (kind === "bool") return (at) => valueAt(column, at) as boolean | null;
  if (isNumeric(column) && column.validity === undefined) return (at) => Number(column.values[at]);
  return (at) => {
    const value = valueAt(column, at);
    return value === null ? null : Number(value);
  };
}

/** A part of a text keeps the whole in memory: it is copied. */
const cutText = (text: string | null): string | null =>
  text === null || text.length <= longestText ? text : Buffer.from(text.slice(0, longestText)).toString();

const isAlike = (a: RowLayout, b: RowLayout): boolean =>
  areAlike(a.features, b.features) && areAlike(a.outputs, b.outputs);

const areAlike = (a: readonly RowColumn[], b: readonly RowColumn[]): boolean =>
  a.length === b.length && a.every(({ name, kind }, at) => name === b[at]?.name && kind === b[at].kind);
