import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type IdSource,
  type Logger,
  type RunHandle,
  type RunId,
  type RunOptions,
  type RunStatus,
  type RunTracker,
} from "@millwright/contracts";
import { runDeleted, runEnded } from "../errors.ts";
import { checkLabel } from "../names.ts";
import { artifactFolder, uploadArtifact } from "./client-artifacts.ts";
import { type MlflowBatch, createMlflowBatch } from "./client-batch.ts";
import { type MlflowRun, createRun, ensureExperiment, getRun, post } from "./client-calls.ts";
import type { MlflowHttp } from "./client-http.ts";
import { checkArtifactPath, mlflowTags } from "./client-values.ts";

export interface MlflowScopeOfClient {
  readonly url: string;
  readonly http: MlflowHttp;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly flushMs: number;
  /** Throws `PORT_CLOSED` once the client was disposed. */
  readonly assertOpen: () => void;
}

/** What a run is found by where the answer that told its id was lost. */
export const keyTag = "millwright.key";

export const statusNames = { running: "RUNNING", finished: "FINISHED", failed: "FAILED", killed: "KILLED" } as const;

export interface MlflowRuns extends Required<RunTracker> {
  /** Sends what the runs that are open here still have. */
  flushAll(): Promise<void>;
}

export function createMlflowRuns(scope: MlflowScopeOfClient): MlflowRuns {
  const { http, clock, ids } = scope;
  const open = new Set<MlflowBatch>();
  const handleOf = (run: MlflowRun): RunHandle => {
    const batch = createMlflowBatch({ ...scope, run: run.id });
    open.add(batch);
    return createHandle(scope, run, batch, () => open.delete(batch));
  };
  return {
    async startRun({ signal, ...options }) {
      signal?.throwIfAborted();
      scope.assertOpen();
      checkLabel("an experiment", options.experiment);
      if (options.name !== undefined) checkLabel("a run", options.name);
      const tags = mlflowTags(tagsOf(options));
      const experimentId = await ensureExperiment(http, options.experiment, { signal });
      const key = { key: keyTag, value: ids.next() };
      const { name, by: user } = options;
      const start = { experimentId, name, user, startedMs: clock.nowMs(), tags, key };
      return handleOf(await createRun(http, start, { signal }));
    },
    async resumeRun(id, { signal } = {}) {
      signal?.throwIfAborted();
      scope.assertOpen();
      const run = await getRun(http, id, { signal });
      if (run === undefined) return undefined;
      if (run.isDeleted) throw runDeleted(id);
      if (run.status !== "RUNNING") await post(http, "runs/update", { run_id: id, status: "RUNNING" }, { signal });
      return handleOf(run);
    },
    async flushAll() {
      const flushed = await Promise.allSettled([...open].map((batch) => batch.flush()));
      open.clear();
      const failed = flushed.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}

/** What MLflow has no field for is a tag. */
export function tagsOf(
  options: Omit<RunOptions, "signal" | "experiment">,
): Readonly<Record<string, string | undefined>> {
  const { tags = {}, parentRunId, from = [], by, causedBy } = options;
  return {
    ...tags,
    "mlflow.parentRunId": parentRunId,
    "mlflow.user": by,
    "millwright.from": from.length === 0 ? undefined : JSON.stringify(from),
    "millwright.caused-by": causedBy,
  };
}

function createHandle(
  { url, http, artifacts, clock, assertOpen }: MlflowScopeOfClient,
  run: MlflowRun,
  batch: MlflowBatch,
  onEnd: () => void,
): RunHandle {
  const id = run.id as RunId;
  let ended = false;
  const check = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (ended) throw runEnded(id);
    assertOpen();
  };
  return {
    id,
    logParams(params) {
      check();
      batch.addParams(params);
    },
    logMetrics(points) {
      check();
      batch.addMetrics(points);
    },
    async logArtifact(path, bytes, { signal } = {}) {
      check(signal);
      checkArtifactPath(path);
      const folder = artifactFolder(run.artifactUri, url);
      const stored = await artifacts.put(bytes, { signal });
      await uploadArtifact(http, folder, path, artifacts, stored, { signal });
      return stored.digest;
    },
    async flush({ signal } = {}) {
      signal?.throwIfAborted();
      await batch.flush({ signal });
    },
    async end(status, { signal } = {}) {
      check(signal);
      ended = true;
      try {
        await batch.flush({ signal });
        await endRun(http, id, status, clock.nowMs(), { signal });
      } catch (error) {
        // It has not ended: the caller may try again.
        ended = false;
        throw error;
      }
      onEnd();
    },
  };
}

export const endRun = (
  http: MlflowHttp,
  id: string,
  status: Exclude<RunStatus, "running">,
  endedMs: number,
  options: CallOptions,
): Promise<unknown> =>
  post(http, "runs/update", { run_id: id, status: statusNames[status], end_time: endedMs }, options);
