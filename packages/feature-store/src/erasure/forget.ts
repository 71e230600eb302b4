import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, Clock } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { keySchema, type SourceRow } from "../definition/source-columns.ts";
import { definitionUnknown } from "../errors.ts";
import { incomingFolders } from "../history/history-leftovers.ts";
import { QUARANTINE_FOLDER } from "../history/history-parts.ts";
import type { HistorySource } from "../history/history-sql.ts";
import type { IngestTarget } from "../ingestion/ingest.ts";
import type { Journals } from "../online/journals.ts";
import { readRecordsNow } from "../online/log-file.ts";
import { onlineRows } from "../online/online-rows.ts";
import type { Online } from "../online/online.ts";
import { LOG, PUTS_FOLDER } from "../online/put-journal.ts";
import { decodeRows } from "../online/put-rows.ts";
import { keyOf } from "../records/record-key.ts";
import { eraseFromHistory, isEntitySql } from "./erase-history.ts";
import { deleteTemporaries, eraseFromTrainingSets } from "./erase-training-sets.ts";
import { deleteSegments, SEGMENTS_FOLDER } from "../segments/segment-file.ts";
import { type ErasedPlace, type ErasureReceipt, type LeftPlace, OUTSIDE } from "./receipt.ts";

export interface ForgetOptions extends CallOptions {
  /**
   * Whether a salted hash of the keys is kept, so that rows of the entity with event times up to now are left out when they come again: from a stream that is
   * replayed, a backfill, another process. Rows of later times are its again. Default: true.
   */
  readonly remember?: boolean | undefined;
}

export interface ForgetParts {
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly online: Online;
  readonly hasOnline: boolean;
  readonly clock: Clock;
  readonly journals: Journals;
  /** Where a view's rows go, once what was put stands in its history. */
  readonly targetOf: (view: FeatureView) => Promise<IngestTarget>;
}

/** Rows that come in while the entity is forgotten are looked for again, so often at most. */
const MOST_ROUNDS = 4;

/** An entity, and the views that it is in. */
interface Subject {
  readonly views: readonly FeatureView[];
  readonly first: FeatureView;
  readonly keys: SourceRow;
}

/**
 * Takes an entity out of all views: says first that it is forgotten, then takes away what there is, its history before what is online, so that nothing brings it back. A call
 * that was broken off is made again.
 */
export async function forgetEntity(
  parts: ForgetParts,
  entity: string,
  keys: SourceRow,
  { remember = true, signal }: ForgetOptions,
): Promise<ErasureReceipt> {
  const { source, clock } = parts;
  const subject = subjectOf(parts, entity, keys);
  const { first, views } = subject;
  const timeMs = clock.nowMs();
  if (remember) await source.forgotten.remember(first, keyOf(first, keys), Math.round(timeMs * 1000));
  const places: ErasedPlace[] = [];
  const left: LeftPlace[] = [];
  for (let round = 0, before = ""; round < MOST_ROUNDS; round++) {
    const now = await stateOf(parts, views);
    // Nothing came in since the last round began.
    if (now === before) break;
    left.length = 0;
    await eraseRound(parts, subject, { places, left }, { signal });
    before = now;
  }
  for (const view of views) left.push(...(await waitingIn(parts, view, keys)));
  if (parts.hasOnline) left.push(...(await purged(parts, subject, { signal })));
  const named = keySchema(first).map(({ name }) => String(keys[name]));
  const keysDigest = `sha256:${createHash("sha256").update(JSON.stringify(named)).digest("hex")}`;
  const until = remember ? { untilMs: timeMs } : {};
  return { formatVersion: 1, entity, keysDigest, timeMs, places, left: [...left, ...OUTSIDE], ...until };
}

