import { type CallOptions, type Clock, type Digest, systemClock } from "@millwright/contracts";
import { hexOf } from "./artifact-digest.ts";
import type { ArtifactAge, CollectableArtifactStore, SweepReport } from "./collectable-store.ts";

export interface CollectGarbageOptions extends CallOptions {
  /**
   * What is in use: all digests, as of one moment after the call began (read them in one transaction), or a function that tells of one digest whether
   * it is, asked before each deletion.
   */
  readonly reachable:
    | Iterable<Digest>
    | AsyncIterable<Digest>
    | ((digest: Digest, options: CallOptions) => boolean | Promise<boolean>);
  /** Kept whether anything refers to them or not: what is under hold. */
  readonly protected?: Iterable<Digest> | undefined;
  /**
   * What was put or touched within this time is kept: whoever puts an artifact must refer to it within less. The clocks of the machines that share the
   * store may differ by a small part of it. Default: one day.
   */
  readonly graceMs?: number | undefined;
  /** Deletes nothing, and reports what it would. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Called after each artifact that was looked at. */
  readonly onProgress?: ((progress: { readonly examined: number; readonly deleted: number }) => void) | undefined;
}

export interface GarbageTotal {
  readonly artifacts: number;
  readonly bytes: number;
}

/** What there was, why it was kept, and what was deleted, or would be. Each artifact counts once: as the first of these that it is. */
export interface GarbageReport {
  readonly dryRun: boolean;
  readonly examined: GarbageTotal;
  readonly reachable: GarbageTotal;
  readonly protected: GarbageTotal;
  /** Within the grace period, or put again while this ran. */
  readonly young: GarbageTotal;
  readonly deleted: GarbageTotal & { readonly digests: readonly Digest[] };
  /** What is in use and not there; always empty where `reachable` is a function. */
  readonly missing: readonly Digest[];
  /** Leftovers beside the artifacts. */
  readonly swept: SweepReport;
}

const dayMs = 24 * 60 * 60 * 1000;
/** Deletions under way at once. */
const lanes = 8;

/**
 * Deletes the artifacts that nothing refers to any more. Safe while others put: an artifact is kept that is reachable, protected, or was put or touched
 * within the grace period, and one that is put again while this runs is kept or stored anew, never lost.
 *
 * Why: the age limit is taken before `reachable` is read. A reference made before the reading is read; one made after it is, by the rule, to
 * something put less than the grace period earlier, and so after the limit.
 */
export async function collectGarbage(
  store: CollectableArtifactStore,
  options: CollectGarbageOptions,
): Promise<GarbageReport> {
  const { graceMs = dayMs, dryRun = false, clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  if (!(Number.isFinite(graceMs) && graceMs >= 0))
    throw new RangeError(`graceMs must be a number from 0, not ${graceMs}.`);
  const beforeMs = clock.nowMs() - graceMs;
  const held = new Set(digestsOf(options.protected ?? []));
  const marks = await readMarks(options.reachable, signal);
  const tally = createTally();
  const examine = async (artifact: ArtifactAge): Promise<void> => {
    const { digest } = artifact;
    if (await marks.isReachable(digest)) tally.add("reachable", artifact);
    else if (held.has(digest)) tally.add("protected", artifact);
    else if (artifact.putMs >= beforeMs) tally.add("young", artifact);
    else if (dryRun || (await store.deleteOlder(digest, beforeMs, { signal }))) tally.add("deleted", artifact);
    else if (await store.has(digest, { signal })) tally.add("young", artifact);
    options.onProgress?.(tally.progress());
  };
  await inLanes(store.ages({ signal }), examine);
  const swept = await store.sweep({ beforeMs, dryRun, signal });
  const missing: Digest[] = [];
  for (const digest of marks.unseen()) if (!(await store.has(digest, { signal }))) missing.push(digest);
  return { dryRun, ...tally.report(), missing, swept };
}

function* digestsOf(digests: Iterable<Digest>): Generator<Digest> {
  for (const digest of digests) {
    hexOf(digest);
    yield digest;
  }
}

interface Marks {
  isReachable(digest: Digest): boolean | Promise<boolean>;
  /** Those that were not asked for. */
  unseen(): Iterable<Digest>;
}

async function readMarks(
  reachable: CollectGarbageOptions["reachable"],
  signal: AbortSignal | undefined,
): Promise<Marks> {
  if (typeof reachable === "function")
    return { isReachable: (digest) => reachable(digest, { signal }), unseen: () => [] };
  const marked = new Set<Digest>();
  const seen = new Set<Digest>();
  for await (const digest of reachable) {
    signal?.throwIfAborted();
    // A digest in another spelling would not be found, and what it means deleted.
    hexOf(digest);
    marked.add(digest);
  }
  return {
    isReachable(digest) {
      if (!marked.has(digest)) return false;
      seen.add(digest);
      return true;
    },
    unseen: () => [...marked].filter((digest) => !seen.has(digest)),
  };
}

type Verdict = "reachable" | "protected" | "young" | "deleted";

function createTally() {
  const totals = new Map<Verdict, { artifacts: number; bytes: number }>();
  const digests: Digest[] = [];
  const total = (verdict: Verdict): GarbageTotal => totals.get(verdict) ?? { artifacts: 0, bytes: 0 };
  const examined = (): GarbageTotal => ({
    artifacts: [...totals.values()].reduce((sum, each) => sum + each.artifacts, 0),
    bytes: [...totals.values()].reduce((sum, each) => sum + each.bytes, 0),
  });
  return {
    add(verdict: Verdict, { digest, sizeBytes }: ArtifactAge): void {
      const { artifacts, bytes } = total(verdict);
      totals.set(verdict, { artifacts: artifacts + 1, bytes: bytes + sizeBytes });
      if (verdict === "deleted") digests.push(digest);
    },
    progress: () => ({ examined: examined().artifacts, deleted: digests.length }),
    report: () => ({
      examined: examined(),
      reachable: total("reachable"),
      protected: total("protected"),
      young: total("young"),
      deleted: { ...total("deleted"), digests },
    }),
  };
}

async function inLanes<Item>(items: AsyncIterable<Item>, work: (item: Item) => Promise<void>): Promise<void> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < lanes) continue;
    await Promise.all(group.map(work));
    group = [];
  }
  await Promise.all(group.map(work));
}
