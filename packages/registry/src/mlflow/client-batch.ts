import {
  type CallOptions,
  type Clock,
  type JsonValue,
  type Logger,
  type MetricPoint,
  hasCode,
} from "@millwright/contracts";
import { getRun, post } from "./client-calls.ts";
import { mlflowParamChanged } from "./client-errors.ts";
import type { MlflowHttp } from "./client-http.ts";
import { type MlflowMetric, mlflowMetric, mlflowParams } from "./client-values.ts";

/** MLflow's limits of one `log-batch`. */
const mostMetrics = 1000;
const mostPairs = 100;

export interface MlflowBatchOptions {
  readonly run: string;
  readonly http: MlflowHttp;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest that something logged waits in memory. */
  readonly flushMs: number;
}

/** What was logged to one run and is not on the server yet. */
export interface MlflowBatch {
  addParams(params: Readonly<Record<string, JsonValue>>): void;
  addMetrics(points: readonly MetricPoint[]): void;
  /** Sends everything added so far. What could not be sent is kept, but for params that the run has otherwise: `REGISTRY_MLFLOW_PARAM_CHANGED`. */
  flush(options?: CallOptions): Promise<void>;
}

export function createMlflowBatch({ run, http, clock, logger, flushMs }: MlflowBatchOptions): MlflowBatch {
  const params = new Map<string, string>();
  let points: MlflowMetric[] = [];
  let timer: AbortController | undefined;
  let sending: Promise<void> = Promise.resolve();

  const sendPoints = async (options: CallOptions): Promise<void> => {
    while (points.length > 0) {
      const some = points.slice(0, mostMetrics);
      await post(http, "runs/log-batch", { run_id: run, metrics: some }, options);
      // Only now: what a failure leaves is sent again, and the same point twice is one point there.
      points = points.slice(some.length);
    }
  };
  const sendParams = async (options: CallOptions): Promise<readonly string[]> => {
    const changed: string[] = [];
    while (params.size > 0) {
      const some = [...params].slice(0, mostPairs);
      const lost = await logParams(http, run, new Map(some), options);
      for (const [name, value] of some) if (params.get(name) === value) params.delete(name);
      changed.push(...lost);
    }
    return changed;
  };
  const send = async (options: CallOptions): Promise<void> => {
    timer?.abort();
    timer = undefined;
    const changed = await sendParams(options);
    await sendPoints(options);
    if (changed.length > 0) throw mlflowParamChanged(run, changed);
  };
  const flush = (options: CallOptions = {}): Promise<void> => {
    const next = (): Promise<void> => send(options);
    sending = sending.then(next, next);
    return sending;
  };
  // A sleep of the machine's clock holds the process: a program that ends without a word still sends what it logged, for as long as one call is tried.
  const schedule = (): void => {
    if (timer !== undefined) return;
    timer = new AbortController();
    clock.sleep(flushMs, { signal: timer.signal }).then(
      () =>
        void flush().catch((error: unknown) => logger.warn({ error, run }, "A batch of a run did not come to MLflow.")),
      () => {},
    );
  };
  return {
    addParams(added) {
      for (const { key, value } of mlflowParams(added)) params.set(key, value);
      if (params.size > 0) schedule();
    },
    addMetrics(added) {
      const rows = Array.from(added, (point) => mlflowMetric(point, clock.nowMs()));
      points = points.length === 0 ? rows : [...points, ...rows];
      if (points.length > 0) schedule();
    },
    flush,
  };
}

/** Writes params, 100 at most. @returns those that the run has with another value, which stay as they are. */
export async function logParams(
  http: MlflowHttp,
  run: string,
  params: ReadonlyMap<string, string>,
  options: CallOptions,
): Promise<readonly string[]> {
  const write = (pairs: ReadonlyMap<string, string>): Promise<unknown> =>
    post(http, "runs/log-batch", { run_id: run, params: [...pairs].map(([key, value]) => ({ key, value })) }, options);
  try {
    await write(params);
    return [];
  } catch (error) {
    if (!hasCode(error, "REGISTRY_MLFLOW_REFUSED")) throw error;
    const stored = (await getRun(http, run, options))?.params ?? new Map<string, string>();
    const changed = [...params].filter(([name, value]) => stored.has(name) && stored.get(name) !== value);
    if (changed.length === 0) throw error;
    const left = new Map([...params].filter(([name]) => !stored.has(name)));
    if (left.size > 0) await write(left);
    return changed.map(([name]) => name);
  }
}
