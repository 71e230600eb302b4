import { numbersIn, rangesHave, rangesOfBoth, type NumberRanges } from "../online/number-ranges.ts";
import type { OnlineCursorRecord, OnlineMark } from "../online/online-store.ts";

/**
 * What of the history one entity has, in a view whose rows must not come twice. It stands in the entity's entry beside the rows, and is written with them
 * in one step, so that it is right whoever stops when.
 */
export interface EntityProgress {
  /** Batches of which nothing is missing. */
  readonly seenBatches: NumberRanges;
  /** Other batches, of which the rows up to one are there. */
  readonly partway: readonly (readonly [batch: number, row: number])[];
  /** Calls whose rows are there; without `calls`: all of the batch. The last ones. */
  readonly marks: readonly OnlineMark[];
}

export const NO_PROGRESS: EntityProgress = { seenBatches: [], partway: [], marks: [] };

/** So many batches of calls are remembered: a call that comes again comes before so many others have. */
const MOST_MARKS = 16;

/** Whether a row of a batch is there. */
export function hasRow(
  { seenBatches, partway, marks }: EntityProgress,
  batch: { readonly number: number; readonly id: string },
  row: number,
): boolean {
  return (
    rangesHave(seenBatches, batch.number) ||
    partway.some(([number, last]) => number === batch.number && row <= last) ||
    // Rows of calls: those that are not there yet are on their way.
    marks.some(({ markedBatch, calls }) => markedBatch === batch.id && calls !== undefined)
  );
}

/** Whether the rows of a call are there. */
export function hasCall({ marks }: EntityProgress, { markedBatch, calls = [] }: OnlineMark): boolean {
  const known = marks.find((mark) => mark.markedBatch === markedBatch);
  if (known === undefined) return false;
  const { calls: there } = known;
  return there === undefined || numbersIn(calls).every((call) => rangesHave(there, call));
}

/** The progress once the rows are there that a cursor speaks of. */
export function progressTo(
  progress: EntityProgress,
  { seenBatches, partway }: OnlineCursorRecord,
  marks: readonly OnlineMark[] = [],
): EntityProgress {
  const seen = rangesOfBoth(progress.seenBatches, seenBatches);
  const rows = new Map(progress.partway);
  if (partway !== undefined) rows.set(partway.batch, Math.max(partway.row, rows.get(partway.batch) ?? -1));
  const after = {
    ...progress,
    seenBatches: seen,
    partway: [...rows].filter(([number]) => !rangesHave(seen, number)),
  };
  return marks.reduce(progressWith, after);
}

/** The progress once the rows of a call are there. */
export function progressWith(progress: EntityProgress, mark: OnlineMark): EntityProgress {
  const known = progress.marks.find(({ markedBatch }) => markedBatch === mark.markedBatch);
  const others = progress.marks.filter((each) => each !== known);
  const isWhole = mark.calls === undefined || (known !== undefined && known.calls === undefined);
  const merged = isWhole
    ? { markedBatch: mark.markedBatch }
    : { ...mark, calls: rangesOfBoth(known?.calls ?? [], mark.calls ?? []) };
  return { ...progress, marks: [...others, merged].slice(-MOST_MARKS) };
}

/*
 *   0  u32  bytes of JSON
 *   4  JSON
 */
export function encodeProgress(progress: EntityProgress): Uint8Array | null {
  if (progress.seenBatches.length + progress.partway.length + progress.marks.length === 0) return null;
  const json = Buffer.from(JSON.stringify(progress));
  const bytes = new Uint8Array(4 + json.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  return bytes;
}

const decoder = new TextDecoder();

/** @param at Where the section starts in the view. Throws a RangeError or a SyntaxError where there is none. */
export function decodeProgress(view: DataView<ArrayBufferLike>, at: number): EntityProgress {
  const json = new Uint8Array(view.buffer, view.byteOffset + at + 4, view.getUint32(at, true));
  return JSON.parse(decoder.decode(json)) as EntityProgress;
}
