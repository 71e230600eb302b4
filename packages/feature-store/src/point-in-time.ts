import { asFloat64, columnOf, numericColumn } from "@millwright/data";
import type { Batch, Column } from "@millwright/contracts";
import { compileAggregates, type CompiledAggregates } from "./aggregates.ts";
import type { FeatureView } from "./definition.ts";
import { valueRange } from "./errors.ts";
import { createEventWindow, type EventWindow } from "./event-window.ts";
import { scaledInput } from "./source-columns.ts";

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
 * `event` (int32: the number of the view's row) and the view's inputs; they come sorted by entity, then time, then rows of the view before
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
  readonly inputs: readonly Float64Array[];
}

function createPass(view: FeatureView, keepExpired: boolean): Pass {
  const aggregates = compileAggregates(view);
  const window = createEventWindow(aggregates.inputs.length);
  const results = createJoinResults(aggregates);
  const values = new Float64Array(aggregates.names.length);
  const inputs = new Float64Array(aggregates.inputs.length);
  const ttlUs = view.ttlMs === undefined || keepExpired ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
  const isStrict = Object.keys(view.features).length === 0;
  let loaded: Loaded | undefined;
  let entity = -1;
  let event = -1;

  const answer = (label: number, timeUs: number): void => {
    const newest = newestRow(window, timeUs, isStrict);
    if (newest < 0) return;
    if (timeUs - window.timeAt(newest) >= ttlUs) return;
    aggregates.evaluate(window, timeUs, values);
    results.add(label, event, values);
    // Labels of an entity come in order of time: no later one looks back further.
    window.dropBefore(timeUs - aggregates.longestUs);
  };
  return {
    get results() {
      return results.length;
    },
    load(batch) {
      loaded = loadSorted(view, aggregates, batch);
    },
    step(row) {
      const { entities, times, labels, events, inputs: columns } = loaded!;
      if (entities[row] !== entity) {
        entity = entities[row]!;
        event = -1;
        window.clear();
      }
      if (labels[row]! >= 0) {
        answer(labels[row]!, times[row]!);
        return;
      }
      event = events[row]!;
      for (let input = 0; input < inputs.length; input++) inputs[input] = columns[input]![row]!;
      const overflow = window.add(times[row]!, inputs);
      if (overflow >= 0) throw valueRange(view.name, aggregates.inputs[overflow]!, inputs[overflow]!);
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
    inputs: aggregates.inputs.map((name, index) => scaledInput(view, name, columnOf(batch, `input_${index}`))),
  };
}

/** What a join has found, until it is taken. */
export interface JoinResults {
  readonly length: number;
  add(label: number, event: number, values: Float64Array): void;
  take(): Batch;
}

export function createJoinResults({ names }: Pick<CompiledAggregates, "names">): JoinResults {
  const labels = new Int32Array(RESULT_ROWS);
  const events = new Int32Array(RESULT_ROWS);
  const values = names.map(() => new Float64Array(RESULT_ROWS));
  let length = 0;
  return {
    get length() {
      return length;
    },
    add(label, event, row) {
      labels[length] = label;
      events[length] = event;
      for (let index = 0; index < values.length; index++) values[index]![length] = row[index]!;
      length++;
    },
    take() {
      const columns: Record<string, Column> = {
        label: numericColumn("int32", labels.slice(0, length)),
        event: numericColumn("int32", events.slice(0, length)),
      };
      values.forEach((each, index) => {
        columns[`aggregate_${index}`] = nullWhereNaN(each.slice(0, length));
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
