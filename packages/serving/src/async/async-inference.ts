import {
  type CallOptions,
  type Clock,
  type IdSource,
  type Logger,
  abortable,
  createIdSource,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import type { FastifyPluginAsync } from "fastify";
import { draining, endpointUnknown } from "../errors.ts";
import { answering } from "../http/answering.ts";
import { fastifyPlugin } from "../http/fastify-face.ts";
import { type NodeHandler, nodeHandler } from "../http/node-face.ts";
import { webHandler } from "../http/web-face.ts";
import { asyncState, asyncUnknown } from "./async-errors.ts";
import { type AsyncInstruments, createAsyncInstruments } from "./async-instruments.ts";
import { type AsyncJob, type JobRow, jobOf, outcomeOf, specOf } from "./async-job.ts";
import type {
  AsyncBacklog,
  AsyncDrainOptions,
  AsyncEndpointOptions,
  AsyncInference,
  AsyncInferenceOptions,
  AsyncListOptions,
  AsyncRequest,
} from "./async-options.ts";
import { type JobTable, openJobTable } from "./job-table.ts";
import { Notifier } from "./notifier.ts";
import { asyncRoutes } from "./routes.ts";
import { checkSame, rowOf } from "./submission.ts";
import { Worker, backlogOf, endedEvent } from "./worker.ts";

/** Opens the queue, and works at it where endpoints have a `target`. Throws what the database throws. */
export async function openAsyncInference(options: AsyncInferenceOptions): Promise<AsyncInference> {
  checkOptions(options);
  const { clock = systemClock, signal, logger = silentLogger, meter = silentMeter } = options;
  signal?.throwIfAborted();
  const table = await openJobTable(options.database, { signal });
  const ids = options.ids ?? createIdSource(clock);
  const inference = new OpenAsyncInference({
    ...options,
    clock,
    ids,
    logger,
    table,
    instruments: createAsyncInstruments(meter),
  });
  inference.start();
  return inference;
}

function checkOptions({
  endpoints,
  leaseMs = 1,
  pollMs = 1,
  retainMs = 1,
  maxPayloadBytes = 1,
}: AsyncInferenceOptions): void {
  if (Object.keys(endpoints).length === 0) throw new RangeError("Async inference needs at least one endpoint.");
  for (const [name, value] of Object.entries({ leaseMs, pollMs, retainMs, maxPayloadBytes }))
    if (!(value > 0)) throw new RangeError(`${name} must be more than 0, not ${String(value)}.`);
  for (const [name, each] of Object.entries(endpoints)) {
    const { maxConcurrent = 1, timeoutMs = 1, ttlMs = 1, maxAttempts = 1, backoffMs = 1, target } = each;
    if (!Number.isInteger(maxConcurrent) || maxConcurrent < 1 || maxConcurrent > 1000)
      throw new RangeError(`maxConcurrent of "${name}" must be 1 to 1000, not ${String(maxConcurrent)}.`);
    if (!(timeoutMs > 0 && timeoutMs <= 3_600_000))
      throw new RangeError(`timeoutMs of "${name}" must be at most 3600000, not ${String(timeoutMs)}.`);
    if (!(ttlMs > 0) || !(backoffMs > 0)) throw new RangeError(`ttlMs and backoffMs of "${name}" must be more than 0.`);
    if (!Number.isInteger(maxAttempts) || maxAttempts < 1)
      throw new RangeError(`maxAttempts of "${name}" must be 1 or more, not ${String(maxAttempts)}.`);
    if (target !== undefined && typeof target !== "function" && typeof target.open !== "function")
      throw new RangeError(`The target of "${name}" is neither a function nor something to open.`);
  }
}

interface Setting extends AsyncInferenceOptions {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly table: JobTable;
  readonly instruments: AsyncInstruments;
}

const ended = new Set<JobRow["state"]>(["completed", "failed", "expired", "dead", "cancelled"]);
const redrivable = ["dead", "failed", "expired"] as const;
/** How often what is too old is looked for. */
const forgetEveryMs = 600_000;

class OpenAsyncInference implements AsyncInference {
  readonly fastify: FastifyPluginAsync;
  readonly node: NodeHandler;
  readonly handle: (request: Request) => Promise<Response>;
  readonly #setting: Setting;
  readonly #workers = new Map<string, Worker>();
  readonly #notifier: Notifier;
  readonly #closing = new AbortController();
  #forgetting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { table, clock, ids, logger, instruments, payloads, endpoints, notify } = setting;
    const { leaseMs = 10_000, pollMs = 200, maxPayloadBytes = 1024 ** 3, authenticate, authorizer } = setting;
    this.#notifier = new Notifier({ table, clock, logger, instruments, pollMs, notify });
    const onEnd = (): void => this.#notifier.wake();
    const site = { table, payloads, clock, ids, logger, instruments, leaseMs, pollMs, onEnd };
    for (const [name, options] of Object.entries(endpoints))
      if (options.target !== undefined)
        this.#workers.set(name, new Worker(name, { ...options, target: options.target }, site));
    const isLeaving = (): boolean => this.#draining !== undefined;
    const answeringSite = {
      failed: () => ({}),
      get leaving() {
        return isLeaving();
      },
    };
    const limits = { maxBodyBytes: maxPayloadBytes, bodyTimeoutMs: 60_000, authenticate };
    const routes = asyncRoutes(this, authorizer).map((route) => answering(route, limits, answeringSite));
    this.fastify = fastifyPlugin(routes);
    this.node = nodeHandler(routes);
    this.handle = webHandler(routes);
  }

  start(): void {
    for (const worker of this.#workers.values()) worker.start();
    this.#notifier.start();
    this.#forgetting = this.#forget();
  }

  async submit(endpoint: string, request: AsyncRequest, { signal }: CallOptions = {}): Promise<AsyncJob> {
    signal?.throwIfAborted();
    const options = this.#endpoint(endpoint);
    if (this.#draining !== undefined) throw draining();
    const { payloads, clock, ids, table, maxPayloadBytes = 1024 ** 3 } = this.#setting;
    const site = { payloads, maxPayloadBytes, next: () => ids.next(), nowMs: clock.nowMs() };
    const { row, discard } = await rowOf(endpoint, request, options, site, signal);
    let there: JobRow | undefined;
    try {
      there = await table.insert(row, { signal });
      if (there !== undefined) checkSame(there, row, request);
    } catch (error) {
      await discard().catch(() => undefined);
      throw error;
    }
    if (there !== undefined) {
      await discard().catch(() => undefined);
      return jobOf(there);
    }
    this.#workers.get(endpoint)?.wake();
    return jobOf(row);
  }

  async describe(id: string, options: CallOptions = {}): Promise<AsyncJob | undefined> {
    const row = await this.#setting.table.find(String(id), options);
    return row === undefined ? undefined : jobOf(row);
  }

  async *list({ endpoint, states, signal }: AsyncListOptions = {}): AsyncGenerator<AsyncJob, void> {
    const asked = states?.flatMap((state) => (state === "running" ? [state, "publishing"] : [state]));
    const limit = 100;
    let after: string | undefined;
    for (;;) {
      const rows = await this.#setting.table.page({ endpoint, states: asked, after, limit }, { signal });
      for (const row of rows) yield jobOf(row);
      if (rows.length < limit) return;
      after = rows.at(-1)?.id;
    }
  }

  async wait(id: string, { signal }: CallOptions = {}): Promise<AsyncJob> {
    const { clock, pollMs = 200 } = this.#setting;
    for (;;) {
      const row = await this.#row(id, { signal });
      if (ended.has(row.state)) return jobOf(row);
      await clock.sleep(pollMs, { signal });
    }
  }

  async *result(id: string, { signal }: CallOptions = {}): AsyncGenerator<Uint8Array, void> {
    const row = await this.#row(id, { signal });
    if (row.state !== "completed") throw asyncState(id, jobOf(row).state, "only a completed one has a result");
    yield* this.#setting.payloads.open(specOf(row).outputLocation, { signal });
  }

  async cancel(id: string, { signal }: CallOptions = {}): Promise<AsyncJob> {
    const { table, clock } = this.#setting;
    const before = await this.#row(id, { signal });
    const change = {
      state: "cancelled" as const,
      from: ["waiting" as const, "running" as const],
      outcome: { errorCode: "CANCELLED" },
      nowMs: clock.nowMs(),
    };
    const row = await table.end(before.id, change, endedEvent, { signal });
    if (row === undefined)
      throw asyncState(id, jobOf(await this.#row(id, { signal })).state, "cannot be cancelled any more");
    this.#workers.get(row.endpoint)?.drop(row.id);
    this.#notifier.wake();
    return jobOf(row);
  }

  async redrive(id: string, { signal }: CallOptions = {}): Promise<AsyncJob> {
    const { table, clock } = this.#setting;
    const before = await this.#row(id, { signal });
    const nowMs = clock.nowMs();
    const times = { nowMs, expiresMs: nowMs + specOf(before).ttlMs };
    const row = await table.redrive(before.id, redrivable, times, { signal });
    if (row === undefined)
      throw asyncState(id, jobOf(before).state, `only what is ${redrivable.join(", ")} is queued again`);
    this.#workers.get(row.endpoint)?.wake();
    return jobOf(row);
  }

  async backlog(endpoint: string, { signal }: CallOptions = {}): Promise<AsyncBacklog> {
    this.#endpoint(endpoint);
    const { table, clock, instruments } = this.#setting;
    const nowMs = clock.nowMs();
    const backlog = backlogOf(await table.backlog(endpoint, nowMs, { signal }), nowMs);
    instruments.backlog(endpoint, backlog);
    return backlog;
  }

  async drain({ graceMs = 30_000, signal }: AsyncDrainOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#draining ??= this.#drain(graceMs);
    await abortable(this.#draining, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #drain(graceMs: number): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop(graceMs)));
    await this.#notifier.stop();
    await this.#forgetting;
  }

  async #forget(): Promise<void> {
    const { table, clock, logger, payloads, retainMs = 604_800_000 } = this.#setting;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        for (let rows: readonly JobRow[] = [{} as JobRow]; rows.length > 0 && !signal.aborted;) {
          rows = await table.forget(clock.nowMs() - retainMs);
          const owned = rows.filter((row) => specOf(row).owned && outcomeOf(row).end !== "completed");
          for (const row of owned) await payloads.delete(specOf(row).inputLocation);
        }
      } catch (error) {
        logger.warn({ error }, "old async requests were not removed");
      }
      await clock.sleep(Math.min(forgetEveryMs, retainMs), { signal }).catch(() => undefined);
    }
  }

  async #row(id: string, options: CallOptions): Promise<JobRow> {
    const row = await this.#setting.table.find(String(id), options);
    if (row === undefined) throw asyncUnknown(String(id));
    return row;
  }

  #endpoint(name: string): AsyncEndpointOptions {
    const { endpoints } = this.#setting;
    const found = Object.hasOwn(endpoints, name) ? endpoints[name] : undefined;
    if (found === undefined) throw endpointUnknown(name, Object.keys(endpoints));
    return found;
  }
}
