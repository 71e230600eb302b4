import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import { columnOf, createProfiler, parseProfile, type Profile, profileToJson } from "@millwright/data";
import { dataEmpty } from "../errors.ts";
import { columnsOf, type ReadableRows } from "./row-reader.ts";
import { labelsOf } from "./labels.ts";

/**
 * Walks all rows once: checks their labels before any step is taken, and profiles their columns. What was found is kept in the run's folder, so that later
 * attempts need not walk. Throws `TRAINER_DATA_EMPTY`, `TRAINER_LABEL_INVALID`, and what reading throws.
 */
export async function scanRows(
  { directory, train }: { readonly directory: string; readonly train: { readonly digest: string } },
  dataset: Dataset,
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
  const profiler = createProfiler(dataset.schema.filter(({ name }) => rows.transforms.columns.includes(name)));
  let row = 0;
  for await (const batch of dataset.batches({ columns: columnsOf(rows), batchRows: 16_384, signal })) {
    profiler.update(batch);
    labelsOf(columnOf(batch, rows.label), rows.label, rows.task, row);
    row += batch.length;
  }
  const profile = profiler.profile();
  await mkdir(directory, { recursive: true });
  await writeFile(`${path}.draft`, JSON.stringify({ digest: train.digest, profile: profileToJson(profile) }));
  await rename(`${path}.draft`, path);
  return profile;
}
