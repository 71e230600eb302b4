import type { EventDraft, LoggedEvent } from "@millwright/contracts";
import type { Kysely } from "kysely";
import type { AnyTables, WriteScope } from "./database.ts";
import { type EventStamper, loggedEvent } from "./event-row.ts";
import { openKysely, openWriteDriver } from "./kysely-dialect.ts";
import type { SqliteQueryResult } from "./sqlite-messages.ts";
import type { SqliteThread } from "./sqlite-thread.ts";

/** The writer's connection. */
const writer = 0;

/** What one write's callback is given, and the means to end it. */
export class OpenWrite {
  readonly scope: WriteScope;
  readonly #thread: SqliteThread;
  readonly #signal: AbortSignal | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  #emitFailure: { readonly error: unknown } | undefined;
  #ended = false;

  constructor(thread: SqliteThread, stamp: EventStamper, signal: AbortSignal | undefined) {
    this.#thread = thread;
    this.#signal = signal;
    const sql: Kysely<AnyTables> = openKysely(openWriteDriver((compiled) => this.#query(compiled)));
    this.scope = { sql, emit: (draft) => this.#emit(draft, stamp) };
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Waits for what the callback did not wait for; an event that could not be appended fails the write. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
    this.#ended = true;
    if (this.#emitFailure !== undefined) throw this.#emitFailure.error;
  }

  /** From here on `sql` and `emit` are refused. */
  end(): void {
    this.#ended = true;
  }

  #check(): void {
    this.#signal?.throwIfAborted();
    if (this.#ended) throw new TypeError("This write has ended: use its sql and emit inside its callback only.");
  }

  async #query(compiled: {
    readonly sql: string;
    readonly parameters: readonly unknown[];
  }): Promise<SqliteQueryResult> {
    this.#check();
    const { sql, parameters } = compiled;
    return this.#track(this.#thread.request({ op: "query", connection: writer, sql, parameters }));
  }

  async #emit(draft: EventDraft, stamp: EventStamper): Promise<LoggedEvent> {
    this.#check();
    try {
      const stamped = stamp(draft);
      const [cursor] = await this.#track(this.#thread.request({ op: "append", events: [stamped.row] }));
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
