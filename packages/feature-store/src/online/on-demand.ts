import type { Batch, Clock, Column, OnDemandStatus } from "@millwright/contracts";
import { asFloat64, column, columnOf, toArray } from "@millwright/data";
import type { FeatureType } from "../definition/definition.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import { onDemandFailed } from "../errors.ts";
import type { OnDemandFeatures } from "../definition/on-demand-definition.ts";

type Row = Readonly<Record<string, unknown>>;
type Columns = Readonly<Record<string, Column>>;

/** What was computed of some rows. */
export interface Computed {
  readonly columns: Columns;
  /** Of features that are waited for. */
  readonly status: readonly OnDemandStatus[] | undefined;
}

/** Computes features of rows for online reads. */
export interface OnDemand {
  /**
   * @param batch The request inputs and the stored features.
   * @param scope Stands for the request: what was computed in it from equal inputs is not computed again.
   */
  compute(features: OnDemandFeatures, batch: Batch, scope: object): Promise<Computed>;
}

/** Rows of training sets that are waited for at once. */
const ROWS_AT_ONCE = 64;

interface Remembered {
  /** By input, then by row. */
  readonly inputs: readonly (readonly unknown[])[];
  readonly computed: Promise<Computed>;
}

export function createOnDemand({ clock }: { readonly clock: Clock }): OnDemand {
  const requests = new WeakMap<object, Map<OnDemandFeatures, Remembered[]>>();
  const rememberedIn = (scope: object, features: OnDemandFeatures): Remembered[] => {
    let request = requests.get(scope);
    if (request === undefined) requests.set(scope, (request = new Map()));
    let remembered = request.get(features);
    if (remembered === undefined) request.set(features, (remembered = []));
    return remembered;
  };
  return {
    compute(features, batch, scope) {
      const inputs = inputsOf(features, batch);
      const remembered = rememberedIn(scope, features);
      // The batches of a request may be used again for another one: only equal values give what was computed of them.
      const known = remembered.find((each) => areEqual(each.inputs, inputs));
      if (known !== undefined) return known.computed;
      const rows = rowsOf(features, inputs, batch.length);
      const computed = computeRows(features, rows, clock);
      remembered.push({ inputs, computed });
      return computed;
    },
  };
}

/** The on-demand features of labels beside their stored features: waits for all of them. Throws `FEATURE_STORE_ON_DEMAND_FAILED`. */
export async function computeForHistory(
  service: FeatureService,
  batch: Batch,
  signal: AbortSignal | undefined,
): Promise<Columns> {
  const columns: Record<string, Column> = {};
  for (const features of service.onDemand) {
    const rows = rowsOf(features, inputsOf(features, batch), batch.length);
    const run = runOf(features);
    const results: Row[] = [];
    if (features.waiting === undefined) for (const row of rows) results.push(run(row));
    else {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
        signal?.throwIfAborted();
        const some = rows.slice(from, from + ROWS_AT_ONCE);
        results.push(...(await Promise.all(some.map((row) => awaited(features, row, signal)))));
      }
    }
    Object.assign(columns, columnsOf(features, results));
  }
  return columns;
}

async function computeRows(features: OnDemandFeatures, rows: readonly Row[], clock: Clock): Promise<Computed> {
  if (features.waiting !== undefined) return await computeInTime(features, rows, features.waiting.timeoutMs, clock);
  return { columns: columnsOf(features, rows.map(runOf(features))), status: undefined };
}

async function computeInTime(
  features: OnDemandFeatures,
  rows: readonly Row[],
  timeoutMs: number,
  clock: Clock,
): Promise<Computed> {
  const results = rows.map((): Row | undefined => undefined);
  const work = new AbortController();
  const timer = new AbortController();
  const all = Promise.all(
    rows.map(async (row, index) => {
      results[index] = await awaited(features, row, work.signal);
    }),
  );
  // What fails after the time is over has no one left to hear of it.
  all.catch(() => {});
  const timeout = clock.sleep(timeoutMs, { signal: timer.signal }).catch(() => {});
  try {
    await Promise.race([all, timeout]);
  } finally {
    timer.abort();
    work.abort(new DOMException(`"${features.name}" was given up after ${timeoutMs} ms.`, "TimeoutError"));
  }
  const status = results.map((result): OnDemandStatus => (result === undefined ? "timedOut" : "computed"));
  return {
    columns: columnsOf(
      features,
      results.map((result) => result ?? features.waiting!.defaults),
    ),
    status,
  };
}

async function awaited(features: OnDemandFeatures, row: Row, signal: AbortSignal | undefined): Promise<Row> {
  const compute = features.compute as unknown as (row: Row, options: { signal?: AbortSignal }) => Promise<Row>;
  try {
    return await compute(row, signal === undefined ? {} : { signal });
  } catch (error) {
    throw onDemandFailed(features.name, error);
  }
}

const runOf = ({ compute }: OnDemandFeatures): ((row: Row) => Row) => {
  const run = compute as unknown as (row: Row) => Row;
  return (row) => run(row);
};

const typesOf = ({ inputs, stored }: OnDemandFeatures): Readonly<Record<string, FeatureType>> => ({
  ...inputs,
  ...stored,
});

/** By input, what the function gets: timestamps as milliseconds with fractions, the rest as JavaScript has it. */
function inputsOf(features: OnDemandFeatures, batch: Batch): readonly (readonly unknown[])[] {
  return Object.entries(typesOf(features)).map(([name, type]) => {
    const values = columnOf(batch, name);
    if (type !== "timestamp") return toArray(values);
    return Array.from(asFloat64(values), (us) => (Number.isNaN(us) ? null : us / 1000));
  });
}

function rowsOf(features: OnDemandFeatures, inputs: readonly (readonly unknown[])[], length: number): Row[] {
  const names = Object.keys(typesOf(features));
  return Array.from({ length }, (_, row) => {
    const values: Record<string, unknown> = {};
    names.forEach((name, index) => {
      values[name] = inputs[index]![row];
    });
    return values;
  });
}

function areEqual(first: readonly (readonly unknown[])[], second: readonly (readonly unknown[])[]): boolean {
  return first.every((values, input) => {
    const others = second[input]!;
    return values.length === others.length && values.every((value, row) => Object.is(value, others[row]));
  });
}

function columnsOf({ features }: OnDemandFeatures, results: readonly Row[]): Columns {
  const columns = Object.entries(features).map(([name, type]) => {
    const values = results.map((result) => result[name]);
    return [name, outputColumn(type, values)] as const;
  });
  return Object.fromEntries(columns);
}

function outputColumn(type: FeatureType, values: readonly unknown[]): Column {
  const given =
    type === "timestamp" ? values.map((ms) => (typeof ms === "number" ? BigInt(Math.round(ms * 1000)) : ms)) : values;
  return column(type, given as Parameters<typeof column>[1]);
}
