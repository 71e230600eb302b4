import { type ArtifactStore, type Clock, type RunHandle, closed } from "@millwright/contracts";
import { runEnded } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { Journal } from "./offline-journal.ts";
import { loggedPoint, paramJson } from "./run-statements.ts";

export interface OfflineHandleOptions {
  readonly journal: Journal;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly isClosed: () => boolean;
  readonly onEnd: () => void;
}

/** The writing side of one run that goes to a journal. */
export function createOfflineHandle({ journal, artifacts, clock, isClosed, onEnd }: OfflineHandleOptions): RunHandle {
  const { id } = journal.head.start;
  let ended = false;
  const assertOpen = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (ended) throw runEnded(id);
    if (isClosed()) throw closed("The tracker");
  };
  return {
    id,
    logParams(params) {
      assertOpen();
      // What a registry would not take must not come in: no later sync would get past it.
      for (const [name, value] of Object.entries(params)) paramJson(name, value);
      if (Object.keys(params).length > 0) journal.add({ kind: "log", params });
    },
    logMetrics(points) {
      assertOpen();
      const metrics = Array.from(points, (point) => loggedPoint(point, clock.nowMs()));
      if (metrics.length > 0) journal.add({ kind: "log", metrics });
    },
    async logArtifact(path, bytes, { signal } = {}) {
      assertOpen(signal);
      checkLabel("an artifact", path);
      const { digest, sizeBytes } = await artifacts.put(bytes, { signal });
      journal.add({ kind: "artifact", path, digest, sizeBytes });
      return digest;
    },
    async flush({ signal } = {}) {
      signal?.throwIfAborted();
      await journal.flush();
    },
    async end(status, { signal } = {}) {
      assertOpen(signal);
      ended = true;
      try {
        journal.add({ kind: "end", status, endedMs: clock.nowMs() });
        await journal.flush();
      } catch (error) {
        // It has not ended: the caller may try again.
        ended = false;
        throw error;
      }
      onEnd();
      await journal.close();
    },
  };
}
