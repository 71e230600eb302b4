import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  columnOf,
  createProfiler,
  parseProfile,
  type ProfilableDataset,
  type Profile,
  profileDataset,
  profileToJson,
} from "@millwright/data";
import { dataEmpty } from "../errors.ts";
import { columnsOf, type ReadableRows } from "./row-reader.ts";
import { labelsOf } from "./labels.ts";

/**
 * Walks all rows once: checks their labels before any step is taken, and profiles their columns. What was found is kept in the run's folder, so that later
 * attempts need not walk. Throws `TRAINER_DATA_EMPTY`, `TRAINER_LABEL_INVALID`, and what reading throws.
 */
export async function scanRows(
  { directory, train }: { readonly directory: string; readonly train: { readonly digest: string } },
  dataset: ProfilableDataset,
  rows: ReadableRows,
  signal: AbortSignal,
): Promise<Profile> {
  if (rows.share.rows === 0) throw dataEmpty("training");
  const path = join(directory, "profile.json");
  const kept = await readFile(path, "utf8").catch(() => undefined);
  if (kept !== undefined) {
    const { digest, profile } = JSON.parse(kept) as { readonly digest: string; readonly profile: unknown };
    if (digest === train.digest) return parseProfile(profile);
  }
  const profile = await profiled(dataset, rows, signal);
  await mkdir(directory, { recursive: true });
  await writeFile(`${path}.draft`, JSON.stringify({ digest: train.digest, profile: profileToJson(profile) }));
  await rename(`${path}.draft`, path);
  return profile;
}

/**
 * Rows that can be reached anywhere are stored column by column: there the labels cost little by themselves, and the dataset knows its profile for less than its
 * batches cost. All others are walked once.
 */
async function profiled(dataset: ProfilableDataset, rows: ReadableRows, signal: AbortSignal): Promise<Profile> {
  const schema = dataset.schema.filter(({ name }) => rows.transforms.columns.includes(name));
  const isApart = dataset.slice !== undefined && dataset.profile !== undefined && schema.length > 0;
  const profiler = createProfiler(isApart ? [] : schema);
  const columns = isApart ? [rows.label] : columnsOf(rows);
  let row = 0;
  for await (const batch of dataset.batches({ columns, batchRows: 16_384, signal })) {
    profiler.update(batch);
    labelsOf(columnOf(batch, rows.label), rows.label, rows.task, row);
    row += batch.length;
  }
  if (!isApart) return profiler.profile();
  return await profileDataset(dataset, { columns: schema.map(({ name }) => name), signal });
}
