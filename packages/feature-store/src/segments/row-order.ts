const DIGIT = 11;
const BUCKETS = 2 ** DIGIT;

/** The positions of keys that are not negative, in ascending order of the keys, equal ones as they come. @param most No key is greater. */
export function ascending(keys: Int32Array, most: number): Int32Array {
  let positions = new Int32Array(keys.length);
  let length = 0;
  for (let at = 0; at < keys.length; at++) if (keys[at]! >= 0) positions[length++] = at;
  positions = positions.subarray(0, length);
  let sorted = new Int32Array(length);
  const starts = new Int32Array(BUCKETS);
  for (let shift = 0; most >> shift > 0 && shift < 31; shift += DIGIT) {
    startsOf(starts, keys, positions, shift);
    for (let at = 0; at < length; at++) {
      const position = positions[at]!;
      const bucket = (keys[position]! >>> shift) & (BUCKETS - 1);
      sorted[starts[bucket]!++] = position;
    }
    [positions, sorted] = [sorted, positions];
  }
  return positions;
}

function startsOf(starts: Int32Array, keys: Int32Array, positions: Int32Array, shift: number): void {
  starts.fill(0);
  for (let at = 0; at < positions.length; at++) starts[(keys[positions[at]!]! >>> shift) & (BUCKETS - 1)]!++;
  let start = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = starts[bucket]!;
    starts[bucket] = start;
    start += count;
  }
}

/** Rows from one to before another, and which of the wanted ones they have. */
export interface RowRun {
  readonly first: number;
  readonly end: number;
  /** Places in the list of wanted rows. */
  readonly from: number;
  readonly to: number;
}

/** Runs start at multiples of it, so that bitmaps are cut at whole bytes. */
const BLOCK_ROWS = 8192;
/** A run has no more, unless one entity has: what is read at once should stay in the processor's cache. */
const RUN_BLOCKS = 32;
/** So many blocks that nobody wants are read with those around them: that costs less than one more read. */
const GAP_BLOCKS = 4;

/**
 * What to read so that all wanted rows are there. @param starts Ascending, as `ends`: each wants the rows from its start to before its end, and they lie in one run.
 */
export function runsOf(starts: Int32Array, ends: Int32Array, rows: number): RowRun[] {
  const runs: RowRun[] = [];
  for (let from = 0; from < starts.length;) {
    const begin = Math.floor(starts[from]! / BLOCK_ROWS);
    let last = Math.floor((ends[from]! - 1) / BLOCK_ROWS);
    let to = from + 1;
    for (; to < starts.length; to++) {
      const end = Math.floor((ends[to]! - 1) / BLOCK_ROWS);
      if (Math.floor(starts[to]! / BLOCK_ROWS) - last > GAP_BLOCKS || end - begin >= RUN_BLOCKS) break;
      last = end;
    }
    runs.push({ first: begin * BLOCK_ROWS, end: Math.min(rows, (last + 1) * BLOCK_ROWS), from, to });
    from = to;
  }
  return runs;
}
