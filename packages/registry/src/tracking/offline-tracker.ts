import { join } from "node:path";
import {
  type CallOptions,
  type Clock,
  type IdSource,
  type RunHandle,
  type RunId,
  type RunOptions,
  type RunTracker,
  closed,
  createIdSource,
  systemClock,
} from "@millwright/contracts";
import { type LogDurability, openDirectoryArtifactStore } from "@millwright/storage";
import { checkLabel } from "../names.ts";
import type { RunStart } from "./run-entries.ts";
import { createOfflineHandle } from "./offline-handle.ts";
import { type Journal, createJournal, listJournals, reopenJournal } from "./offline-journal.ts";
import { type SyncOptions, type SyncReport, type SyncTarget, syncJournals } from "./offline-sync.ts";

export interface OfflineTrackerOptions extends CallOptions {
  /** Where journals and artifacts lie; it is made if it is not there. Several processes may use one. */
  readonly directory: string;
  /** When something logged is safe: `buffered`: from the end of this process at once; `fsync`: from a power failure; `fire`: after `flush`. Default: `buffered`. */
  readonly durability?: LogDurability | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
}

/** Logs runs without a server or a database, and takes them to a registry later. */
export interface OfflineTracker extends RunTracker, AsyncDisposable {
  /** Throws `STORAGE_LOG_LOCKED` while another process has the run. */
  resumeRun(id: RunId, options?: CallOptions): Promise<RunHandle | undefined>;
  /** Runs that have a journal here, in no order. */
  runs(options?: CallOptions): Promise<readonly RunId[]>;
  /**
   * Takes every run to `target`, also those that still go on. What is there already is not written again: after an interruption the same call goes on,
   * and a second one does nothing. Where the target has something else, it stays as `prefer` says, and the report tells.
   */
  sync(target: SyncTarget, options?: SyncOptions): Promise<SyncReport>;
}

export async function openOfflineTracker(options: OfflineTrackerOptions): Promise<OfflineTracker> {
  const { directory, durability = "buffered", clock = systemClock, ids = createIdSource(clock), signal } = options;
  const artifacts = await openDirectoryArtifactStore(join(directory, "artifacts"), { clock, ids, signal });
  const open = new Set<Journal>();
  let isClosed = false;
  const handleOf = (journal: Journal): RunHandle => {
    open.add(journal);
    return createOfflineHandle({
      journal,
      artifacts,
      clock,
      isClosed: () => isClosed,
      onEnd: () => open.delete(journal),
    });
  };
  const check = (aborted: AbortSignal | undefined): void => {
    aborted?.throwIfAborted();
    if (isClosed) throw closed("The tracker");
  };
  return {
    async startRun(run) {
      check(run.signal);
      const start = startOf(run, ids.next() as RunId, clock.nowMs());
      return handleOf(await createJournal(directory, { formatVersion: 1, source: ids.next(), start }, durability));
    },
    async resumeRun(id, { signal: aborted } = {}) {
      check(aborted);
      const there = (await listJournals(directory)).includes(id);
      const journal = there ? await reopenJournal(directory, id, durability) : undefined;
      journal?.add({ kind: "resume" });
      return journal === undefined ? undefined : handleOf(journal);
    },
    async runs({ signal: aborted } = {}) {
      check(aborted);
      return listJournals(directory);
    },
    async sync(target, syncOptions = {}) {
      check(syncOptions.signal);
      return syncJournals(directory, artifacts, target, syncOptions);
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const left = [...open];
      open.clear();
      await closeAll(left);
    },
  };
}

function startOf(run: RunOptions, id: RunId, startedMs: number): RunStart {
  const { experiment, name = id, parentRunId, tags = {}, from = [], by, causedBy } = run;
  checkLabel("an experiment", experiment);
  checkLabel("a run", name);
  return { id, experiment, name, parentRunId, tags, from, by, causedBy, startedMs };
}

async function closeAll(journals: readonly Journal[]): Promise<void> {
  const flushed = await Promise.allSettled(journals.map((journal) => journal.flush()));
  await Promise.all(journals.map((journal) => journal.close()));
  const failed = flushed.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
