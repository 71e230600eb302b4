import { type Batch, type CallOptions, hasCode } from "@millwright/contracts";
import { takeRows, toArray } from "@millwright/data";
import type { FeatureStoreErrorCode } from "../errors.ts";
import { openGate, VERDICTS } from "./gate-check.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import { type IngestTarget, ingestRows } from "./ingest.ts";
import { gateRefused, recordRefused } from "./ingest-errors.ts";
import { checkRecords } from "../records/record-check.ts";
import type { SourceRow } from "../definition/source-columns.ts";
import { groupsOf } from "./stream-groups.ts";
import { FAILED_RULES, VERDICT } from "../definition/system-columns.ts";

/** A record as a stream gives it. */
export interface StreamRecord {
  readonly record: SourceRow;
  /** A whole number from 0 on that grows from record to record of one source, as in a partition of a log. */
  readonly offset: number;
}

/** A record that is not stored. */
export interface DeadLetter extends StreamRecord {
  readonly code: FeatureStoreErrorCode;
  readonly reason: string;
}

export interface ConsumeOptions extends CallOptions {
  /** Names the stream, or its partition: offsets are counted by source. */
  readonly source: string;
  /** Records that are held and written together at most. Default: 10,000. */
  readonly maxBatchRows?: number | undefined;
  /** How long a record waits for others to be written with, milliseconds. Default: 1000. */
  readonly maxWaitMs?: number | undefined;
  /**
   * Takes records that cannot be stored, before their batch is committed: after a crash in between it gets them again.
   * Default: the first one ends the call with `FEATURE_STORE_RECORD_REFUSED`.
   */
  readonly onDeadLetter?: ((letter: DeadLetter) => void | Promise<void>) | undefined;
  /** Told after each batch, when it is committed and online. */
  readonly onProgress?: ((progress: ConsumeResult) => void) | undefined;
}

/** What a call did, up to now. */
export interface ConsumeResult {
  /** Rows stored. */
  readonly rows: number;
  readonly quarantinedRows: number;
  /** Rows left out because their entity was forgotten after they happened; absent where there are none. */
  readonly forgottenRows?: number | undefined;
  readonly deadLetters: number;
  /** Records that came before: with an offset that is committed, in this call or an earlier one. */
  readonly skippedRecords: number;
  readonly batches: number;
  /** The highest offset that is committed; undefined where there is none. */
  readonly offset: number | undefined;
}

export interface StreamTarget extends IngestTarget {
  /** Brings batches online that are not there yet. */
  readonly catchUp: (select: (batch: HistoryBatch) => boolean) => Promise<void>;
}

type Tally = { -readonly [Name in keyof ConsumeResult]: ConsumeResult[Name] };

/**
 * Writes records as they come to the history and online, each once by source and offset: how far a source was read stands in the entry of the batch, and which
 * batches are online stands there with their rows.
 */
export async function consumeStream(
  target: StreamTarget,
  records: AsyncIterable<StreamRecord>,
  options: ConsumeOptions,
): Promise<ConsumeResult> {
  const { source, maxBatchRows = 10_000, maxWaitMs = 1_000, signal, onProgress } = options;
  if (source === "") throw new RangeError("`source` is empty: name the stream whose offsets these are.");
  if (!(maxBatchRows >= 1)) throw new RangeError(`maxBatchRows must be 1 or more, not ${maxBatchRows}.`);
  if (!(maxWaitMs >= 0)) throw new RangeError(`maxWaitMs must be 0 or more, not ${maxWaitMs}.`);
  const ofSource = ({ stream }: HistoryBatch): boolean => stream?.source === source;
  const tally: Tally = {
    rows: 0,
    quarantinedRows: 0,
    deadLetters: 0,
    skippedRecords: 0,
    batches: 0,
    offset: await committedOffset(target, source),
  };
  // What a process that died wrote, and did not bring online.
  await target.catchUp(ofSource);
  const limits = { maxItems: maxBatchRows, maxWaitMs, clock: target.clock, signal };
  for await (const group of groupsOf(records, limits)) {
    await writeGroup(target, group, options, tally);
    await target.catchUp(ofSource);
    onProgress?.({ ...tally });
  }
  return tally;
}