/** Throws `FEATURE_STORE_DEFINITION_UNKNOWN`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
function subjectOf({ views }: ForgetParts, entity: string, keys: SourceRow): Subject {
  const all = [...views.values()];
  const concerned = all.filter((view) => view.entity.name === entity);
  const [first] = concerned;
  if (first === undefined) throw definitionUnknown("entity", entity, [...new Set(all.map((view) => view.entity.name))]);
  for (const view of concerned) keyOf(view, keys);
  return { views: concerned, first, keys };
}

/** What tells that batches came in. */
async function stateOf({ source }: ForgetParts, views: readonly FeatureView[]): Promise<string> {
  const ids = views.map(async ({ id }) => {
    const batches = (await (await source.log(id)).batches()).filter(({ origin }) => origin !== "compaction");
    return `${id} ${batches.length} ${batches.at(-1)?.number}`;
  });
  return (await Promise.all(ids)).join();
}

async function eraseRound(
  parts: ForgetParts,
  { views, first, keys }: Subject,
  { places, left }: { readonly places: ErasedPlace[]; readonly left: LeftPlace[] },
  options: CallOptions,
): Promise<void> {
  const { source, online, hasOnline, journals, targetOf } = parts;
  for (const view of views) {
    await journals.recover(view);
    const target = await targetOf(view);
    await target.log.deleteLeftovers();
    await deleteTemporaries(join(target.log.directory, QUARANTINE_FOLDER), QUARANTINE_FOLDER);
    const erased = await eraseFromHistory(target, isEntitySql(view, keys), options);
    places.push(...erased, ...(await eraseFromSegments(view, target, erased.length > 0)));
  }
  source.segments.clear();
  for (const view of hasOnline ? views : []) {
    const under = await online.forget(view, keyOf(view, keys), options);
    if (under !== undefined) places.push({ path: `online/${under}`, what: "online", action: "deleted" });
  }
  const sets = await eraseFromTrainingSets(source, first, keys, options);
  places.push(...sets.places);
  left.push(...sets.left);
}

/**
 * Deletes the segments that may have an entity's rows: all where it had any, else those from before an erasure that was broken off. Whoever reads rows into one
 * meanwhile sees that the history was rewritten, and keeps none.
 */
async function eraseFromSegments(view: FeatureView, { log }: IngestTarget, hadRows: boolean): Promise<ErasedPlace[]> {
  const names = await deleteSegments(log, hadRows ? undefined : (await log.snapshot()).compactions);
  return names.map((name) => ({ path: `${view.id}/${SEGMENTS_FOLDER}/${name}`, what: "segment", action: "deleted" }));
}

/** What other processes have of the entity, and have not written yet. */
async function waitingIn({ source }: ForgetParts, view: FeatureView, keys: SourceRow): Promise<LeftPlace[]> {
  const { directory } = await source.log(view.id);
  const left: LeftPlace[] = [];
  for (const id of await readdir(join(directory, PUTS_FOLDER)).catch((): string[] => [])) {
    const found = readRecordsNow(join(directory, PUTS_FOLDER, id, LOG), 0)?.payloads ?? [];
    const key = keyOf(view, keys);
    if (!found.some((payload) => onlineRows(view, decodeRows(view, payload).batch).some((row) => row.key === key)))
      continue;
    left.push({
      path: `${view.id}/${PUTS_FOLDER}/${id}`,
      what: "journal",
      reason: "another process put rows of the entity and has not written them to the history",
      remedy: "Call `flush` in that process, or end it, and forget the entity again.",
    });
  }
  for (const name of await incomingFolders(directory)) {
    left.push({
      path: `${view.id}/${name}`,
      what: "incoming",
      reason: "a batch was being written, which may have rows of the entity from before it was forgotten",
      remedy: "Forget the entity again once it is written.",
    });
  }
  return left;
}

async function purged({ online }: ForgetParts, { views, keys }: Subject, options: CallOptions): Promise<LeftPlace[]> {
  const left = new Map<string, LeftPlace>();
  for (const view of views) {
    for (const each of await online.purge(view, keyOf(view, keys), options))
      left.set(each.path, { ...each, what: "online" });
  }
  return [...left.values()];
}
