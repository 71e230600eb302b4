import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Batch } from "@millwright/contracts";
import { asFloat64, toArray } from "@millwright/data";
import { type LogFile, logFolder } from "./log-manifest.ts";
import type { LogContext } from "./prediction-log.ts";
import { layoutOf, linesBatch, readSegment } from "./log-segments.ts";

export interface CompactionOptions extends LogContext {
  readonly names: readonly string[];
  readonly fileBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Rows of one layout that wait to become one file. */
interface Gathered {
  readonly kind: "tables" | "lines";
  readonly batches: Batch[];
}

/** Writes what is in segments as Parquet: files of one layout each, which count once a manifest names them. */
export async function compactSegments(options: CompactionOptions): Promise<readonly LogFile[]> {
  const { directory, names, fileBytes, signal } = options;
  const files: LogFile[] = [];
  let gathered = new Map<string, Gathered>();
  let bytes = 0;
  const write = async (): Promise<void> => {
    for (const each of gathered.values()) files.push(await writeFile(each, options));
    gathered = new Map();
    bytes = 0;
  };
  for (const name of names) {
    signal?.throwIfAborted();
    const { batches, rows } = await readSegment(directory, name);
    const put = (key: string, kind: Gathered["kind"], batch: Batch): void => {
      if (batch.length === 0) return;
      const known = gathered.get(key) ?? { kind, batches: [] };
      gathered.set(key, known);
      known.batches.push(batch);
    };
    for (const batch of batches) put(layoutOf(batch), "tables", batch);
    if (rows.length > 0) put("lines", "lines", linesBatch(rows));
    bytes += (await stat(join(directory, name))).size;
    if (bytes >= fileBytes) await write();
  }
  await write();
  return files;
}

async function writeFile(
  { kind, batches }: Gathered,
  { directory, duckdb, ids, signal }: CompactionOptions,
): Promise<LogFile> {
  const name = `${ids.next()}.parquet`;
  const walk = async function* (): AsyncGenerator<Batch, void> {
    yield* batches;
  };
  await using table = await duckdb.register(`millwright_log_${name.replaceAll(/\W/g, "_")}`, walk(), { signal });
  // The rows of a request stay together, in their order.
  const sql = `SELECT * FROM ${table.sql} ORDER BY "timeMs", "requestId", rowid`;
  await duckdb.writeParquet(sql, join(logFolder(directory), name), { signal });
  let [fromMs, toMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let requests = 0;
  for (const { columns, length } of batches) {
    const times = asFloat64(columns["timeMs"] as NonNullable<(typeof columns)[string]>);
    const ids = toArray(columns["requestId"] as NonNullable<(typeof columns)[string]>);
    for (let row = 0; row < length; row += 1) {
      const timeMs = times[row] as number;
      if (timeMs < fromMs) fromMs = timeMs;
      if (timeMs > toMs) toMs = timeMs;
      if (kind === "lines" || row === 0 || ids[row] !== ids[row - 1] || timeMs !== times[row - 1]) requests += 1;
    }
  }
  // Requests without a time are found whatever is asked for.
  if (fromMs > toMs) [fromMs, toMs] = [0, Number.MAX_SAFE_INTEGER];
  return { name, kind, requests, fromMs, toMs, columns: Object.keys((batches[0] as Batch).columns) };
}
