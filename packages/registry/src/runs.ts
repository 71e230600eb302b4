import {
  type ArtifactStore,
  type Clock,
  type EntityReference,
  type IdSource,
  type Logger,
  type RunId,
  type RunOptions,
  type RunTracker,
  closed,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { runUnknown } from "./errors.ts";
import { checkLabel } from "./names.ts";
import { type RunBatch, createRunBatch } from "./run-batch.ts";
import { createRunHandle } from "./run-handle.ts";
import { type RunRecords, createRunRecords } from "./run-records.ts";
import { type RegistryTables, eventSource } from "./tables.ts";

export interface RunStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly flushMs: number;
}

/** Runs, written and read back. Disposing writes what was logged; a run that was not ended stays `running`. */
export interface RunStore extends RunTracker, RunRecords, AsyncDisposable {}

export function createRunStore(options: RunStoreOptions): RunStore {
  const open = new Set<RunBatch>();
  let isClosed = false;
  return {
    ...createRunRecords(options.database.read),
    async startRun(run) {
      run.signal?.throwIfAborted();
      if (isClosed) throw closed("The registry");
      checkLabel("an experiment", run.experiment);
      if (run.name !== undefined) checkLabel("a run", run.name);
      const id = options.ids.next() as RunId;
      await insertRun(options, id, run);
      const batch = createRunBatch({ ...options, id });
      open.add(batch);
      return createRunHandle({
        ...options,
        id,
        experiment: run.experiment,
        batch,
        isClosed: () => isClosed,
        onEnd: () => open.delete(batch),
      });
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const flushed = await Promise.allSettled([...open].map((batch) => batch.flush()));
      const failed = flushed.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}

function insertRun({ database, clock }: RunStoreOptions, id: RunId, run: RunOptions): Promise<void> {
  const { experiment, name = id, parentRunId, tags = {}, from = [], signal } = run;
  const row: RegistryTables["registry_runs"] = {
    id,
    experiment,
    name,
    parent: parentRunId ?? null,
    status: "running",
    started_ms: clock.nowMs(),
    ended_ms: null,
    tags: JSON.stringify(tags),
    inputs: JSON.stringify(from),
  };
  return database.write(
    async ({ sql, emit }) => {
      if (parentRunId !== undefined) {
        const parent = sql.selectFrom("registry_runs").select("id").where("id", "=", parentRunId);
        if ((await parent.executeTakeFirst()) === undefined) throw runUnknown(parentRunId);
      }
      await sql.insertInto("registry_runs").values(row).execute();
      const made: EntityReference = { kind: "run", id, name };
      await emit({ source: eventSource, type: "run.started", subject: id, data: { experiment, made: [made], from } });
    },
    { signal },
  );
}