async function committedOffset({ log }: IngestTarget, source: string): Promise<number | undefined> {
  let offset: number | undefined;
  for (const { stream } of await log.batches()) {
    if (stream?.source === source) offset = Math.max(offset ?? stream.lastOffset, stream.lastOffset);
  }
  return offset;
}

async function writeGroup(
  target: IngestTarget,
  group: readonly StreamRecord[],
  options: ConsumeOptions,
  tally: Tally,
): Promise<void> {
  const { source, signal } = options;
  let left = newOnes(group, source, tally);
  while (left.length > 0) {
    const { batch, letters } = await sift(target, left);
    await sendLetters(target, letters, options);
    const stream = { source, firstOffset: left[0]!.offset, lastOffset: left.at(-1)!.offset };
    // Named by what it follows: of two consumers of one source only one can write the next batch.
    const batchId = `stream/${source}/${tally.offset ?? "start"}`;
    const rows = { rows: one(batch), origin: "ingest", stream } as const;
    const result = await ingestRows(target, rows, { batchId, signal }).catch((error: unknown) => {
      if (hasCode(error, "FEATURE_STORE_BATCH_CONFLICT")) return undefined;
      throw error;
    });
    if (result?.added === true) {
      tally.rows += result.rows;
      tally.quarantinedRows += result.quarantinedRows;
      if (result.forgottenRows !== undefined) tally.forgottenRows = (tally.forgottenRows ?? 0) + result.forgottenRows;
      tally.deadLetters += letters.length;
      tally.batches++;
      tally.offset = stream.lastOffset;
      return;
    }
    tally.offset = await committedOffset(target, source);
    left = newOnes(left, source, tally);
  }
}

/** The records that were not committed yet, each once. */
function newOnes(group: readonly StreamRecord[], source: string, tally: Tally): StreamRecord[] {
  let highest = tally.offset ?? -1;
  const fresh = group.filter(({ offset }) => {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new RangeError(`A record of "${source}" has the offset ${offset}: offsets are whole numbers from 0 on.`);
    }
    const isNew = offset > highest;
    if (isNew) highest = offset;
    return isNew;
  });
  tally.skippedRecords += group.length - fresh.length;
  return fresh;
}

/** Takes out what cannot be stored: records that do not fit the view, and those that the gate rejects. */
async function sift(
  { view, gate, clock }: IngestTarget,
  records: readonly StreamRecord[],
): Promise<{ readonly batch: Batch; readonly letters: readonly DeadLetter[] }> {
  const { batch, refused } = checkRecords(
    view,
    records.map(({ record }) => record),
  );
  const letters = Array.from(refused, ([index, { code, message }]): DeadLetter => ({
    ...records[index]!,
    code,
    reason: message,
  }));
  if (gate === undefined || batch.length === 0) return { batch, letters };
  const fit = records.filter((_, index) => !refused.has(index));
  const { columns } = await openGate(view, gate, clock.nowMs()).mark(batch);
  const verdicts = toArray(columns[VERDICT]!);
  const rules = toArray(columns[FAILED_RULES]!);
  const kept: number[] = [];
  fit.forEach((record, index) => {
    if (verdicts[index] !== VERDICTS.rejected) return void kept.push(index);
    const failures = Object.fromEntries(
      String(rules[index])
        .split(",")
        .map((rule) => [rule, 1]),
    );
    const { code, message } = gateRefused(view.name, 1, failures);
    letters.push({ ...record, code, reason: message });
  });
  letters.sort((a, b) => a.offset - b.offset);
  return { batch: kept.length === batch.length ? batch : takeRows(batch, Int32Array.from(kept)), letters };
}

async function sendLetters(
  { view }: IngestTarget,
  letters: readonly DeadLetter[],
  { onDeadLetter }: ConsumeOptions,
): Promise<void> {
  for (const letter of letters) {
    if (onDeadLetter === undefined) throw recordRefused(view.name, letter.offset, letter.reason);
    await onDeadLetter(letter);
  }
}

async function* one(batch: Batch): AsyncGenerator<Batch> {
  yield batch;
}
