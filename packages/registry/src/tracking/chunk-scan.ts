import type { Database } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import type { PointScan } from "./downsample.ts";
import { type MetricColumns, decodeChunk, mergeChunks } from "./metric-chunk.ts";

type Read = Database<RegistryTables>["read"];

export interface StepRange {
  /** Default: the first. */
  readonly fromStep?: number | undefined;
  /** Inclusive. Default: the last. */
  readonly toStep?: number | undefined;
}

interface ChunkHead {
  readonly id: number;
  readonly points: number;
  readonly min_step: number;
  readonly max_step: number;
}

/** Points read at once: 24 bytes each. */
const pointsPerRead = 262_144;

/**
 * The points of a series between two steps, by step, without all of them in memory, unless they were logged in disorder.
 *
 * @param read One snapshot: the end of a run joins chunks.
 */
export async function scanChunks(
  read: Read,
  run: string,
  metric: string,
  { fromStep = -Infinity, toStep = Infinity }: StepRange,
  signal?: AbortSignal,
): Promise<PointScan> {
  const all = await read
    .selectFrom("registry_chunks")
    .innerJoin("registry_series", "registry_series.id", "registry_chunks.series")
    .select(["registry_chunks.id", "registry_chunks.points", "registry_chunks.min_step", "registry_chunks.max_step"])
    .where("registry_series.run", "=", run)
    .where("registry_series.name", "=", metric)
    .orderBy("registry_chunks.id")
    .execute();
  const heads = all.filter(({ min_step, max_step }) => max_step >= fromStep && min_step <= toStep);
  const inOrder = heads.toSorted((a, b) => a.min_step - b.min_step || a.id - b.id);
  const isApart = inOrder.every((head, index) => index === 0 || isAfter(head, inOrder[index - 1] as ChunkHead));
  const within = (columns: MetricColumns): MetricColumns => cut(columns, fromStep, toStep);
  if (!isApart) {
    const chunks: MetricColumns[] = [];
    for (const part of partsOf(heads)) {
      signal?.throwIfAborted();
      chunks.push(...(await readParts(read, part)));
    }
    const merged = within(mergeChunks(chunks));
    return { total: merged.steps.length, visit: async (piece) => piece(merged) };
  }
  const visit = async (wanted: readonly ChunkHead[], piece: (columns: MetricColumns) => void): Promise<void> => {
    for (const part of partsOf(wanted)) {
      signal?.throwIfAborted();
      for (const columns of await readParts(read, part)) piece(within(mergeChunks([columns])));
    }
  };
  const isInside = (head: ChunkHead): boolean => head.min_step >= fromStep && head.max_step <= toStep;
  let total = inOrder.filter(isInside).reduce((sum, { points }) => sum + points, 0);
  const edges = inOrder.filter((head) => !isInside(head));
  await visit(edges, ({ steps }) => void (total += steps.length));
  return { total, visit: (piece) => visit(inOrder, piece) };
}

/** What stands in the later chunk comes after all of the earlier, in the order of steps and, of one step, as it was logged. */
const isAfter = (later: ChunkHead, earlier: ChunkHead): boolean =>
  later.min_step > earlier.max_step || (later.min_step === earlier.max_step && later.id > earlier.id);

function partsOf(heads: readonly ChunkHead[]): readonly (readonly ChunkHead[])[] {
  const parts: ChunkHead[][] = [];
  let points = Infinity;
  for (const head of heads) {
    if (points + head.points > pointsPerRead || (parts.at(-1)?.length ?? 0) >= 500) {
      parts.push([]);
      points = 0;
    }
    parts.at(-1)?.push(head);
    points += head.points;
  }
  return parts;
}

async function readParts(read: Read, heads: readonly ChunkHead[]): Promise<readonly MetricColumns[]> {
  const ids = heads.map(({ id }) => id);
  const rows = await read.selectFrom("registry_chunks").select(["id", "data"]).where("id", "in", ids).execute();
  const byId = new Map(rows.map(({ id, data }) => [id, data]));
  return heads.map(({ id }) => decodeChunk(byId.get(id) as Uint8Array));
}

function cut(columns: MetricColumns, fromStep: number, toStep: number): MetricColumns {
  const { steps, timesMs, values } = columns;
  if (steps.length === 0 || ((steps[0] as number) >= fromStep && (steps.at(-1) as number) <= toStep)) return columns;
  const first = steps.findIndex((step) => step >= fromStep);
  const after = steps.findIndex((step) => step > toStep);
  const start = first < 0 ? steps.length : first;
  const end = after < 0 ? steps.length : after;
  return {
    steps: steps.subarray(start, end),
    timesMs: timesMs.subarray(start, end),
    values: values.subarray(start, end),
  };
}
