import type { Batch } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import { compileAggregates } from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { valueRange } from "../errors.ts";
import { createJoinResults, type JoinOptions, type JoinResults, RESULT_ROWS } from "./point-in-time.ts";
import { windowInput } from "../definition/source-columns.ts";
import type { EntityRows } from "../windows/entity-rows.ts";
import type { WindowValue } from "../windows/value-column.ts";

/**
 * As `joinPointInTime`, but a row counts for a label only if it was known by then (the bitemporal join): the batches have one more column, `known`
 * (microseconds, int64), from which on a row is known.
 *
 * What was known at a label's time is no prefix of the rows in order of event time, so each label looks back from its newest row; the least `known`
 * of all rows before tells when to stop.
 */
export async function* joinAsKnown(
  view: FeatureView,
  sorted: AsyncIterable<Batch>,
  { keepExpired = false }: JoinOptions = {},
): AsyncGenerator<Batch> {
  const results = createJoinResults(compileAggregates(view));
  const answer = createAnswers(view, results, keepExpired);
  const rows = createKnownRows(compileAggregates(view).inputs.length);
  let entity = -1;
  for await (const batch of sorted) {
    const loaded = load(view, batch);
    for (let row = 0; row < batch.length; row++) {
      if (loaded.entities[row] !== entity) {
        entity = loaded.entities[row]!;
        rows.clear();
      }
      const label = loaded.labels[row]!;
      if (label < 0) rows.add(loaded, row);
      else answer(rows, label, loaded.times[row]!);
      if (results.length === RESULT_ROWS) yield results.take();
    }
  }
  yield results.take();
}

interface Loaded {
  readonly entities: Int32Array;
  readonly times: Float64Array;
  readonly labels: Int32Array;
  readonly events: Int32Array;
  readonly known: Float64Array;
  readonly inputs: readonly ArrayLike<WindowValue>[];
  readonly retracted: readonly unknown[] | undefined;
}

function load(view: FeatureView, batch: Batch): Loaded {
  const integers = (name: string): Int32Array => columnOf(batch, name).values as Int32Array;
  return {
    entities: integers("entity"),
    times: asFloat64(columnOf(batch, "time")),
    labels: integers("label"),
    events: integers("event"),
    known: asFloat64(columnOf(batch, "known")),
    inputs: compileAggregates(view).inputs.map((name, index) =>
      windowInput(view, name, columnOf(batch, `input_${index}`)),
    ),
    retracted: view.retracted === undefined ? undefined : toArray(columnOf(batch, "retracted")),
  };
}

/** The rows of one entity so far, in order of event time and rank. */
interface KnownRows {
  readonly length: number;
  readonly times: readonly number[];
  readonly events: readonly number[];
  readonly known: readonly number[];
  /** The least `known` of the rows up to each. */
  readonly leastKnown: readonly number[];
  /** One list an input. */
  readonly inputs: readonly (readonly WindowValue[])[];
  readonly retracted: readonly boolean[];
  add(loaded: Loaded, row: number): void;
  clear(): void;
}

function createKnownRows(inputCount: number): KnownRows {
  const times: number[] = [];
  const events: number[] = [];
  const known: number[] = [];
  const leastKnown: number[] = [];
  const inputs = Array.from({ length: inputCount }, (): WindowValue[] => []);
  const retracted: boolean[] = [];
  const lists: unknown[][] = [times, events, known, leastKnown, retracted, ...inputs];
  return {
    get length() {
      return times.length;
    },
    times,
    events,
    known,
    leastKnown,
    inputs,
    retracted,
    add(loaded, row) {
      times.push(loaded.times[row]!);
      events.push(loaded.events[row]!);
      known.push(loaded.known[row]!);
      leastKnown.push(Math.min(leastKnown.at(-1) ?? Number.POSITIVE_INFINITY, loaded.known[row]!));
      retracted.push(loaded.retracted?.[row] === true);
      inputs.forEach((list, index) => list.push(loaded.inputs[index]![row]!));
    },
    clear() {
      for (const list of lists) list.length = 0;
    },
  };
}

/** Answers a label from the rows before it that were known. */
function createAnswers(
  view: FeatureView,
  results: JoinResults,
  keepExpired: boolean,
): (rows: KnownRows, label: number, timeUs: number) => void {
  const aggregates = compileAggregates(view);
  const ttlUs = view.ttlMs === undefined || keepExpired ? Number.POSITIVE_INFINITY : view.ttlMs * 1000;
  const isStrict = Object.keys(view.features).length === 0;
  const values = aggregates.createResults();
  const kept = aggregates.createRows({ keepRows: false });
  return (rows, label, timeUs) => {
    const newest = newestKnown(rows, timeUs, isStrict);
    if (newest < 0 || timeUs - rows.times[newest]! >= ttlUs) return;
    if (aggregates.names.length > 0) {
      fill(kept, view, rows, { fromUs: timeUs - aggregates.longestUs, knownUs: timeUs });
      aggregates.evaluate(kept, timeUs, values);
    }
    results.add(label, rows.events[newest]!, values);
  };
}

/** The last row known at a time, at it or before it; strictly before it where the view has windows only. −1 for none. */
function newestKnown(
  { length, times, known, leastKnown, retracted }: KnownRows,
  timeUs: number,
  isStrict: boolean,
): number {
  for (let row = length - 1; row >= 0; row--) {
    if (leastKnown[row]! > timeUs) return -1;
    if (known[row]! <= timeUs && retracted[row] !== true && (!isStrict || times[row]! < timeUs)) return row;
  }
  return -1;
}

interface Wanted {
  readonly fromUs: number;
  readonly knownUs: number;
}

/** Puts the known rows that windows may reach, and no others, into the entity's. */
function fill(kept: EntityRows, view: FeatureView, rows: KnownRows, { fromUs, knownUs }: Wanted): void {
  kept.clear();
  let first = rows.length;
  while (first > 0 && rows.times[first - 1]! >= fromUs) first--;
  const inputs: WindowValue[] = [];
  for (let row = first; row < rows.length; row++) {
    if (rows.known[row]! > knownUs) continue;
    for (let input = 0; input < rows.inputs.length; input++) inputs[input] = rows.inputs[input]![row]!;
    if (rows.retracted[row] === true) kept.retract(rows.times[row]!, inputs);
    else {
      const overflow = kept.add(rows.times[row]!, inputs);
      if (overflow >= 0) throw valueRange(view.name, Object.keys(view.inputs)[overflow]!, inputs[overflow]! as number);
    }
  }
}
