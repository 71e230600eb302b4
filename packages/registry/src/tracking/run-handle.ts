import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type EventId,
  type JsonValue,
  type MetricPoint,
  type RunHandle,
  type RunId,
  type RunStatus,
  closed,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { runEnded } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RunBatch } from "./run-batch.ts";
import { endRun } from "./run-end.ts";
import { assertRunActive } from "./run-guard.ts";
import type { RegistryTables } from "../tables/tables.ts";

const durabilities: readonly string[] = ["fire", "buffered", "fsync"];

export interface RunHandleOptions {
  readonly id: RunId;
  readonly experiment: string;
  /** The event that told of the run last. */
  readonly eventId: EventId | undefined;
  readonly batch: RunBatch;
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly actors: Actors;
  /** True once the registry was disposed. */
  readonly isClosed: () => boolean;
  /** Told when the run has ended. */
  readonly onEnd: () => void;
}

/** What is logged in one call. */
export interface RunLog {
  readonly params?: Readonly<Record<string, JsonValue>> | undefined;
  readonly metrics?: readonly MetricPoint[] | undefined;
}

export interface RunLogOptions extends CallOptions {
  /**
   * When the call resolves. `fire`: at once; it is written within `flushMs`, and lost with a process that is killed before. `buffered`: when it is in
   * the database, and survives the end of this process by any signal. `fsync`: when it survives a power failure too, with all that was logged to
   * the run before. Default: `buffered`.
   */
  readonly durability?: "fire" | "buffered" | "fsync" | undefined;
}

/**
 * A run of the registry, to be written. `logParams` and `logMetrics` are `log` with `fire`; `flush` and `end` wait as `fsync` does. Nothing is written to a
 * run that is deleted: what waits for an answer is refused, what does not is told to the logger, and refused by the next that waits.
 */
export interface RegistryRunHandle extends RunHandle {
  /**
   * Throws `REGISTRY_NAME_INVALID`, `REGISTRY_RUN_ENDED`; `REGISTRY_WRITE_FAILED` and, while the run is deleted, `REGISTRY_RUN_DELETED` (then it is
   * kept, and written by the next flush after that has passed); `REGISTRY_RUN_UNKNOWN` where the run is gone for good, with all that was logged.
   */
  log(entry: RunLog, options?: RunLogOptions): Promise<void>;
}

/** The writing side of one run. */
export function createRunHandle(options: RunHandleOptions): RegistryRunHandle {
  const { id, eventId, batch, clock } = options;
  let ended = false;
  const assertOpen = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (ended) throw runEnded(id);
    if (options.isClosed()) throw closed("The registry");
  };
  return {
    id,
    eventId,
    logParams(params) {
      assertOpen();
      batch.add(params, [], clock.nowMs());
    },
    logMetrics(points) {
      assertOpen();
      batch.add({}, points, clock.nowMs());
    },
    async log({ params = {}, metrics = [] }, { durability = "buffered", signal } = {}) {
      assertOpen(signal);
      if (!durabilities.includes(durability))
        throw new RangeError(`durability is fire, buffered or fsync, not ${JSON.stringify(durability)}.`);
      // Both or nothing: what cannot be written throws before anything comes in.
      batch.add(params, metrics, clock.nowMs());
      if (durability !== "fire") await batch.flush(durability === "fsync" ? "full" : "normal");
    },
    async logArtifact(path, bytes, { signal } = {}) {
      assertOpen(signal);
      checkLabel("an artifact", path);
      return writeArtifact(options, path, bytes, { signal });
    },
    async flush({ signal } = {}) {
      signal?.throwIfAborted();
      await batch.flush("full");
    },
    async end(status, { signal } = {}) {
      assertOpen(signal);
      ended = true;
      try {
        await batch.flush("full");
        await writeEnd(options, status, { signal });
      } catch (error) {
        // It has not ended: the caller may try again.
        ended = false;
        throw error;
      }
      options.onEnd();
    },
  };
}

async function writeArtifact(
  { id, artifacts, database }: RunHandleOptions,
  path: string,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  { signal }: CallOptions,
): ReturnType<RunHandle["logArtifact"]> {
  const { digest, sizeBytes } = await artifacts.put(bytes, { signal });
  await database.write(
    async ({ sql }) => {
      await assertRunActive(sql, id);
      await sql
        .insertInto("registry_artifacts")
        .values({ run: id, path, digest, size_bytes: sizeBytes })
        .onConflict((conflict) => conflict.columns(["run", "path"]).doUpdateSet({ digest, size_bytes: sizeBytes }))
        .execute();
    },
    { signal },
  );
  return digest;
}

function writeEnd(
  { id, experiment, database, clock, actors }: RunHandleOptions,
  status: Exclude<RunStatus, "running">,
  { signal }: CallOptions,
): Promise<void> {
  return database.write(
    async (scope) => {
      await assertRunActive(scope.sql, id);
      await endRun(scope, { id, experiment, status, endedMs: clock.nowMs() }, actors);
    },
    { signal },
  );
}
