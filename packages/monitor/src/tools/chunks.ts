import { parameterInvalid } from "../errors.ts";

/** Rows that are judged together: `[start, end)` of the rows in their order. */
export interface Chunk {
  /** `[0:99]`, both ends within, as NannyML writes it; for periods the period, such as `2026-01` or `2026-01-05/2026-01-11`. */
  readonly key: string;
  readonly start: number;
  readonly end: number;
  /** Of periods: `[startMs, endMs)`, UTC milliseconds. */
  readonly startMs?: number | undefined;
  readonly endMs?: number | undefined;
}

/** What becomes of rows that fill no chunk: a chunk of their own, none, or part of the last one. */
export type Incomplete = "keep" | "drop" | "append";

export interface ChunkOptions {
  /** Default: `keep`. */
  readonly incomplete?: Incomplete | undefined;
}

function checkWhole(name: string, value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least))
    throw parameterInvalid(`${name} is ${value}, and must be a whole number of at least ${least}`);
}

const chunkOf = (start: number, end: number): Chunk => ({ key: `[${start}:${end - 1}]`, start, end });

/**
 * Chunks of `size` rows one after another. Rows that come before any chunk is full are one chunk, unless they are dropped. Throws `MONITOR_PARAMETER_INVALID` for a size that is
 * no whole number above 0.
 */
export function chunksBySize(rows: number, size: number, { incomplete = "keep" }: ChunkOptions = {}): readonly Chunk[] {
  checkWhole("rows", rows, 0);
  checkWhole("size", size, 1);
  if (!["keep", "drop", "append"].includes(incomplete))
    throw parameterInvalid(`incomplete is ${String(incomplete)}, and must be keep, drop or append`);
  const full = Math.floor(rows / size);
  const chunks = Array.from({ length: full }, (_, index) => chunkOf(index * size, (index + 1) * size));
  const rest = full * size;
  if (rest === rows || incomplete === "drop") return chunks;
  const last = chunks.at(-1);
  if (incomplete === "keep" || last === undefined) return [...chunks, chunkOf(rest, rows)];
  return [...chunks.slice(0, -1), chunkOf(last.start, rows)];
}

/**
 * Chunks of one size, about `count` of them: what remains when the rows are divided is one more where it is kept, as in NannyML. Default: 10. Throws `MONITOR_PARAMETER_INVALID` for
 * fewer rows than chunks.
 */
export function chunksByCount(rows: number, count = 10, options: ChunkOptions = {}): readonly Chunk[] {
  checkWhole("count", count, 1);
  checkWhole("rows", rows, 0);
  if (rows === 0) return [];
  if (rows < count) throw parameterInvalid(`${rows} rows make no ${count} chunks`);
  return chunksBySize(rows, Math.floor(rows / count), options);
}

export interface SlidingOptions {
  /** Rows from the start of one chunk to that of the next, at least 1. Default: 1. */
  readonly step?: number | undefined;
}

/** Chunks of `size` rows that overlap, the first from row 0, and none that is not full. */
export function slidingChunks(rows: number, size: number, { step = 1 }: SlidingOptions = {}): readonly Chunk[] {
  checkWhole("rows", rows, 0);
  checkWhole("size", size, 1);
  checkWhole("step", step, 1);
  const chunks: Chunk[] = [];
  for (let start = 0; start + size <= rows; start += step) chunks.push(chunkOf(start, start + size));
  return chunks;
}

export type Period = "hour" | "day" | "week" | "month" | "quarter" | "year";

const dayMs = 86_400_000;
const twoDigits = (value: number): string => String(value).padStart(2, "0");
const dateText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

interface PeriodBounds {
  readonly startMs: number;
  readonly endMs: number;
  readonly key: string;
}

/** The period of UTC's calendar that holds a time; weeks begin on Mondays. Keys are those of pandas. */
function periodOf(timeMs: number, period: Period): PeriodBounds {
  const date = new Date(timeMs);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (period) {
    case "hour": {
      const startMs = Date.UTC(year, month, day, date.getUTCHours());
      return { startMs, endMs: startMs + 3_600_000, key: `${dateText(startMs)} ${twoDigits(date.getUTCHours())}:00` };
    }
    case "day": {
      const startMs = Date.UTC(year, month, day);
      return { startMs, endMs: startMs + dayMs, key: dateText(startMs) };
    }
    case "week": {
      const startMs = Date.UTC(year, month, day - ((date.getUTCDay() + 6) % 7));
      return { startMs, endMs: startMs + 7 * dayMs, key: `${dateText(startMs)}/${dateText(startMs + 6 * dayMs)}` };
    }
    case "month":
      return {
        startMs: Date.UTC(year, month),
        endMs: Date.UTC(year, month + 1),
        key: dateText(Date.UTC(year, month)).slice(0, 7),
      };
    case "quarter": {
      const quarter = Math.floor(month / 3);
      return {
        startMs: Date.UTC(year, 3 * quarter),
        endMs: Date.UTC(year, 3 * quarter + 3),
        key: `${year}Q${quarter + 1}`,
      };
    }
    case "year":
      return { startMs: Date.UTC(year, 0), endMs: Date.UTC(year + 1, 0), key: String(year) };
    default:
      throw parameterInvalid(`the period is ${String(period)}, and must be hour, day, week, month, quarter or year`);
  }
}

/**
 * One chunk for each period of UTC's calendar that has rows. `timesMs` must not fall from one row to the next: sort the rows by time first. Throws `MONITOR_PARAMETER_INVALID` where they fall
 * or a time is none.
 */
export function chunksByPeriod(timesMs: Float64Array | readonly number[], period: Period): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let current: (PeriodBounds & { readonly start: number }) | undefined;
  let before = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < timesMs.length; row += 1) {
    const time = timesMs[row] as number;
    if (!(Math.abs(time) <= 8.64e15)) throw parameterInvalid(`row ${row} has the time ${time}`);
    if (time < before) throw parameterInvalid(`row ${row} is earlier than the row before it`);
    before = time;
    if (current !== undefined && time < current.endMs) continue;
    if (current !== undefined) chunks.push({ ...current, end: row });
    current = { ...periodOf(time, period), start: row };
  }
  if (current !== undefined) chunks.push({ ...current, end: timesMs.length });
  return chunks;
}

export interface MinimumChunkOptions {
  /** Standard error that the statistic of a chunk may have, above 0. Default: 0.02, as in NannyML. */
  readonly standardError?: number | undefined;
}

/**
 * Fewest rows of a chunk whose mean has at most the standard error: variance / error², rounded up. `variance` is that of what is averaged over rows: p(1 − p) for a share or an accuracy, the
 * values' own for a mean.
 */
export function minimumChunkSize(variance: number, { standardError = 0.02 }: MinimumChunkOptions = {}): number {
  if (!(variance >= 0 && Number.isFinite(variance)))
    throw parameterInvalid(`variance is ${variance}, and must be at least 0`);
  if (!(standardError > 0)) throw parameterInvalid(`standardError is ${standardError}, and must be above 0`);
  // A division that is whole but for rounding stays whole.
  return Math.max(1, Math.ceil((variance / standardError ** 2) * (1 - 1e-12)));
}
