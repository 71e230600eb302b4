import { numbersIn, rangesCover, rangesHave, rangesOfBoth, type NumberRanges } from "../online/number-ranges.ts";
import type { OnlineCursorRecord, OnlineMark } from "../online/online-store.ts";

/**
 * What of the history one entity has. It stands in the entity's entry beside the rows, and is written with them in one step, so that it is right whoever
 * stops when. Where a record was deleted for good it stays, so that nothing brings the record back.
 */
export interface EntityProgress {
  /** Batches of which nothing is missing. */
  readonly seenBatches: NumberRanges;
  /** Other batches, of which the rows up to one are there. */
  readonly partway: readonly (readonly [batch: number, row: number])[];
  /** Calls whose rows are there; without `calls`: all of the batch. */
  readonly marks: readonly OnlineMark[];
  /** Of the batches that a load found, the rows before this time are there, in microseconds; those from it on are where they came otherwise. */
  readonly loadedUs?: number | undefined;
  /** When the record was deleted for good, in microseconds: rows that the history has up to then stay away. */
  readonly removedUs?: number | undefined;
}

export const NO_PROGRESS: EntityProgress = { seenBatches: [], partway: [], marks: [] };

/** So many batches of calls are remembered in any case, and of older ones those of which something may still come again. */
const ENOUGH_MARKS = 16;

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

/** Whether the entity has nothing that is not in these batches, and no delete and no call stands beside: what is known of it becomes what is known of them. */
export const isWithin = ({ seenBatches, partway, marks, removedUs }: EntityProgress, batches: NumberRanges): boolean =>
  marks.length === 0 &&
  removedUs === undefined &&
  rangesCover(batches, seenBatches) &&
  partway.every(([number]) => rangesHave(batches, number));

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
  return { ...progress, marks: [...others, merged] };
}

/** Whether the marks are so many that those of no more use are to be taken out: not at each call, since there may be none. */
export const isCrowded = ({ marks }: EntityProgress): boolean =>
  marks.length > ENOUGH_MARKS && marks.length % ENOUGH_MARKS === 1;

/** The progress without the oldest marks of batches of which nothing comes again. */
export function withoutSettled(progress: EntityProgress, isSettled: (batch: string) => boolean): EntityProgress {
  let excess = progress.marks.length - ENOUGH_MARKS;
  const isKept = ({ markedBatch }: OnlineMark): boolean => {
    if (excess <= 0 || !isSettled(markedBatch)) return true;
    excess--;
    return false;
  };
  return excess <= 0 ? progress : { ...progress, marks: progress.marks.filter(isKept) };
}

/*
 *   0  u32  bytes of JSON
 *   4  JSON: a list of what there is, up to the last that is not empty: batches, batches partway, marks, the time of the load, that of a delete
 */
type ProgressText = [
  seenBatches?: NumberRanges,
  partway?: EntityProgress["partway"],
  marks?: readonly (readonly [batch: string, calls?: NumberRanges])[],
  loadedUs?: number | null,
  removedUs?: number,
];

let lastProgress: EntityProgress | undefined;
let lastBytes: Uint8Array | null = null;

/** @returns null where there is none. The bytes are not to be changed: the same progress once more gives the same ones. */
export function encodeProgress(progress: EntityProgress): Uint8Array | null {
  if (progress !== lastProgress) {
    lastBytes = bytesOf(progress);
    lastProgress = progress;
  }
  return lastBytes;
}

function bytesOf({ seenBatches, partway, marks, loadedUs, removedUs }: EntityProgress): Uint8Array | null {
  const texts = marks.map(({ markedBatch, calls }) => (calls === undefined ? [markedBatch] : [markedBatch, calls]));
  const all: unknown[] = [seenBatches, partway, texts, loadedUs, removedUs];
  for (let last = all.at(-1); last === undefined || (Array.isArray(last) && last.length === 0); last = all.at(-1)) {
    if (all.length === 0) break;
    all.pop();
  }
  if (all.length === 0) return null;
  const json = Buffer.from(JSON.stringify(all));
  const bytes = new Uint8Array(4 + json.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  return bytes;
}

const decoder = new TextDecoder();

/** @param at Where the section starts in the view. Throws a RangeError or a SyntaxError where there is none. */
export function decodeProgress(view: DataView<ArrayBufferLike>, at: number): EntityProgress {
  const json = new Uint8Array(view.buffer, view.byteOffset + at + 4, view.getUint32(at, true));
  const found = JSON.parse(decoder.decode(json)) as ProgressText | EntityProgress;
  // As it was written at first: by names.
  if (!Array.isArray(found)) return found as EntityProgress;
  const [seenBatches = [], partway = [], texts = [], loadedUs, removedUs] = found as ProgressText;
  const marks = texts.map(([markedBatch, calls]) => (calls === undefined ? { markedBatch } : { markedBatch, calls }));
  return { seenBatches, partway, marks, loadedUs: loadedUs ?? undefined, removedUs };
}
