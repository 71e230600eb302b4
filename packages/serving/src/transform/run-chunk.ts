import { type CallOptions, isMillwrightError } from "@millwright/contracts";
import { type BatchStrategy, type Chunk, joinedRecords, loneRecord, rawRecord } from "./chunks.ts";
import type { EntityBody } from "./entity-records.ts";
import { answerInvalid, recordInvalid, recordTooLarge, type RecordPlace } from "./errors.ts";
import type { InvocationCounts, Invoker } from "./invoker.ts";
import { withoutLineEnd } from "./line-ends.ts";
import type { SplitType } from "./record-blocks.ts";
import { answersOf, countAnswers, formatOf, type RecordFormat, type RecordProcessing } from "./record-format.ts";

/** What becomes of a record that the model or a filter refuses: the object fails; the record is left out; or this stands for its answer. */
export type RecordErrorPolicy = "fail" | "skip" | { readonly value: string };

/** How chunks are run, the same for all of a job. */
export interface ChunkSetting {
  readonly job: string;
  readonly target: string;
  readonly invoker: Invoker;
  readonly splitType: SplitType;
  readonly batchStrategy: BatchStrategy;
  readonly contentType: string;
  readonly accept: string | undefined;
  readonly assembleWith: "None" | "Line";
  readonly processing: RecordProcessing;
  /** Where records name entities: what is sent for some. */
  readonly entityBody?: EntityBody | undefined;
  readonly onRecordError: RecordErrorPolicy;
  readonly maxPayloadBytes: number;
}

/** A record that was left out, or given the default. */
export interface RecordFailure {
  readonly record: number;
  readonly offset: number;
  readonly bytes: number;
  readonly code: string;
  readonly reason: string;
}

export interface ChunkResult {
  readonly output: Buffer;
  readonly failures: readonly RecordFailure[];
  /** Records in the output, defaults with them. */
  readonly written: number;
  readonly counts: InvocationCounts;
}

/** Transforms the records of a chunk. Throws what a record, the target or its answer fails with, unless the policy says otherwise. */
export async function runChunk(
  key: string,
  chunk: Chunk,
  setting: ChunkSetting,
  { signal }: CallOptions = {},
): Promise<ChunkResult> {
  const run = new ChunkRun(key, chunk, setting, signal);
  let from = 0;
  for (const cut of chunk.cuts) {
    await run.answer(from, cut);
    from = cut;
  }
  return run.result();
}

class ChunkRun {
  readonly #key: string;
  readonly #chunk: Chunk;
  readonly #setting: ChunkSetting;
  readonly #signal: AbortSignal | undefined;
  readonly #pieces: (Buffer | string)[] = [];
  readonly #failures: RecordFailure[] = [];
  readonly #counts: InvocationCounts = { invocations: 0, retries: 0 };
  readonly #format: RecordFormat;
  #written = 0;

  constructor(key: string, chunk: Chunk, setting: ChunkSetting, signal: AbortSignal | undefined) {
    this.#key = key;
    this.#chunk = chunk;
    this.#setting = setting;
    this.#signal = signal;
    this.#format = formatOf(setting.accept ?? setting.contentType);
  }

