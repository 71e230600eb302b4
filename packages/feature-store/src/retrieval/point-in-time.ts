import { numericColumn } from "@millwright/data";
import type { Batch, Column } from "@millwright/contracts";
import { compileAggregates, type AggregateResults, type CompiledAggregates } from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { valueRange } from "../errors.ts";
import type { EventWindow } from "../online/event-window.ts";
import { type SortedRows, sortedRows } from "./sorted-rows.ts";
import { columnOfNumbers, columnOfOthers, isNumberResult } from "../windows/result-column.ts";
import type { WindowValue } from "../windows/value-column.ts";

/** Rows of a batch of results. */
export const RESULT_ROWS = 65_536;

export interface JoinOptions {
  /** Whether labels whose newest row has outlived the view's time to live are given as well. Default: false. */
  readonly keepExpired?: boolean | undefined;
}

/**
 * Joins labels to a view's rows in one pass over both, sorted together.
 *
 * The batches are what `SortedRows` says; they come sorted by entity, then time, then rows of the view before labels, then the order in which one row outranks
 * another. So the last row seen before a label is the newest one at or before its time (the as-of join), and the rows seen so far hold all windows before it.
 *
 * Gives, for each label whose newest row is there, and has not expired or been deleted: `label`, `event` (that row's number) and the aggregates.
 */
export async function* joinPointInTime(
  view: FeatureView,
  sorted: AsyncIterable<Batch>,
  { keepExpired = false }: JoinOptions = {},
): AsyncGenerator<Batch> {
  const pass = createPass(view, keepExpired);
  for await (const batch of sorted) {
    pass.load(batch);
    for (let row = 0; row < batch.length; row++) {
      pass.step(row);
      if (pass.results === RESULT_ROWS) yield pass.take();
    }
  }
  yield pass.take();
}

interface Pass {
  readonly results: number;
  load(batch: Batch): void;
  step(row: number): void;
  take(): Batch;
}

function createPass(view: FeatureView, keepExpired: boolean): Pass {
  const aggregates = compileAggregates(view);
  const kept = aggregates.createRows({ keepRows: false, byRank: true });
  const window = kept.rows;
  const results = createJoinResults(aggregates);
  const values = aggregates.createResults();
  const hasTexts = Object.values(view.inputs).includes("utf8");
  const inputs: WindowValue[] | Float64Array = hasTexts ? [] : new Float64Array(aggregates.inputs.length);
  const ttlUs = view.ttlMs === undefined || keepExpired ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
  const isStrict = Object.keys(view.features).length === 0;
  let loaded: SortedRows | undefined;
  let entity = -1;
  let event = -1;

  const answer = (label: number, timeUs: number): void => {
    const newest = newestRow(window, timeUs, isStrict);
    if (newest < 0) return;
    const newestUs = window.timeAt(newest);
    if (timeUs - newestUs >= ttlUs || kept.deletedUs(timeUs, isStrict) >= newestUs) return;
    aggregates.evaluate(kept, timeUs, values);
    results.add(label, event, values);
    // Labels of an entity come in order of time: no later one looks back further.
    kept.foldBefore(timeUs - aggregates.rowsUs);
    if (aggregates.tiles !== undefined) kept.tiles!.dropBefore(timeUs - aggregates.tiles.reachUs);
  };
  return {
    get results() {
      return results.length;
    },
    load(batch) {
      loaded = sortedRows(view, batch);
    },
    step(row) {
      const { entities, times, labels, events, inputs: columns } = loaded!;
      if (entities[row] !== entity) {
        entity = entities[row]!;
        event = -1;
        kept.clear();
      }
      if (labels[row]! >= 0) {
        answer(labels[row]!, times[row]!);
        return;
      }
      const timeUs = times[row]!;
      const mark = loaded!.markOf(row);
      if (mark === "delete") return kept.delete(timeUs);
      event = events[row]!;
      for (let input = 0; input < columns.length; input++) inputs[input] = columns[input]![row]!;
      if (mark === "retraction") return kept.retract(timeUs, inputs);
      const overflow = kept.add(timeUs, inputs, loaded!.kept(row));
      if (overflow >= 0) throw valueRange(view.name, aggregates.inputs[overflow]!, inputs[overflow]! as number);
    },
    take: () => results.take(),
  };
}

/** The last row at a time, or, where a view has windows only, strictly before it, as windows are; −1 for none. */
export function newestRow(window: EventWindow, timeUs: number, isStrict: boolean): number {
  // Times are whole microseconds, so what is before the next one is at this one or before.
  return window.countBefore(isStrict ? timeUs : timeUs + 1) - 1;
}

/** What a join has found, until it is taken. */
export interface JoinResults {
  readonly length: number;
  add(label: number, event: number, values: AggregateResults): void;
  take(): Batch;
}

export function createJoinResults({ types }: Pick<CompiledAggregates, "types">): JoinResults {
  const labels = new Int32Array(RESULT_ROWS);
  const events = new Int32Array(RESULT_ROWS);
  const isNumber = types.map(isNumberResult);
  const numbers = types.map((_, index) => new Float64Array(isNumber[index] === true ? RESULT_ROWS : 0));
  const others: unknown[][] = types.map(() => []);
  let length = 0;
  return {
    get length() {
      return length;
    },
    add(label, event, row) {
      labels[length] = label;
      events[length] = event;
      for (let index = 0; index < types.length; index++) {
        if (isNumber[index] === true) numbers[index]![length] = row.numbers[index]!;
        else others[index]!.push(row.others[index]);
      }
      length++;
    },
    take() {
      const columns: Record<string, Column> = {
        label: numericColumn("int32", labels.slice(0, length)),
        event: numericColumn("int32", events.slice(0, length)),
      };
      types.forEach((type, index) => {
        columns[`aggregate_${index}`] =
          isNumber[index] === true
            ? columnOfNumbers(type, numbers[index]!.slice(0, length))
            : columnOfOthers(type, others[index]!.splice(0));
      });
      const batch: Batch = { length, columns };
      length = 0;
      return batch;
    },
  };
}
