import {
  type Clock,
  createIdSource,
  type EventReadOptions,
  type IdSource,
  type LoggedEvent,
  systemClock,
} from "@millwright/contracts";
import { createEventStamper, loggedEvent } from "../event-row.ts";
import { type ChainHead, chainHash, type ChainRecord, chainStart, checkLink } from "../hash-chain.ts";
import type { VerifiableEventLog } from "../event-log.ts";

export interface MemoryEventLogOptions {
  /** Gives events their time. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Gives events their ids. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

interface MemoryRecord extends ChainRecord {
  readonly type: string;
}

/** Keeps events in this process: for tests, examples and what need not outlive it. */
export function openMemoryEventLog(options: MemoryEventLogOptions = {}): VerifiableEventLog {
  const clock = options.clock ?? systemClock;
  const stamp = createEventStamper(clock, options.ids ?? createIdSource(clock));
  const records: MemoryRecord[] = [];
  const waiting = new Set<() => void>();
  return {
    async append(events, { signal } = {}) {
      signal?.throwIfAborted();
      // All are stamped before one is kept, so that one that cannot be written keeps out the others.
      const logged = events
        .map((draft) => stamp(draft))
        .map((stamped) => {
          const cursor = records.length + 1;
          const hash = chainHash(cursor, records.at(-1)?.hash ?? chainStart, stamped.row.body);
          records.push({ cursor, hash, body: stamped.row.body, type: stamped.event.type });
          return loggedEvent(cursor, stamped);
        });
      for (const wake of waiting) wake();
      return logged;
    },
    read: (readOptions = {}) => readRecords(records, waiting, readOptions),
    async verify({ signal } = {}) {
      signal?.throwIfAborted();
      let head: ChainHead = { cursor: 0, hash: chainStart };
      for (const record of records) {
        const broken = checkLink(head, record);
        if (broken !== undefined) return { records: head.cursor, head, broken };
        head = { cursor: record.cursor, hash: record.hash };
      }
      return { records: records.length, head, broken: undefined };
    },
  };
}

async function* readRecords(
  records: readonly MemoryRecord[],
  waiting: Set<() => void>,
  { after = 0, types, follow = false, signal }: EventReadOptions,
): AsyncGenerator<LoggedEvent, void, undefined> {
  // A cursor is a record's place, counted from one.
  let next = Math.max(0, Math.floor(after));
  for (;;) {
    if (signal?.aborted === true) break;
    const record = records[next];
    if (record === undefined) {
      if (!follow) return;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        waiting.add(wake);
        signal?.addEventListener("abort", wake, { once: true });
      });
      continue;
    }
    next += 1;
    if (types === undefined || types.some((type) => matches(type, record.type))) {
      yield loggedEvent(record.cursor, { row: record });
    }
  }
  if (!follow) signal?.throwIfAborted();
}

function matches(pattern: string, type: string): boolean {
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}
