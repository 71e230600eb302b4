import { type CallOptions, abortable } from "@millwright/contracts";
import { type Database, openEventLog } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import type { TouchingChange } from "./change-types.ts";
import { createChangeReader } from "./event-changes.ts";

/** Every change that the log tells of, in its order; the same list each time, grown by what was written since. */
export type ChangeHistory = (options?: CallOptions) => Promise<readonly TouchingChange[]>;

const types = ["deployment.*", "feature.*", "model.*", "job.processed"];

/**
 * What an event changed is told against those before it, so that none can be left out; but each is read once, by the first question after it. What is held is a projection of the log,
 * nowhere but in memory, as lineage is.
 */
export function createChangeHistory(database: Database<RegistryTables>): ChangeHistory {
  const log = openEventLog(database);
  const reader = createChangeReader();
  const changes: TouchingChange[] = [];
  let after = 0;
  let turn: Promise<unknown> = Promise.resolve();
  const catchUp = async (): Promise<readonly TouchingChange[]> => {
    for await (const { cursor, event } of log.read({ after, types })) {
      const change = reader.read(event);
      if (change !== undefined) changes.push(change);
      after = cursor;
    }
    return changes;
  };
  return async ({ signal } = {}) => {
    signal?.throwIfAborted();
    const next = turn.then(catchUp, catchUp);
    turn = next.catch(() => undefined);
    return abortable(next, signal);
  };
}
