import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type EventId,
  type RunHandle,
  type RunId,
  type RunStatus,
  closed,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { runEnded } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RunBatch } from "./run-batch.ts";
import { endRun } from "./run-end.ts";
import type { RegistryTables } from "../tables/tables.ts";

export interface RunHandleOptions {
  readonly id: RunId;
  readonly experiment: string;
  /** The event that told of the run last. */
  readonly eventId: EventId | undefined;
  readonly batch: RunBatch;
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** True once the registry was disposed. */
  readonly isClosed: () => boolean;
  /** Told when the run has ended. */
  readonly onEnd: () => void;
}

/** The writing side of one run. */
export function createRunHandle(options: RunHandleOptions): RunHandle {
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
      batch.addParams(params);
    },
    logMetrics(points) {
      assertOpen();
      batch.addMetrics(points, clock.nowMs());
    },
    async logArtifact(path, bytes, { signal } = {}) {
      assertOpen(signal);
      checkLabel("an artifact", path);
      return writeArtifact(options, path, bytes, { signal });
    },
    async flush({ signal } = {}) {
      signal?.throwIfAborted();
      await batch.flush();
    },
    async end(status, { signal } = {}) {
      assertOpen(signal);
      ended = true;
      try {
        await batch.flush();
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
    ({ sql }) =>
      sql
        .insertInto("registry_artifacts")
        .values({ run: id, path, digest, size_bytes: sizeBytes })
        .onConflict((conflict) => conflict.columns(["run", "path"]).doUpdateSet({ digest, size_bytes: sizeBytes }))
        .execute(),
    { signal },
  );
  return digest;
}

function writeEnd(
  { id, experiment, database, clock }: RunHandleOptions,
  status: Exclude<RunStatus, "running">,
  { signal }: CallOptions,
): Promise<void> {
  return database.write((scope) => endRun(scope, { id, experiment, status, endedMs: clock.nowMs() }), { signal });
}
