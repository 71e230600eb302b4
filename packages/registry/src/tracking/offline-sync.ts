import { type ArtifactStore, type JsonValue, type RunId, hasCode } from "@millwright/contracts";
import { listJournals, readJournal } from "./offline-journal.ts";
import type { ImportConflict, ImportOptions, ImportReport, PlacedEntry, RunImport, RunStart } from "./run-entries.ts";

export interface SyncTarget extends RunImport {
  /** Where the bytes of artifacts go. */
  readonly artifacts: ArtifactStore;
}

export interface SyncOptions extends ImportOptions {
  /** Told after each run. */
  readonly onProgress?:
    | ((progress: { readonly run: RunId; readonly done: number; readonly runs: number }) => void)
    | undefined;
}

export interface SyncReport {
  readonly runs: number;
  /** Entries the target did not have. */
  readonly imported: number;
  readonly known: number;
  readonly artifacts: number;
  readonly conflicts: readonly ImportConflict[];
}

/** Most entries in one import, and most points in them. */
const entriesPerImport = 200;
const pointsPerImport = 20_000;

/** Takes every run with a journal in `directory` to the target. */
export async function syncJournals(
  directory: string,
  artifacts: ArtifactStore,
  target: SyncTarget,
  options: SyncOptions,
): Promise<SyncReport> {
  // Version 7 ids are in the order of their time: a run below another comes after it.
  const runs = (await listJournals(directory)).toSorted();
  let report: SyncReport = { runs: 0, imported: 0, known: 0, artifacts: 0, conflicts: [] };
  for (const [index, run] of runs.entries()) {
    const one = await syncRun(directory, run, artifacts, target, options);
    report = {
      runs: report.runs + 1,
      imported: report.imported + one.imported,
      known: report.known + one.known,
      artifacts: report.artifacts + one.artifacts,
      conflicts: [...report.conflicts, ...one.conflicts],
    };
    options.onProgress?.({ run, done: index + 1, runs: runs.length });
  }
  return report;
}

async function syncRun(
  directory: string,
  run: RunId,
  artifacts: ArtifactStore,
  target: SyncTarget,
  options: SyncOptions,
): Promise<Omit<SyncReport, "runs">> {
  const { signal } = options;
  const conflicts = new Map<string, ImportConflict>();
  const total = { imported: 0, known: 0, artifacts: 0 };
  const before: Record<string, JsonValue> = {};
  let some: PlacedEntry[] = [];
  let points = 0;
  const bring = async (source: string, start: RunStart): Promise<void> => {
    for (const { entry } of some)
      if (entry.kind === "artifact" && (await copyArtifact(entry.digest, artifacts, target.artifacts, signal)))
        total.artifacts += 1;
    const report = await importUnlessDeleted(target, [source, start, some, { ...options, before }]);
    total.imported += report.imported;
    total.known += report.known;
    for (const conflict of report.conflicts) conflicts.set(JSON.stringify(conflict), conflict);
    for (const { entry } of some) if (entry.kind === "log") Object.assign(before, entry.params);
    some = [];
    points = 0;
  };
  let head;
  for await (const { head: found, placed } of readJournal(directory, run)) {
    signal?.throwIfAborted();
    head = found;
    if (placed === undefined) continue;
    some.push(placed);
    if (placed.entry.kind === "log") points += placed.entry.metrics?.length ?? 0;
    if (some.length >= entriesPerImport || points >= pointsPerImport) await bring(head.source, head.start);
  }
  if (head !== undefined) await bring(head.source, head.start);
  return { ...total, conflicts: [...conflicts.values()] };
}

/** One deleted run must not keep the others from being taken: the report tells of it. */
async function importUnlessDeleted(
  target: SyncTarget,
  given: Parameters<RunImport["importRun"]>,
): Promise<ImportReport> {
  try {
    return await target.importRun(...given);
  } catch (error) {
    if (!hasCode(error, "REGISTRY_RUN_DELETED")) throw error;
    const conflict = { run: given[1].id, kind: "deleted", name: "", stored: true, given: false } as const;
    return { imported: 0, known: 0, conflicts: [conflict] };
  }
}

async function copyArtifact(
  digest: Parameters<ArtifactStore["open"]>[0],
  from: ArtifactStore,
  to: ArtifactStore,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (await to.has(digest, { signal })) return false;
  await to.put(from.open(digest, { signal }), { signal });
  return true;
}
