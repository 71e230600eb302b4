import {
  type ArtifactStore,
  type CallOptions,
  type Digest,
  type RunHandle,
  isMillwrightError,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { chartInvalid, chartUnknown, runUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type RunChart, isCell } from "./charts.ts";

const folder = "charts/";
const ending = ".json";
/** A chart is read whole. */
const mostBytes = 64 * 1024 * 1024;

export interface ChartOptions extends CallOptions {
  /** Rows of a table that are left out before. Default: 0. */
  readonly offset?: number | undefined;
  /** Most rows of a table that are given. Default: 1000. */
  readonly limit?: number | undefined;
}

/** Charts of runs, read back. */
export interface RunCharts {
  /** Names of the run's charts, in order. Throws `REGISTRY_RUN_UNKNOWN`. */
  charts(id: string, options?: CallOptions): Promise<readonly string[]>;
  /** One chart; of a table the rows asked for. Throws `REGISTRY_CHART_UNKNOWN`, `REGISTRY_CHART_INVALID` and `REGISTRY_RUN_UNKNOWN`. */
  chart(id: string, name: string, options?: ChartOptions): Promise<RunChart>;
}

/** Logs a chart as the artifact `charts/<name>.json`, whatever the tracker. Throws `REGISTRY_NAME_INVALID`, and what `logArtifact` throws. */
export async function logChart(
  run: Pick<RunHandle, "logArtifact">,
  name: string,
  chart: RunChart,
  options: CallOptions = {},
): Promise<Digest> {
  checkLabel("a chart", name);
  if (!isChart(chart)) throw new TypeError("What is logged as a chart is none; make it with tableChart() or another.");
  return run.logArtifact(`${folder}${name}${ending}`, new TextEncoder().encode(JSON.stringify(chart)), options);
}

export function createRunCharts({ read }: Database<RegistryTables>, artifacts: ArtifactStore): RunCharts {
  const listed = async (id: string) => {
    const run = read.selectFrom("registry_runs").select("id").where("id", "=", id);
    if ((await run.executeTakeFirst()) === undefined) throw runUnknown(id);
    const all = read.selectFrom("registry_artifacts").select(["path", "digest", "size_bytes"]).where("run", "=", id);
    const rows = await all.orderBy("path").execute();
    return rows.filter(({ path }) => path.startsWith(folder) && path.endsWith(ending));
  };
  return {
    async charts(id, { signal } = {}) {
      signal?.throwIfAborted();
      return (await listed(id)).map(({ path }) => path.slice(folder.length, -ending.length));
    },
    async chart(id, name, { offset = 0, limit = 1000, signal } = {}) {
      signal?.throwIfAborted();
      for (const count of [offset, limit])
        if (!Number.isSafeInteger(count) || count < 0)
          throw new RangeError(`Rows are counted from 0, not ${String(count)}.`);
      const path = `${folder}${name}${ending}`;
      const row = (await listed(id)).find((each) => each.path === path);
      if (row === undefined) throw chartUnknown(id, name);
      if (row.size_bytes > mostBytes)
        throw chartInvalid(path, `it has ${row.size_bytes} bytes, more than ${mostBytes}`);
      const chart = parseChart(path, await readText(artifacts, row.digest as Digest, signal));
      return chart.kind === "table" ? { ...chart, rows: chart.rows.slice(offset, offset + limit) } : chart;
    },
  };
}

async function readText(artifacts: ArtifactStore, digest: Digest, signal: AbortSignal | undefined): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of artifacts.open(digest, { signal })) parts.push(part);
  return Buffer.concat(parts).toString();
}

function parseChart(path: string, text: string): RunChart {
  let chart: unknown;
  try {
    chart = JSON.parse(text);
  } catch (cause) {
    throw chartInvalid(path, "it is no JSON", isMillwrightError(cause) ? undefined : cause);
  }
  if (isChart(chart)) return chart;
  throw chartInvalid(path, "it is no table, confusion matrix or curve of format 1");
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isList = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);

const isText = (value: unknown): boolean => typeof value === "string";

const isRate = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 1;

function isChart(value: unknown): value is RunChart {
  if (!isRecord(value) || value["formatVersion"] !== 1) return false;
  const { kind, columns, rows, labels, counts, points } = value;
  switch (kind) {
    case "table":
      return isList(columns, isText) && isList(rows, (row) => isList(row, isCell) && isSquare(columns, row));
    case "confusion":
      return (
        isList(labels, isText) &&
        isSquare(labels, counts) &&
        isList(counts, (row) => isList(row, Number.isSafeInteger) && isSquare(labels, row))
      );
    case "roc":
      return isRate(value["area"]) && isList(points, hasRates("falsePositiveRate", "truePositiveRate"));
    case "precision-recall":
      return isRate(value["averagePrecision"]) && isList(points, hasRates("precision", "recall"));
    default:
      return false;
  }
}

const isSquare = (names: unknown, values: unknown): boolean =>
  (names as readonly unknown[]).length === (values as readonly unknown[] | undefined)?.length;

const hasRates =
  (...names: readonly string[]) =>
  (point: unknown): boolean =>
    isRecord(point) && names.every((name) => isRate(point[name]));
