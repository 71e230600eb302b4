import type { AsyncLocalStorage } from "node:async_hooks";
import type { EventDraft, LoggedEvent } from "@millwright/contracts";
import type { CompiledQuery, Kysely, QueryResult } from "kysely";
import type { AnyTables, WriteScope } from "./database.ts";
import { type EventStamper, loggedEvent } from "./event-row.ts";
import { type EngineDialect, openKysely, openWriteDriver } from "./kysely-dialect.ts";
import type { EventRow } from "./sqlite-messages.ts";

/** Where the queries and events of a write go. */
export interface WriteChannel {
  readonly dialect: EngineDialect;
  query(compiled: CompiledQuery): Promise<QueryResult<unknown>>;
  /** @returns the events' cursors. */
  append(events: readonly EventRow[]): Promise<readonly number[]>;
}

/** The write of one database that runs in this asynchronous context. */
export type CurrentWrite = AsyncLocalStorage<OpenWrite>;

/** Throws in the callback of a write that goes on: another write of the same database would wait for it, and it for that one. */
export function refuseInsideWrite(current: CurrentWrite): void {
  if (current.getStore()?.ended !== false) return;
  throw new TypeError(
    "A write cannot start another write: it would wait for itself. Use the sql and emit it was given.",
  );
}

/** What one write's callback is given, and the means to end it. */
export class OpenWrite {
  readonly scope: WriteScope;
  readonly #current: CurrentWrite;
  readonly #channel: WriteChannel;
  readonly #signal: AbortSignal | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  #emitFailure: { readonly error: unknown } | undefined;
  #ended = false;

  constructor(current: CurrentWrite, channel: WriteChannel, stamp: EventStamper, signal: AbortSignal | undefined) {
    this.#current = current;
    this.#channel = channel;
    this.#signal = signal;
    const driver = openWriteDriver((compiled) => this.#query(compiled));
    const sql: Kysely<AnyTables> = openKysely(channel.dialect, driver);
    this.scope = { sql, emit: (draft) => this.#emit(draft, stamp) };
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Runs the callback, and waits for what it did not wait for; an event that could not be appended fails the write. */
  async run<Result>(work: (scope: WriteScope) => Promise<Result>): Promise<Result> {
    try {
      const result = await this.#current.run(this, () => orAbort(async () => work(this.scope), this.#signal));
      while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
      this.#ended = true;
      if (this.#emitFailure !== undefined) throw this.#emitFailure.error;
      this.#signal?.throwIfAborted();
      return result;
    } finally {
      // From here on `sql` and `emit` are refused; what an aborted callback has asked for is answered before it is undone.
      this.#ended = true;
      await Promise.allSettled(this.#pending);
    }
  }

  #check(): void {
    this.#signal?.throwIfAborted();
    if (this.#ended) throw new TypeError("This write has ended: use its sql and emit inside its callback only.");
  }

  async #query(compiled: CompiledQuery): Promise<QueryResult<unknown>> {
    this.#check();
    return this.#track(this.#channel.query(compiled));
  }

  async #emit(draft: EventDraft, stamp: EventStamper): Promise<LoggedEvent> {
    this.#check();
    try {
      const stamped = stamp(draft);
      const [cursor] = await this.#track(this.#channel.append([stamped.row]));
      return loggedEvent(cursor as number, stamped);
    } catch (error) {
      this.#emitFailure ??= { error };
      throw error;
    }
  }

  async #track<Value>(promise: Promise<Value>): Promise<Value> {
    this.#pending.add(promise);
    try {
      return await promise;
    } finally {
      this.#pending.delete(promise);
    }
  }
}

/** Stops waiting for `work` when the signal aborts. */
async function orAbort<Result>(work: () => Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work();
  const { promise: aborted, reject } = withReject();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function withReject(): { readonly promise: Promise<never>; readonly reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<never>((_, no) => {
    reject = no;
  });
  return { promise, reject };
}
