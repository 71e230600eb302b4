import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type EventId,
  type IdSource,
  type Logger,
  type RunId,
  type RunOptions,
  type RunTracker,
  closed,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { newestEvent } from "../causes.ts";
import { checkLabel } from "../names.ts";
import { assertActive } from "./run-changes.ts";
import { type RunBatch, createRunBatch } from "./run-batch.ts";
import { type RegistryRunHandle, createRunHandle } from "./run-handle.ts";
import { type RunRecords, createRunRecords } from "./run-records.ts";
import { reopenRun } from "./run-end.ts";
import { selectRuns } from "./run-rows.ts";
import { insertRun } from "./run-start.ts";
import type { RegistryTables } from "../tables/tables.ts";

export interface RunStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly flushMs: number;
  readonly actors: Actors;
}

/** Runs, written and read back. Disposing writes what was logged; a run that was not ended stays `running`. */
export interface RunStore extends RunTracker, RunRecords, AsyncDisposable {
  startRun(options: RunOptions): Promise<RegistryRunHandle>;
  resumeRun(id: RunId, options?: CallOptions): Promise<RegistryRunHandle | undefined>;
}

export function createRunStore(options: RunStoreOptions): RunStore {
  const open = new Set<RunBatch>();
  let isClosed = false;
  const handleOf = (id: RunId, run: OpenedRun): RegistryRunHandle => {
    const batch = createRunBatch({ ...options, id });
    open.add(batch);
    return createRunHandle({
      ...options,
      id,
      experiment: run.experiment,
      eventId: run.eventId,
      batch,
      isClosed: () => isClosed,
      onEnd: () => open.delete(batch),
    });
  };
  return {
    ...createRunRecords(options.database.read),
    async startRun(run) {
      run.signal?.throwIfAborted();
      if (isClosed) throw closed("The registry");
      checkLabel("an experiment", run.experiment);
      if (run.name !== undefined) checkLabel("a run", run.name);
      const id = options.ids.next() as RunId;
      const by = options.actors.acting(run.by);
      const start = { ...run, by, id, name: run.name ?? id, tags: run.tags ?? {}, from: run.from ?? [] };
      const eventId = await insertRun(options.database, { ...start, startedMs: options.clock.nowMs() }, run.signal);
      return handleOf(id, { experiment: run.experiment, eventId });
    },
    async resumeRun(id, { signal } = {}) {
      signal?.throwIfAborted();
      if (isClosed) throw closed("The registry");
      const found = await resumeRun(options, id, { signal });
      return found === undefined ? undefined : handleOf(id, found);
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const flushed = await Promise.allSettled([...open].map((batch) => batch.flush("full")));
      const failed = flushed.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}

/** What a handle is made of. */
interface OpenedRun {
  readonly experiment: string;
  readonly eventId: EventId | undefined;
}

/** @returns undefined where there is no such run. */
function resumeRun(
  { database, actors }: RunStoreOptions,
  id: RunId,
  { signal }: CallOptions,
): Promise<OpenedRun | undefined> {
  return database.write(
    async (scope) => {
      const run = await selectRuns(scope.sql).where("registry_runs.id", "=", id).executeTakeFirst();
      if (run === undefined) return undefined;
      assertActive(run);
      // A run that had not ended goes on as it was: nothing changed.
      if (run.status !== "running") await reopenRun(scope, run, actors);
      return { experiment: run.experiment, eventId: await newestEvent(scope, id) };
    },
    { signal },
  );
}
