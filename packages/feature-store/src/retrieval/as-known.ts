import type { Batch } from "@millwright/contracts";
import { compileAggregates } from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import { valueRange } from "../errors.ts";
import { createJoinResults, type JoinOptions, type JoinResults, newestRow, RESULT_ROWS } from "./point-in-time.ts";
import { type RowMark, type SortedRows, sortedRows } from "./sorted-rows.ts";
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
    const loaded = sortedRows(view, batch);
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
  readonly marks: readonly RowMark[];
  readonly kept: readonly ReturnType<SortedRows["kept"]>[];
  add(loaded: SortedRows, row: number): void;
  clear(): void;
}

function createKnownRows(inputCount: number): KnownRows {
  const times: number[] = [];
  const events: number[] = [];
  const known: number[] = [];
  const leastKnown: number[] = [];
  const inputs = Array.from({ length: inputCount }, (): WindowValue[] => []);
  const marks: RowMark[] = [];
  const kept: ReturnType<SortedRows["kept"]>[] = [];
  const lists: unknown[][] = [times, events, known, leastKnown, marks, kept, ...inputs];
  return {
    get length() {
      return times.length;
    },
    times,
    events,
    known,
    leastKnown,
    inputs,
    marks,
    kept,
    add(loaded, row) {
      const knownUs = loaded.known![row]!;
      times.push(loaded.times[row]!);
      events.push(loaded.events[row]!);
      known.push(knownUs);
      leastKnown.push(Math.min(leastKnown.at(-1) ?? Number.POSITIVE_INFINITY, knownUs));
      marks.push(loaded.markOf(row));
      kept.push(loaded.kept(row));
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
  const kept = aggregates.createRows({ keepRows: false, byRank: true });
  return (rows, label, timeUs) => {
    const newest = newestKnown(rows, timeUs, isStrict);
    if (newest < 0 || timeUs - rows.times[newest]! >= ttlUs) return;
    if (isDeleted(rows, newest, timeUs)) return;
    if (aggregates.names.length > 0) {
      // What is retracted may be the newest row, and then the one before it, however old, says how the entity stands.
      const fromUs = view.retracted === undefined ? timeUs - aggregates.longestUs : Number.NEGATIVE_INFINITY;
      fill(kept, view, rows, { fromUs, knownUs: timeUs });
      if (view.retracted !== undefined && !stands(kept, timeUs, ttlUs)) return;
      aggregates.evaluate(kept, timeUs, values);
    }
    results.add(label, rows.events[newest]!, values);
  };
}

/** Whether there is a row that was neither retracted, nor deleted, nor has expired. */
function stands(kept: EntityRows, timeUs: number, ttlUs: number): boolean {
  const newest = newestRow(kept.rows, timeUs, true);
  if (newest < 0) return false;
  const newestUs = kept.rows.timeAt(newest);
  return timeUs - newestUs < ttlUs && kept.deletedUs(timeUs, true) < newestUs;
}

/** The last row or delete known at a time, at it or before it; strictly before it where the view has windows only. −1 for none. */
function newestKnown(
  { length, times, known, leastKnown, marks }: KnownRows,
  timeUs: number,
  isStrict: boolean,
): number {
  for (let row = length - 1; row >= 0; row--) {
    if (leastKnown[row]! > timeUs) return -1;
    if (known[row]! <= timeUs && marks[row] !== "retraction" && (!isStrict || times[row]! < timeUs)) return row;
  }
  return -1;
}

/** Whether the newest of what is known is a delete, or has one at its own time. */
function isDeleted({ length, times, known, marks }: KnownRows, newest: number, timeUs: number): boolean {
  let first = newest;
  while (first > 0 && times[first - 1] === times[newest]) first--;
  for (let row = first; row < length && times[row] === times[newest]; row++) {
    if (marks[row] === "delete" && known[row]! <= timeUs) return true;
  }
  return false;
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
    const rowUs = rows.times[row]!;
    if (rows.marks[row] === "delete") kept.delete(rowUs);
    else if (rows.marks[row] === "retraction") kept.retract(rowUs, inputs);
    else {
      const overflow = kept.add(rowUs, inputs, rows.kept[row]);
      if (overflow >= 0) throw valueRange(view.name, Object.keys(view.inputs)[overflow]!, inputs[overflow]! as number);
    }
  }
}
