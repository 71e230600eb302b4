import type { Clock } from "@millwright/contracts";
import type { RowExplainer } from "./tree-shap.ts";

/** After so long other work of the process has its turn. */
const turnMs = 4;

/** Steps between two looks at the clock: a tenth of a millisecond, or some milliseconds where the code has not run before. */
const stepsALook = 5_000;

/** Rows that are done side by side, piece by piece: what is known of a piece is then in the cache. */
const rowsABlock = 16;

export interface RunOptions {
  readonly rows: readonly number[];
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Contributions of the rows, [rows, outputs, features], of those that were done in time; gives way to the event loop where it takes long. */
export async function runRows(
  explainer: RowExplainer,
  columns: readonly Float64Array[],
  { rows, clock, untilMs, signal }: RunOptions,
): Promise<{ readonly done: number; readonly contributions: Float64Array }> {
  const size = explainer.outputs * explainer.features;
  const contributions = new Float64Array(rows.length * size);
  const block = untilMs === Infinity ? rowsABlock : 1;
  let turn = clock.monotonicMs();
  let steps = 0;
  for (let from = 0; from < rows.length; from += block) {
    const end = Math.min(rows.length, from + block);
    for (let piece = 0; piece < explainer.pieces; piece += 1) {
      for (let at = from; at < end; at += 1) explainer.add(columns, rows[at]!, piece, contributions, at * size);
      steps += explainer.stepsOf(piece) * (end - from);
      if (steps < stepsALook) continue;
      steps = 0;
      const now = clock.monotonicMs();
      if (now >= untilMs) return { done: from, contributions: contributions.subarray(0, from * size) };
      if (now - turn < turnMs) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      turn = clock.monotonicMs();
    }
  }
  return { done: rows.length, contributions };
}
