import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { abortable, closed, type CallOptions } from "@millwright/contracts";
import { fromDuckDb } from "./errors.ts";
import type { Visits } from "./visits.ts";

/** How often a query that should stop is told so: an interrupt that comes just before the query starts is forgotten. */
const INTERRUPT_MS = 20;
const IDLE_CONNECTIONS = 4;

export interface NativeCallOptions extends CallOptions {
  /** What is read, for error messages. */
  readonly where?: string | undefined;
}

/** One call into DuckDB on a connection. */
export type NativeCall = <Result>(call: () => Promise<Result>, options?: NativeCallOptions) => Promise<Result>;

/** A connection while somebody uses it. */
export interface HeldConnection {
  readonly connection: DuckDBConnection;
  readonly call: NativeCall;
  /** Gives it back. One that failed or was left early (`whole` is false) is thrown away: its state is unknown. */
  release(whole: boolean): void;
}

/**
 * The instance's connections. A connection serves one statement at a time: a second one would silently cut the first one's stream.
 * Any number of streams may be open; how many calls run natively at once is limited, because each occupies one of libuv's few threads.
 */
export interface Connections {
  /** What shows the rows of their queries to JavaScript. */
  readonly visits: Visits;
  open(): Promise<HeldConnection>;
  /** Interrupts what runs, waits until it has stopped, and closes everything. */
  close(): Promise<void>;
}

export function createConnections(
  instance: DuckDBInstance,
  prepare: (connection: DuckDBConnection) => Promise<void>,
  { concurrency, visits }: { readonly concurrency: number; readonly visits: Visits },
): Connections {
  const idle: DuckDBConnection[] = [];
  const busy = new Set<DuckDBConnection>();
  const calls = createCalls(concurrency);
  return {
    visits,
    async open() {
      calls.check();
      let connection = idle.pop();
      if (connection === undefined) {
        connection = await instance.connect();
        await prepare(connection);
      }
      const held = connection;
      busy.add(held);
      return {
        connection: held,
        call: (work, options) => calls.run(held, work, options),
        release(whole) {
          // After `close` the connections are closed already.
          if (!busy.delete(held)) return;
          if (whole && idle.length < IDLE_CONNECTIONS) idle.push(held);
          else held.closeSync();
        },
      };
    },
    async close() {
      if (!calls.end()) return;
      await calls.drain(() => {
        for (const connection of busy) connection.interrupt();
      });
      for (const connection of [...idle, ...busy]) connection.closeSync();
      idle.length = 0;
      busy.clear();
      instance.closeSync();
    },
  };
}

interface Calls {
  /** Throws `PORT_CLOSED` after the end. */
  check(): void;
  run<Result>(connection: DuckDBConnection, work: () => Promise<Result>, options?: NativeCallOptions): Promise<Result>;
  /** Lets no further call start. @returns false when it was called before. */
  end(): boolean;
  /** Waits until no call runs, urging them on. */
  drain(interrupt: () => void): Promise<void>;
}

function createCalls(concurrency: number): Calls {
  const gate = createGate(concurrency);
  const running = new Set<Promise<unknown>>();
  let isClosed = false;
  const check = (): void => {
    if (isClosed) throw closed("The DuckDB instance");
  };
  const track = async <Result>(result: Promise<Result>): Promise<Result> => {
    running.add(result);
    try {
      return await result;
    } finally {
      running.delete(result);
    }
  };
  return {
    check,
    async run(connection, work, { signal, where } = {}) {
      signal?.throwIfAborted();
      await gate.enter(signal);
      let timer: NodeJS.Timeout | undefined;
      const stop = (): void => {
        connection.interrupt();
        timer = setInterval(() => connection.interrupt(), INTERRUPT_MS);
      };
      try {
        check();
        signal?.throwIfAborted();
        signal?.addEventListener("abort", stop, { once: true });
        return await track(work());
      } catch (error) {
        signal?.throwIfAborted();
        check();
        throw fromDuckDb(error, where);
      } finally {
        clearInterval(timer);
        signal?.removeEventListener("abort", stop);
        gate.leave();
      }
    },
    end() {
      if (isClosed) return false;
      isClosed = true;
      return true;
    },
    async drain(interrupt) {
      // Closing a connection with a query in flight would leave its promise unsettled for ever.
      while (running.size > 0) {
        interrupt();
        await Promise.race([Promise.allSettled(running), new Promise((resolve) => setTimeout(resolve, INTERRUPT_MS))]);
      }
    },
  };
}

function createGate(places: number): { enter(signal: AbortSignal | undefined): Promise<void>; leave(): void } {
  let free = places;
  const waiting = new Set<() => void>();
  return {
    async enter(signal) {
      if (free > 0) {
        free--;
        return;
      }
      let enter: () => void = () => {};
      const turn = new Promise<void>((resolve) => waiting.add((enter = resolve)));
      try {
        await abortable(turn, signal);
      } catch (error) {
        // Where its turn came in the same moment, the next one has it.
        if (!waiting.delete(enter)) this.leave();
        throw error;
      }
    },
    leave() {
      const [next] = waiting;
      if (next === undefined) {
        free++;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}
