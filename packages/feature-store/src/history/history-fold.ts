import type { Schema } from "@millwright/contracts";
import type { HistoryBatch } from "./history-log.ts";

/** Many batches in one entry, so that a folder does not need a file for each that ever came. */
export interface HistoryFold {
  /** How many folds there had been, this one counted; 0: none. */
  readonly folds: number;
  /** How many compactions of files there had been. */
  readonly compactions: number;
  readonly batches: readonly HistoryBatch[];
}

interface FoldText {
  readonly formatVersion: 3;
  readonly id: string;
  readonly folds: number;
  readonly compactions: number;
  readonly schemas: readonly Schema[];
  readonly batches: readonly (Omit<HistoryBatch, "schema"> & { readonly schema: number })[];
}

const COMPACTION = /^compaction\/(\d+)$/;

/** The id of a compaction of files: of two that follow the same one, only one can be committed. */
export const compactionId = (number: number): string => `compaction/${number}`;

/** The id of a fold: of two that follow the same one, only one can be committed. */
export const foldId = (number: number): string => `fold/${number}`;

/** Which compaction an id names; 0 for a batch of rows. */
const compactionOf = (id: string): number => Number(COMPACTION.exec(id)?.[1] ?? 0);

/** A fold as text. Schemas, which are mostly the same, stand there once. */
export function encodeFold({ folds, compactions, batches }: HistoryFold): string {
  const places = new Map<string, number>();
  const schemas: Schema[] = [];
  const placeOf = (schema: Schema): number => {
    const key = JSON.stringify(schema);
    let place = places.get(key);
    if (place === undefined) {
      places.set(key, (place = schemas.length));
      schemas.push(schema);
    }
    return place;
  };
  const text: FoldText = {
    formatVersion: 3,
    id: foldId(folds),
    folds,
    compactions,
    batches: batches.map((batch) => ({ ...batch, schema: placeOf(batch.schema) })),
    schemas,
  };
  return JSON.stringify(text);
}

/** @returns undefined where the value is no fold. */
export function decodeFold(value: unknown): HistoryFold | undefined {
  const { folds, compactions, schemas, batches } = (value ?? {}) as Partial<FoldText>;
  if (typeof folds !== "number" || typeof compactions !== "number") return undefined;
  if (!Array.isArray(schemas) || !Array.isArray(batches)) return undefined;
  const decoded = (batches as FoldText["batches"]).map((batch): HistoryBatch => {
    return { ...batch, schema: (schemas as readonly Schema[])[batch.schema] ?? [] };
  });
  return { folds, compactions, batches: decoded };
}

/** What a folder's entries say together. A batch that the newest fold holds counts as it stands there. */
export function unfolded(entries: readonly (HistoryBatch | HistoryFold)[]): HistoryFold {
  let fold: HistoryFold = { folds: 0, compactions: 0, batches: [] };
  for (const entry of entries) if (isFold(entry) && entry.folds > fold.folds) fold = entry;
  const known = new Set(fold.batches.map(({ id }) => id));
  let { compactions } = fold;
  const loose: HistoryBatch[] = [];
  for (const entry of entries) {
    if (isFold(entry) || known.has(entry.id)) continue;
    const own = compactionOf(entry.id);
    // A compaction that came too late to be one: another took its place, and was folded since.
    if (own > 0 && own <= fold.compactions) continue;
    compactions = Math.max(compactions, own);
    loose.push(entry);
  }
  return { folds: fold.folds, compactions, batches: [...fold.batches, ...loose].sort((a, b) => a.number - b.number) };
}

export const isFold = (entry: HistoryBatch | HistoryFold): entry is HistoryFold => "batches" in entry;

/** Batches without the files that are not there any more; a compaction of which nothing is left is left out. */
export function withoutParts(batches: readonly HistoryBatch[], gone: ReadonlySet<string>): HistoryBatch[] {
  return batches.flatMap((batch) => {
    const parts = batch.parts.filter(({ path }) => !gone.has(path));
    const replaces = batch.replaces?.filter((path) => !gone.has(path));
    if (batch.origin === "compaction" && parts.length === 0 && replaces?.length === 0) return [];
    return [{ ...batch, parts, ...(replaces === undefined ? {} : { replaces }) }];
  });
}
