import {
  type Clock,
  type JsonValue,
  type Logger,
  type MetricPoint,
  type RunId,
  isMillwrightError,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { writeFailed } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type LoggedPoint, loggedPoint, paramJson, statementsOf } from "./run-statements.ts";

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

/** Most points in one transaction: other writers get their turn in between. */
const pointsPerWrite = 20_000;
const retries = 6;

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
      const rows = Object.entries(added).map(([name, value]) => [name, paramJson(name, value)] as const);
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
