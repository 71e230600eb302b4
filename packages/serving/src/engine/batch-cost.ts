/** What a call of the model costs, learnt from the calls there were. */
export interface BatchCost {
  /** @param rows At least 1. @param ms How long the model took for them. */
  observe(rows: number, ms: number): void;
  /** How long a call of so many rows will take, milliseconds; `undefined` before the first. */
  expectedMs(rows: number): number | undefined;
  /** The most rows whose call ends within `ms`, at least 1; infinite where nothing is known, or rows cost nothing. */
  rowsWithin(ms: number): number;
  /** Milliseconds that each row adds, and that each call costs whatever its rows. */
  readonly fit: { readonly perRowMs: number; readonly perCallMs: number } | undefined;
}

/** How much a call counts once another was seen after it: the last 50 or so tell. */
const decay = 0.98;

/**
 * `ms = a · rows + b` by least squares, whose older observations fade. While all calls had about as many rows the two cannot be told apart: then all of it
 * is held to be the rows', which lets batches grow no faster than they are known to be cheap.
 */
export function createBatchCost(): BatchCost {
  let weight = 0;
  let meanRows = 0;
  let meanMs = 0;
  let spread = 0;
  let joint = 0;
  const fit = (): { perRowMs: number; perCallMs: number } => {
    const apart = spread > weight * 0.01 * meanRows * meanRows;
    const slope = apart ? Math.max(0, joint / spread) : meanMs / meanRows;
    const perCallMs = Math.max(0, meanMs - slope * meanRows);
    // A line that would start below nothing goes through it.
    return { perRowMs: perCallMs === 0 ? meanMs / meanRows : slope, perCallMs };
  };
  return {
    observe(rows, ms) {
      // Welford's update with weights (West, 1979).
      weight = weight * decay + 1;
      const offRows = rows - meanRows;
      const offMs = ms - meanMs;
      meanRows += offRows / weight;
      meanMs += offMs / weight;
      spread = spread * decay + offRows * (rows - meanRows);
      joint = joint * decay + offRows * (ms - meanMs);
    },
    expectedMs(rows) {
      if (weight === 0) return undefined;
      const { perRowMs, perCallMs } = fit();
      return perRowMs * rows + perCallMs;
    },
    rowsWithin(ms) {
      if (weight === 0) return Number.POSITIVE_INFINITY;
      const { perRowMs, perCallMs } = fit();
      if (perRowMs <= 0) return perCallMs <= ms ? Number.POSITIVE_INFINITY : 1;
      return Math.max(1, Math.floor((ms - perCallMs) / perRowMs));
    },
    get fit() {
      return weight === 0 ? undefined : fit();
    },
  };
}
