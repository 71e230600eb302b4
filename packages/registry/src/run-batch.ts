import {
  type Clock,
  type JsonValue,
  type Logger,
  type MetricPoint,
  type RunId,
  encodeNumbers,
  isMillwrightError,
} from "@millwright/contracts";
import type { Database, Statement } from "@millwright/storage";
import { writeFailed } from "./errors.ts";
import { storeMetricValue } from "./metric-value.ts";
import { checkLabel } from "./names.ts";
import type { RegistryTables } from "./tables.ts";

export interface RunBatchOptions {
  readonly id: RunId;
  readonly database: Database<RegistryTables>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest that something logged waits in memory. */
  readonly flushMs: number;
  /** Orders points of one step; greater than that of any point the run has. Default: 0. */
  readonly firstSequence?: number | undefined;
}

/** What was logged to one run and is not written yet. */
export interface RunBatch {
  addParams(params: Readonly<Record<string, JsonValue>>): void;
  /** @param nowMs The time of points that have none. */
  addMetrics(points: readonly MetricPoint[], nowMs: number): void;
  /** Writes everything added so far. Throws `REGISTRY_WRITE_FAILED`; what could not be written is kept. */
  flush(): Promise<void>;
}

const insertParam =
  "insert into registry_params (run, name, value) values (?, ?, ?) on conflict (run, name) do update set value = excluded.value";
const insertSeries = "insert into registry_series (run, name) values (?, ?) on conflict (run, name) do nothing";
const insertPoint =
  "insert into registry_points (series, step, sequence, time_ms, value, exact) " +
  "values ((select id from registry_series where run = ? and name = ?), ?, ?, ?, ?, ?)";

/** Most points in one transaction: other writers get their turn in between. */
const pointsPerWrite = 20_000;
const retries = 6;

/** Runs of a `?` each, in the order of `insertPoint`. */
type PointRow = readonly [
  run: string,
  name: string,
  step: number,
  sequence: number,
  timeMs: number,
  value: number | null,
  exact: string | null,
];

export function createRunBatch({ id, database, clock, logger, flushMs, firstSequence = 0 }: RunBatchOptions): RunBatch {
  let params = new Map<string, string>();
  let points: PointRow[] = [];
  let sequence = firstSequence;
  let failures = 0;
  let timer: AbortController | undefined;
  let writing: Promise<void> = Promise.resolve();

  const writeSome = async (): Promise<void> => {
    const some = { params, points: points.slice(0, pointsPerWrite) };
    params = new Map();
    points = points.slice(pointsPerWrite);
    try {
      await database.writeBatch(statementsOf(id, some.params, some.points));
    } catch (cause) {
      params = new Map([...some.params, ...params]);
      points = [...some.points, ...points];
      throw writeFailed(id, cause);
    }
  };
  const write = async (): Promise<void> => {
    timer?.abort();
    timer = undefined;
    while (params.size + points.length > 0) await writeSome();
    failures = 0;
  };
  const flush = (): Promise<void> => {
    writing = writing.then(write, write);
    return writing;
  };
  // A sleep of the machine's clock holds the process: a program that ends without a word still writes what it logged.
  const schedule = (delayMs: number): void => {
    if (timer !== undefined) return;
    timer = new AbortController();
    clock.sleep(delayMs, { signal: timer.signal }).then(
      () => void flush().catch(failed),
      () => {},
    );
  };
  const failed = (error: unknown): void => {
    failures += 1;
    const again = worthTrying(error) && failures <= retries;
    logger.warn({ error, run: id, again }, "A batch of a run could not be written; it is kept.");
    if (again) schedule(flushMs * 2 ** failures);
    else failures = 0;
  };
  return {
    addParams(added) {
      const rows = Object.entries(added).map(([name, value]) => paramRow(name, value));
      for (const [name, value] of rows) params.set(name, value);
      if (rows.length > 0) schedule(flushMs);
    },
    addMetrics(added, nowMs) {
      // Holes are met too: what cannot be written must not come in, or no later flush would get past it.
      const rows = Array.from(added, (point) => pointRow(id, point, nowMs, sequence++));
      for (const row of rows) points.push(row);
      if (rows.length > 0) schedule(flushMs);
    },
    flush,
  };
}

function worthTrying(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return isMillwrightError(cause) && cause.retryable;
}

function paramRow(name: string, value: JsonValue): readonly [name: string, json: string] {
  checkLabel("a parameter", name);
  const json = value === undefined ? undefined : (JSON.stringify(encodeNumbers(value)) as string | undefined);
  if (json === undefined) throw new TypeError(`The parameter "${name}" is ${typeof value}; JSON cannot carry that.`);
  return [name, json];
}

function pointRow(run: string, { name, value, step, timeMs }: MetricPoint, nowMs: number, sequence: number): PointRow {
  checkLabel("a metric", name);
  if (typeof value !== "number") throw new TypeError(`The metric "${name}" is ${typeof value}, not a number.`);
  if (!Number.isSafeInteger(step)) throw new RangeError(`The step of the metric "${name}" is ${step}, not an integer.`);
  if (timeMs !== undefined && !Number.isFinite(timeMs))
    throw new RangeError(`The time of the metric "${name}" is ${timeMs}.`);
  const stored = storeMetricValue(value);
  return [run, name, step, sequence, timeMs ?? nowMs, stored.value, stored.exact];
}

function statementsOf(
  id: RunId,
  params: ReadonlyMap<string, string>,
  points: readonly PointRow[],
): readonly Statement[] {
  const series = new Set(points.map(([, name]) => name));
  return [
    { sql: insertParam, rows: [...params].map(([name, value]) => [id, name, value]) },
    { sql: insertSeries, rows: [...series].map((name) => [id, name]) },
    { sql: insertPoint, rows: points },
  ].filter(({ rows }) => rows.length > 0);
}
