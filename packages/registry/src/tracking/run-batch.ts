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

export type BatchDurability = "full" | "normal";

/** What was logged to one run and is not written yet. */
export interface RunBatch {
  /** All of it, or nothing where it throws. @param nowMs The time of points that have none. */
  add(params: Readonly<Record<string, JsonValue>>, points: readonly MetricPoint[], nowMs: number): void;
  /**
   * Writes everything added so far. Throws `REGISTRY_WRITE_FAILED`; what could not be written is kept.
   * @param durability `full`: all of it survives a power failure then, also what was written before; `normal`: the end of this process.
   */
  flush(durability: BatchDurability): Promise<void>;
}

/** Most points in one transaction: other writers get their turn in between. */
const pointsPerWrite = 20_000;
const retries = 6;

export function createRunBatch({ id, database, clock, logger, flushMs }: RunBatchOptions): RunBatch {
  let params = new Map<string, string>();
  let points: LoggedPoint[] = [];
  let failures = 0;
  /** Whether something was written that a power failure may undo. */
  let isLoose = false;
  let timer: AbortController | undefined;
  let writing: Promise<void> = Promise.resolve();

  const writeSome = async (durability: BatchDurability): Promise<void> => {
    const some = { params, points: points.slice(0, pointsPerWrite) };
    params = new Map();
    points = points.slice(pointsPerWrite);
    try {
      await database.writeBatch(statementsOf(id, some.params, some.points), { durability });
      isLoose = durability === "normal";
    } catch (cause) {
      params = new Map([...some.params, ...params]);
      points = [...some.points, ...points];
      throw writeFailed(id, cause);
    }
  };
  const write = async (durability: BatchDurability): Promise<void> => {
    timer?.abort();
    timer = undefined;
    while (params.size + points.length > 0) await writeSome(durability);
    if (durability === "full" && isLoose) {
      await database.sync();
      isLoose = false;
    }
    failures = 0;
  };
  const flush = (durability: BatchDurability): Promise<void> => {
    const next = (): Promise<void> => write(durability);
    writing = writing.then(next, next);
    return writing;
  };
  // A sleep of the machine's clock holds the process: a program that ends without a word still writes what it logged.
  const schedule = (delayMs: number): void => {
    timer ??= after(clock, delayMs, () => void flush("normal").catch(failed));
  };
  const failed = (error: unknown): void => {
    failures += 1;
    const again = worthTrying(error) && failures <= retries;
    logger.warn({ error, run: id, again }, "A batch of a run could not be written; it is kept.");
    if (!again) failures = 0;
    else schedule(flushMs * 2 ** failures);
  };
  return {
    add(addedParams, addedPoints, nowMs) {
      const given = Object.entries(addedParams).map(([name, value]) => [name, paramJson(name, value)] as const);
      // Holes are met too: what cannot be written must not come in, or no later flush would get past it.
      const logged = Array.from(addedPoints, (point) => loggedPoint(point, nowMs));
      if (given.length > 0) params = new Map([...params, ...given]);
      for (const point of logged) points.push(point);
      if (given.length + logged.length > 0) schedule(flushMs);
    },
    flush,
  };
}

/** @returns what keeps `work` from being done. */
function after(clock: Clock, delayMs: number, work: () => void): AbortController {
  const timer = new AbortController();
  clock.sleep(delayMs, { signal: timer.signal }).then(work, () => {});
  return timer;
}

/** Whether the same may work later. */
function worthTrying(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return isMillwrightError(cause) && cause.retryable;
}
