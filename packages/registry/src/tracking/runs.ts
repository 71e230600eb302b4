import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type EntityReference,
  type EventId,
  type IdSource,
  type Logger,
  type RunHandle,
  type RunId,
  type RunOptions,
  type RunTracker,
  closed,
} from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { runUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import { type RunBatch, createRunBatch } from "./run-batch.ts";
import { createRunHandle } from "./run-handle.ts";
import { type RunRecords, createRunRecords } from "./run-records.ts";
import { selectRuns } from "./run-rows.ts";
import type { RegistryTables } from "../tables/tables.ts";

export interface RunStoreOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly flushMs: number;
}

/** Rows in one statement: databases have a limit of values. */
const tagsPerInsert = 500;

/** Runs, written and read back. Disposing writes what was logged; a run that was not ended stays `running`. */
export interface RunStore extends RunTracker, RunRecords, AsyncDisposable {}

export function createRunStore(options: RunStoreOptions): RunStore {
  const open = new Set<RunBatch>();
  let isClosed = false;
  const handleOf = (id: RunId, run: OpenedRun): RunHandle => {
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
      const eventId = await insertRun(options, id, run);
      return handleOf(id, { experiment: run.experiment, eventId });
    },
    async resumeRun(id, { signal } = {}) {
      signal?.throwIfAborted();
      if (isClosed) throw closed("The registry");
      const found = await reopenRun(options, id, { signal });
      return found === undefined ? undefined : handleOf(id, found);
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const flushed = await Promise.allSettled([...open].map((batch) => batch.flush()));
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
function reopenRun({ database }: RunStoreOptions, id: RunId, { signal }: CallOptions): Promise<OpenedRun | undefined> {
  return database.write(
    async (scope) => {
      const { sql } = scope;
      const run = await selectRuns(sql).where("registry_runs.id", "=", id).executeTakeFirst();
      if (run === undefined) return undefined;
      await sql.updateTable("registry_runs").set({ status: "running", ended_ms: null }).where("id", "=", id).execute();
      let eventId = await newestEvent(scope, id);
      // A run that had not ended goes on as it was: nothing changed.
      if (run.status !== "running") {
        const data = { experiment: run.experiment, previous: run.status };
        eventId = await emitAbout(scope, id, { type: "run.resumed", causationid: eventId, data });
      }
      return { experiment: run.experiment, eventId };
    },
    { signal },
  );
}

function insertRun({ database, clock }: RunStoreOptions, id: RunId, run: RunOptions): Promise<EventId> {
  const { experiment, name = id, parentRunId, tags = {}, from = [], by, causedBy, signal } = run;
  return database.write(
    async (scope) => {
      const { sql } = scope;
      if (parentRunId !== undefined) {
        const parent = sql.selectFrom("registry_runs").select("id").where("id", "=", parentRunId);
        if ((await parent.executeTakeFirst()) === undefined) throw runUnknown(parentRunId);
      }
      const row: RegistryTables["registry_runs"] = {
        id,
        experiment_id: await ensureExperiment(scope, experiment, clock.nowMs()),
        name,
        parent: parentRunId ?? null,
        status: "running",
        started_ms: clock.nowMs(),
        ended_ms: null,
        deleted_ms: null,
        started_by: by ?? null,
        notes: null,
        inputs: JSON.stringify(from),
      };
      await sql.insertInto("registry_runs").values(row).execute();
      const tagRows = Object.entries(tags).map(([tag, value]) => ({ run: id, name: tag, value }));
      for (let start = 0; start < tagRows.length; start += tagsPerInsert)
        await sql
          .insertInto("registry_run_tags")
          .values(tagRows.slice(start, start + tagsPerInsert))
          .execute();
      const made: EntityReference = { kind: "run", id, name };
      const data = { experiment, made: [made], from, ...(by === undefined ? {} : { by }) };
      return emitAbout(scope, id, { type: "run.started", causationid: causedBy, data });
    },
    { signal },
  );
}

/** The experiment's number; it is made where there is none of the name. */
async function ensureExperiment({ sql }: WriteScope<RegistryTables>, name: string, nowMs: number): Promise<number> {
  const known = await sql.selectFrom("registry_experiments").select("id").where("name", "=", name).executeTakeFirst();
  if (known !== undefined) return known.id;
  const made = await sql
    .insertInto("registry_experiments")
    .columns(["name", "created_ms", "updated_ms"])
    .values({ name, created_ms: nowMs, updated_ms: nowMs } as RegistryTables["registry_experiments"])
    .returning("id")
    .executeTakeFirstOrThrow();
  return made.id;
}