  result(): ChunkResult {
    const pieces = this.#pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece));
    return {
      output: pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces),
      failures: this.#failures,
      written: this.#written,
      counts: this.#counts,
    };
  }

  /** Asks for the records from one to another (exclusive); where they are refused and the policy allows, by halves until those at fault stand alone. */
  async answer(from: number, to: number): Promise<void> {
    try {
      const body = this.#payload(from, to);
      const answer = await this.#setting.invoker.ask(() => this.#invocation(body, from, to), this.#counts);
      this.#take(answer, from, to);
      this.#written += to - from;
    } catch (error) {
      if (this.#setting.onRecordError === "fail" || !isFaultOfRecords(error)) throw error;
      if (to - from === 1) {
        this.#refuse(from, error);
        return;
      }
      const middle = (from + to) >>> 1;
      await this.answer(from, middle);
      await this.answer(middle, to);
    }
  }

  #place(record: number): RecordPlace {
    const { firstRecord, offset, starts } = this.#chunk;
    return { key: this.#key, record: firstRecord + record, offset: offset + (starts[record] ?? 0) };
  }

  #payload(from: number, to: number): Buffer {
    const { processing, entityBody, splitType, batchStrategy, maxPayloadBytes } = this.#setting;
    const { prefix } = this.#chunk;
    const alone = batchStrategy === "SingleRecord";
    let body: Buffer;
    if (entityBody !== undefined) {
      body = Buffer.from(this.#entities(entityBody, from, to));
    } else if (processing.input !== undefined) {
      const texts = Array.from({ length: to - from }, (_, at) => this.#filtered(from + at));
      body = Buffer.from(`${prefix.toString("utf8")}${texts.join("\n")}${alone ? "" : "\n"}`);
    } else if (alone) {
      const record = loneRecord(this.#chunk, from, splitType);
      body = prefix.length === 0 ? record : Buffer.concat([prefix, record]);
    } else {
      body = joinedRecords(this.#chunk, from, to);
    }
    // Only a record that stands alone can be too long: batches are made to fit.
    if (body.length > maxPayloadBytes) throw recordTooLarge(this.#place(from), body.length, maxPayloadBytes);
    return body;
  }

  #entities(entityBody: EntityBody, from: number, to: number): string {
    const texts = Array.from({ length: to - from }, (_, at) => this.#text(from + at));
    try {
      return entityBody(texts, this.#chunk.prefix.toString("utf8"));
    } catch (error) {
      throw this.#unreadable(from, error);
    }
  }

  #filtered(record: number): string {
    const { processing } = this.#setting;
    try {
      return processing.input?.(this.#text(record)) ?? "";
    } catch (error) {
      throw this.#unreadable(record, error);
    }
  }

  #text(record: number): string {
    return withoutLineEnd(rawRecord(this.#chunk, record)).toString("utf8");
  }

  /** What is no error of the house is one of the record: a filter that finds nothing, JSON that is none. */
  #unreadable(record: number, error: unknown): unknown {
    if (isMillwrightError(error) && error.code !== "SERVING_BODY_INVALID") return error;
    const problem = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    return recordInvalid(this.#place(record), problem, error);
  }

  #invocation(
    body: Buffer,
    from: number,
    to: number,
  ): Parameters<Invoker["ask"]>[0] extends () => infer Made ? Made : never {
    const { job, contentType, accept, entityBody } = this.#setting;
    const { firstRecord, prefix } = this.#chunk;
    const rows = prefix.length === 0 ? contentType : `${contentType}; header=present`;
    return {
      body,
      contentType: entityBody === undefined ? rows : "application/json",
      accept,
      requestId: `${job}/${this.#key}/${firstRecord + from}-${firstRecord + to - 1}`,
      signal: this.#signal,
    };
  }

  #take(body: Buffer, from: number, to: number): void {
    const { processing, assembleWith, target, splitType } = this.#setting;
    const records = to - from;
    if (processing.output === undefined) {
      // What is not split is one record, however many lines its answer has.
      const count = splitType === "None" ? undefined : countAnswers(body, this.#format);
      if (count !== undefined && count !== records)
        throw answerInvalid(target, `it has ${count} records for ${records}`);
      this.#pieces.push(body);
      if (assembleWith === "Line" && body.at(-1) !== 0x0a) this.#pieces.push("\n");
      return;
    }
    const answers = this.#answersOf(body, records);
    const texts = answers.map((answer, at) => this.#joined(from + at, answer));
    for (const text of texts) this.#pieces.push(assembleWith === "Line" ? `${text}\n` : text);
  }

  #answersOf(body: Buffer, records: number): readonly string[] {
    const { target, splitType } = this.#setting;
    if (splitType === "None") return [withoutLineEnd(body).toString("utf8")];
    try {
      const answers = answersOf(body, this.#format, records);
      if (answers !== undefined) return answers;
    } catch (error) {
      throw answerInvalid(target, error instanceof Error ? error.message : String(error), error);
    }
    throw answerInvalid(target, `it does not fall into ${records} records`);
  }

  #joined(record: number, answer: string): string {
    try {
      return this.#setting.processing.output?.(this.#text(record), answer) ?? answer;
    } catch (error) {
      throw this.#unreadable(record, error);
    }
  }

  #refuse(record: number, error: unknown): void {
    const { onRecordError } = this.#setting;
    const place = this.#place(record);
    const { code, message } = isMillwrightError(error) ? error : { code: "none", message: String(error) };
    this.#failures.push({
      record: place.record,
      offset: place.offset,
      bytes: rawRecord(this.#chunk, record).length,
      code,
      reason: message,
    });
    if (typeof onRecordError !== "object") return;
    try {
      this.#take(Buffer.from(onRecordError.value), record, record + 1);
      this.#written += 1;
    } catch (unjoined) {
      // A record that cannot be read cannot be joined with a default either: it is left out.
      if (!isFaultOfRecords(unjoined)) throw unjoined;
    }
  }
}

/** Whether fewer records might do better: the target refused what it was sent, or a record is no record. */
const isFaultOfRecords = (error: unknown): boolean =>
  isMillwrightError(error) &&
  (error.code === "SERVING_TRANSFORM_RECORD_INVALID" ||
    error.code === "SERVING_TRANSFORM_RECORD_TOO_LARGE" ||
    error.code === "SERVING_TRANSFORM_ANSWER_INVALID" ||
    (error.code === "SERVING_TRANSFORM_TARGET_FAILED" && !error.retryable));
