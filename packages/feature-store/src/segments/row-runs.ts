/** Rows from one to before another. */
export interface RowRun {
  readonly first: number;
  readonly end: number;
}

/** Rows are read in blocks of so many; a multiple of 8, so that bitmaps are cut at whole bytes. */
const BLOCK_ROWS = 8192;
/** So many blocks that nobody wants are read with those around them: that costs less than one more read. */
const GAP_BLOCKS = 4;

/** The blocks that have the wanted rows, those that stand near each other as one. @param wanted Rows, −1 for none. */
export function touchedRuns(wanted: Int32Array, rows: number): RowRun[] {
  const blocks = new Uint8Array(Math.ceil(rows / BLOCK_ROWS));
  for (let index = 0; index < wanted.length; index++) {
    const row = wanted[index]!;
    if (row >= 0) blocks[(row / BLOCK_ROWS) | 0] = 1;
  }
  const runs: RowRun[] = [];
  let start = -1;
  let last = -1;
  const close = (): void => {
    if (start >= 0) runs.push({ first: start * BLOCK_ROWS, end: Math.min(rows, (last + 1) * BLOCK_ROWS) });
  };
  for (let block = 0; block < blocks.length; block++) {
    if (blocks[block] === 0) continue;
    if (start < 0 || block - last > GAP_BLOCKS) {
      close();
      start = block;
    }
    last = block;
  }
  close();
  return runs;
}
