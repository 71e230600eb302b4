import {
  type Clock,
  type JsonValue,
  type Logger,
  type MetricPoint,
  type RunId,
  hasCode,
  isMillwrightError,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { writeFailed } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { writeToRun } from "./run-guard.ts";
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
   * Writes everything added so far. Throws `REGISTRY_WRITE_FAILED`, `REGISTRY_RUN_DELETED` (what could not be written is kept); `REGISTRY_RUN_UNKNOWN`
   * where the run is gone for good, and what was logged to it with it.
   * @param durability `full`: all of it survives a power failure then, also what was written before; `normal`: the end of this process.
   */
  flush(durability: BatchDurability): Promise<void>;
}

/** Most points in one transaction: other writers get their turn in between. */
const pointsPerWrite = 20_000;
const retries = 6;
/** Most points that wait for a deleted run to be restored; those beyond are told of and dropped: a run that never comes back must not fill the memory. */
const mostWaiting = 200_000;

export function createRunBatch({ id, database, clock, logger, flushMs }: RunBatchOptions): RunBatch {
  const pending = createPending();
  let failures = 0;
  /** Whether the run was deleted when it was last written to. */
  let isDeleted = false;
  /** Whether something was written that a power failure may undo. */
  let isLoose = false;
  let timer: AbortController | undefined;
  let writing: Promise<void> = Promise.resolve();

  const writeSome = async (durability: BatchDurability): Promise<void> => {
    const some = pending.take(pointsPerWrite);
    try {
      await writeToRun(database, id, statementsOf(id, some.params, some.points), { durability });
      isLoose = durability === "normal";
      isDeleted = false;
    } catch (cause) {
      isDeleted = hasCode(cause, "REGISTRY_RUN_DELETED");
      const isGone = hasCode(cause, "REGISTRY_RUN_UNKNOWN");
      const dropped = pending.putBack(some, isGone ? 0 : isDeleted ? mostWaiting : Infinity);
      if (dropped !== undefined)
        logger.error({ error: cause, run: id, dropped }, "What was logged to a run that is deleted was dropped.");
      throw isDeleted || isGone ? cause : writeFailed(id, cause);
    }
  };
  const write = async (durability: BatchDurability): Promise<void> => {
    timer?.abort();
    timer = undefined;
    while (pending.size() > 0) await writeSome(durability);
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
    // Told of when it was dropped.
    if (hasCode(error, "REGISTRY_RUN_UNKNOWN")) return;
    failures += 1;
    const again = worthTrying(error) && failures <= retries;
    logger.warn({ error, run: id, again }, "A batch of a run could not be written; it is kept.");
    if (!again) failures = 0;
    else schedule(flushMs * 2 ** failures);
  };
  return {
    add(addedParams, addedPoints, nowMs) {
      // Of a deleted run it is only seldom asked whether it is back, and only where something is logged to it: no timer holds the process for it.
      if (pending.add(addedParams, addedPoints, nowMs)) schedule(isDeleted ? flushMs * 2 ** retries : flushMs);
    },
    flush,
  };
}

interface Some {
  readonly params: ReadonlyMap<string, string>;
  readonly points: readonly LoggedPoint[];
}

/** What waits to be written. */
interface Pending {
  /** How many params and points. */
  size(): number;
  /** All of it, or nothing where it throws. @returns whether anything came in. */
  add(params: Readonly<Record<string, JsonValue>>, points: readonly MetricPoint[], nowMs: number): boolean;
  /** Every param, and so many points. */
  take(points: number): Some;
  /** Before what was added since. @param most Points that are kept; with 0 no param is either. @returns how much was dropped; undefined where nothing was. */
  putBack(some: Some, most: number): { readonly params: number; readonly points: number } | undefined;
}

function createPending(): Pending {
  let params = new Map<string, string>();
  let points: LoggedPoint[] = [];
  return {
    size: () => params.size + points.length,
    add(addedParams, addedPoints, nowMs) {
      const given = Object.entries(addedParams).map(([name, value]) => [name, paramJson(name, value)] as const);
      // Holes are met too: what cannot be written must not come in, or no later flush would get past it.
      const logged = Array.from(addedPoints, (point) => loggedPoint(point, nowMs));
      if (given.length > 0) params = new Map([...params, ...given]);
      for (const point of logged) points.push(point);
      return given.length + logged.length > 0;
    },
    take(count) {
      const some = { params, points: points.slice(0, count) };
      params = new Map();
      points = points.slice(count);
      return some;
    },
    putBack(some, most) {
      params = new Map([...some.params, ...params]);
      points = [...some.points, ...points];
      const dropped = { params: most === 0 ? params.size : 0, points: Math.max(0, points.length - most) };
      if (dropped.params + dropped.points === 0) return undefined;
      if (most === 0) params = new Map();
      points = points.slice(0, most);
      return dropped;
    },
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
