import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, Clock } from "@millwright/contracts";
import type { DuckDb } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { definitionUnknown } from "../errors.ts";
import type { HistorySource } from "../history/history-sql.ts";
import type { IngestTarget } from "../ingestion/ingest.ts";
import { keySchema, type SourceRow } from "../definition/source-columns.ts";
import type { Online } from "../online/online.ts";
import { keyOf } from "../records/record-key.ts";
import { DATASETS_FOLDER } from "../retrieval/training-pin.ts";
import { eraseFromHistory, isEntitySql, rowsByFile } from "./erase-history.ts";
import { deleteSegments, SEGMENTS_FOLDER } from "../segments/segment-file.ts";
import type { ErasedPlace, ErasureReceipt } from "./receipt.ts";

export interface ForgetParts {
  readonly views: ReadonlyMap<string, FeatureView>;
  readonly source: HistorySource;
  readonly online: Online;
  readonly hasOnline: boolean;
  readonly clock: Clock;
  /** Where a view's rows go, once what was put stands in its history. */
  readonly targetOf: (view: FeatureView) => Promise<IngestTarget>;
}

/** Takes an entity out of all views: their history first, so that nothing brings it online again. A call that was broken off is made again. */
export async function forgetEntity(
  { views, source, online, hasOnline, clock, targetOf }: ForgetParts,
  entity: string,
  keys: SourceRow,
  options: CallOptions,
): Promise<ErasureReceipt> {
  const concerned = [...views.values()].filter((view) => view.entity.name === entity);
  const [first] = concerned;
  if (first === undefined) {
    throw definitionUnknown("entity", entity, [...new Set([...views.values()].map((view) => view.entity.name))]);
  }
  for (const view of concerned) keyOf(view, keys);
  const places: ErasedPlace[] = [];
  for (const view of concerned) {
    const target = await targetOf(view);
    const erased = await eraseFromHistory(target, isEntitySql(view, keys), options);
    places.push(...erased, ...(await eraseFromSegments(view, target, erased.length > 0)));
  }
  source.segments.clear();
  for (const view of hasOnline ? concerned : []) {
    const under = await online.forget(view, keyOf(view, keys), options);
    if (under !== undefined) places.push({ path: `online/${under}`, what: "online", action: "deleted" });
  }
  places.push(...(await eraseFromTrainingSets(source, first, keys, options)));
  const named = keySchema(first).map(({ name }) => String(keys[name]));
  const keysDigest = `sha256:${createHash("sha256").update(JSON.stringify(named)).digest("hex")}`;
  return { formatVersion: 1, entity, keysDigest, timeMs: clock.nowMs(), places };
}

/**
 * Deletes the segments that may have an entity's rows: all where it had any, else those from before an erasure that was broken off. Whoever reads rows into one
 * meanwhile sees that the history was rewritten, and keeps none.
 */
async function eraseFromSegments(view: FeatureView, { log }: IngestTarget, hadRows: boolean): Promise<ErasedPlace[]> {
  const names = await deleteSegments(log, hadRows ? undefined : (await log.snapshot()).compactions);
  return names.map((name) => ({ path: `${view.id}/${SEGMENTS_FOLDER}/${name}`, what: "segment", action: "deleted" }));
}

/** Deletes the training sets, and the copies of labels, that hold an entity. */
async function eraseFromTrainingSets(
  { duckdb, directory }: HistorySource,
  view: FeatureView,
  keys: SourceRow,
  options: CallOptions,
): Promise<ErasedPlace[]> {
  const folder = join(directory, DATASETS_FOLDER);
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => name.endsWith(".parquet"));
  const places: ErasedPlace[] = [];
  for (const name of names.toSorted()) {
    const path = join(folder, name);
    if (!(await hasKeys(duckdb, path, view, options))) continue;
    const rows = (await rowsByFile(duckdb, [path], isEntitySql(view, keys), options)).get(path);
    if (rows === undefined) continue;
    await rm(path, { force: true });
    places.push({ path: `${DATASETS_FOLDER}/${name}`, what: "training-set", rows, action: "deleted" });
  }
  return places;
}

async function hasKeys(duckdb: DuckDb, path: string, view: FeatureView, options: CallOptions): Promise<boolean> {
  const { schema } = await duckdb.scan(path, options);
  return keySchema(view).every(({ name, type }) => schema.some((field) => field.name === name && field.type === type));
}
