import { asFloat64, columnOf, numericColumn, toArray } from "@millwright/data";
import type { Batch, Column } from "@millwright/contracts";
import {
  columnOfOthers,
  compileAggregates,
  type AggregateResults,
  type CompiledAggregates,
} from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { valueRange } from "../errors.ts";
import type { EventWindow } from "../online/event-window.ts";
import { windowInput } from "../definition/source-columns.ts";
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
 * The batches have the columns `entity` (int32), `time` (microseconds, int64), `label` (int32: the label's number, −1 for a row of the view),
 * `event` (int32: the number of the view's row), `retracted` (bool, where the view has retractions) and the view's inputs; they come sorted by entity, then time, then rows of the view before
 * labels, then the order in which one row outranks another. So the last row seen before a label is the newest one at or before its time
 * (the as-of join), and the rows seen so far hold all windows before it.
 *
 * Gives, for each label whose newest row is there and has not expired: `label`, `event` (that row's number) and the aggregates.
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

interface Loaded {
  readonly entities: Int32Array;
  readonly times: Float64Array;
  readonly labels: Int32Array;
  readonly events: Int32Array;
  readonly inputs: readonly ArrayLike<WindowValue>[];
  readonly retracted: readonly unknown[] | undefined;
}

function createPass(view: FeatureView, keepExpired: boolean): Pass {
  const aggregates = compileAggregates(view);
  const kept = aggregates.createRows({ keepRows: false });
  const window = kept.rows;
  const results = createJoinResults(aggregates);
  const values = aggregates.createResults();
  const hasTexts = Object.values(view.inputs).includes("utf8");
  const inputs: WindowValue[] | Float64Array = hasTexts ? [] : new Float64Array(aggregates.inputs.length);
  const ttlUs = view.ttlMs === undefined || keepExpired ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
  const isStrict = Object.keys(view.features).length === 0;
  let loaded: Loaded | undefined;
  let entity = -1;
  let event = -1;

  const answer = (label: number, timeUs: number): void => {
    const newest = newestRow(window, timeUs, isStrict);
    if (newest < 0) return;
    if (timeUs - window.timeAt(newest) >= ttlUs) return;
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
      loaded = loadSorted(view, aggregates, batch);
    },
    step(row) {
      const { entities, times, labels, events, inputs: columns, retracted } = loaded!;
      if (entities[row] !== entity) {
        entity = entities[row]!;
        event = -1;
        kept.clear();
      }
      if (labels[row]! >= 0) {
        answer(labels[row]!, times[row]!);
        return;
      }
      event = events[row]!;
      for (let input = 0; input < columns.length; input++) inputs[input] = columns[input]![row]!;
      if (retracted?.[row] === true) {
        kept.retract(times[row]!, inputs);
        return;
      }
      const overflow = kept.add(times[row]!, inputs);
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

function loadSorted(view: FeatureView, aggregates: CompiledAggregates, batch: Batch): Loaded {
  const integers = (name: string): Int32Array => columnOf(batch, name).values as Int32Array;
  return {
    entities: integers("entity"),
    times: asFloat64(columnOf(batch, "time")),
    labels: integers("label"),
    events: integers("event"),
    inputs: aggregates.inputs.map((name, index) => windowInput(view, name, columnOf(batch, `input_${index}`))),
    retracted: view.retracted === undefined ? undefined : toArray(columnOf(batch, "retracted")),
  };
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
  const isNumber = types.map((type) => type === "int32" || type === "float64");
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
            ? nullWhereNaN(numbers[index]!.slice(0, length))
            : columnOfOthers(type, others[index]!.splice(0));
      });
      const batch: Batch = { length, columns };
      length = 0;
      return batch;
    },
  };
}

/** A column of floats in which NaN stands for null. */
export function nullWhereNaN(values: Float64Array): Column {
  let validity: Uint8Array | undefined;
  for (let row = 0; row < values.length; row++) {
    if (!Number.isNaN(values[row])) continue;
    validity ??= new Uint8Array((values.length + 7) >> 3).fill(255);
    validity[row >> 3]! &= ~(1 << (row & 7));
  }
  return validity === undefined
    ? { type: "float64", length: values.length, values }
    : { type: "float64", length: values.length, values, validity };
}
