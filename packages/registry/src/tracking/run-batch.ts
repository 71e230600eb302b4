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
import { writeFailed } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type MetricColumns, encodeChunk } from "./metric-chunk.ts";
import { paramTexts } from "./param-texts.ts";
import { stepsBetween, summarizeSeries } from "./series-summary.ts";

export interface RunBatchOptions {
  readonly id: RunId;
  readonly database: Database<RegistryTables>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest that something logged waits in memory. */
  readonly flushMs: number;
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
  "insert into registry_params (run, name, value, text, number) values (?, ?, ?, ?, ?) " +
  "on conflict (run, name) do update set value = excluded.value, text = excluded.text, number = excluded.number";
const later = (column: string): string =>
  `${column} = case when excluded.last_step >= registry_series.last_step then excluded.${column} else registry_series.${column} end`;
const beyond = (column: string, of: string, sign: "<" | ">"): string =>
  `${column} = case when registry_series.${of} is null or excluded.${of} ${sign} registry_series.${of} ` +
  `then excluded.${column} else registry_series.${column} end`;
const insertSeries =
  "insert into registry_series (run, name, points, nans, last_step, last_ms, last_value, last_exact, " +
  "min_value, min_step, max_value, max_step) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (run, name) do update set " +
  "points = registry_series.points + excluded.points, nans = registry_series.nans + excluded.nans, " +
  ["last_ms", "last_value", "last_exact", "last_step"].map(later).join(", ") +
  `, ${beyond("min_step", "min_value", "<")}, ${beyond("min_value", "min_value", "<")}` +
  `, ${beyond("max_step", "max_value", ">")}, ${beyond("max_value", "max_value", ">")}`;
const insertChunk =
  "insert into registry_chunks (series, points, min_step, max_step, data) " +
  "values ((select id from registry_series where run = ? and name = ?), ?, ?, ?, ?)";

/** Most points in one transaction: other writers get their turn in between. */
const pointsPerWrite = 20_000;
const retries = 6;

interface LoggedPoint {
  readonly name: string;
  readonly step: number;
  readonly timeMs: number;
  readonly value: number;
}

export function createRunBatch({ id, database, clock, logger, flushMs }: RunBatchOptions): RunBatch {
  let params = new Map<string, string>();
  let points: LoggedPoint[] = [];
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
      const rows = Array.from(added, (point) => loggedPoint(point, nowMs));
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

function loggedPoint({ name, value, step, timeMs }: MetricPoint, nowMs: number): LoggedPoint {
  checkLabel("a metric", name);
  if (typeof value !== "number") throw new TypeError(`The metric "${name}" is ${typeof value}, not a number.`);
  if (!Number.isSafeInteger(step)) throw new RangeError(`The step of the metric "${name}" is ${step}, not an integer.`);
  if (timeMs !== undefined && !Number.isFinite(timeMs))
    throw new RangeError(`The time of the metric "${name}" is ${timeMs}.`);
  return { name, value, step, timeMs: timeMs ?? nowMs };
}

function statementsOf(
  id: RunId,
  params: ReadonlyMap<string, string>,
  points: readonly LoggedPoint[],
): readonly Statement[] {
  const series = [...columnsByName(points)].map(([name, columns]) => ({
    name,
    columns,
    summary: summarizeSeries(columns),
  }));
  return [
    {
      sql: insertParam,
      rows: [...params].map(([name, value]) => {
        const { text, number } = paramTexts(value);
        return [id, name, value, text, number];
      }),
    },
    {
      sql: insertSeries,
      rows: series.map(({ name, summary: of }) => [
        id,
        name,
        of.points,
        of.nans,
        of.last_step,
        of.last_ms,
        of.last_value,
        of.last_exact,
        of.min_value,
        of.min_step,
        of.max_value,
        of.max_step,
      ]),
    },
    {
      sql: insertChunk,
      rows: series.map(({ name, columns }) => {
        const { min_step, max_step } = stepsBetween(columns);
        return [id, name, columns.steps.length, min_step, max_step, encodeChunk(columns)];
      }),
    },
  ].filter(({ rows }) => rows.length > 0);
}

function columnsByName(points: readonly LoggedPoint[]): ReadonlyMap<string, MetricColumns> {
  const byName = new Map<string, LoggedPoint[]>();
  for (const point of points) {
    const list = byName.get(point.name);
    if (list === undefined) byName.set(point.name, [point]);
    else list.push(point);
  }
  const columns = new Map<string, MetricColumns>();
  for (const [name, list] of byName) {
    columns.set(name, {
      steps: Float64Array.from(list, ({ step }) => step),
      timesMs: Float64Array.from(list, ({ timeMs }) => timeMs),
      values: Float64Array.from(list, ({ value }) => value),
    });
  }
  return columns;
}
