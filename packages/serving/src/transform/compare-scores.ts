import { createReadStream } from "node:fs";
import type { CallOptions } from "@millwright/contracts";
import { isBlank, withoutLineEnd } from "./line-ends.ts";
import { recordBlocks } from "./record-blocks.ts";
import { transformInputMissing, transformInvalid } from "./errors.ts";
import { cellValue, parseCsv } from "../http/csv.ts";

export interface CompareScoresOptions extends CallOptions {
  /** How the outputs are written. Default: `"text/csv"`. */
  readonly contentType?: "text/csv" | "application/jsonlines" | undefined;
  /** Where the score is: the column by number from 0, or the member by name. Default: the last column; the value itself, where it is a number. */
  readonly score?: number | string | undefined;
  /** Scores that differ by no more than this are equal. Default: 0. */
  readonly tolerance?: number | undefined;
  /** Scores at and above it are one decision, those below the other. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** How many of the greatest differences are named. Default: 10. */
  readonly examples?: number | undefined;
}

/** How two versions answer the same records. */
export interface ScoreComparison {
  readonly records: number;
  /** Within the tolerance, and beyond it. */
  readonly equal: number;
  readonly different: number;
  /** One of both is no number: null, a text. Of those, equal texts are counted as equal. */
  readonly unreadable: number;
  /** Of the candidate's score less the champion's, over records where both are numbers; 0 where there are none. */
  readonly meanDifference: number;
  readonly meanAbsoluteDifference: number;
  readonly rootMeanSquaredDifference: number;
  readonly largestDifference: number;
  /** Pearson's; NaN where either side does not vary. */
  readonly correlation: number;
  /** Decisions at the threshold: those that went from below to above, and from above to below. */
  readonly raised: number;
  readonly lowered: number;
  /** The greatest absolute differences, the greatest first; of equal ones the earlier. */
  readonly examples: readonly { readonly record: number; readonly champion: number; readonly candidate: number }[];
}

/**
 * Compares the outputs of two jobs over the same records, line by line, in constant memory: what a candidate would have said in production.
 * Throws `SERVING_TRANSFORM_INPUT_MISSING`, and `SERVING_TRANSFORM_INVALID` where one has more records than the other.
 */
export async function compareScores(
  champion: string,
  candidate: string,
  options: CompareScoresOptions = {},
): Promise<ScoreComparison> {
  const { tolerance = 0, threshold = 0.5, examples = 10, signal } = options;
  if (!(tolerance >= 0)) throw transformInvalid(`\`tolerance\` is ${tolerance}`, "Give 0 or more.");
  signal?.throwIfAborted();
  const left = scoresOf(champion, options);
  const right = scoresOf(candidate, options);
  const tally = new Tally({ tolerance, threshold, examples });
  for (;;) {
    const [a, b] = [await left.next(), await right.next()];
    if (a.done === true && b.done === true) return tally.comparison();
    if (a.done === true || b.done === true) {
      await Promise.all([left.return(), right.return()]);
      throw transformInvalid(
        `"${a.done === true ? candidate : champion}" has more records than "${a.done === true ? champion : candidate}"`,
        "Compare outputs of the same records, without those that were left out.",
      );
    }
    tally.add(a.value, b.value);
  }
}

/** A number, or the text of what is none. */
type Score = number | string;

interface TallyOptions {
  readonly tolerance: number;
  readonly threshold: number;
  readonly examples: number;
}

class Tally {
  readonly #options: TallyOptions;
  #examples: ScoreComparison["examples"][number][] = [];
  #records = 0;
  #equal = 0;
  #unreadable = 0;
  #numbers = 0;
  #sum = 0;
  #sumAbsolute = 0;
  #sumSquared = 0;
  #largest = 0;
  #raised = 0;
  #lowered = 0;
  /** Welford's means and sums of squares and products, which keep their digits where scores are close to each other. */
  #means: readonly [number, number] = [0, 0];
  #squares: readonly [number, number] = [0, 0];
  #products = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  add(champion: Score, candidate: Score): void {
    const record = this.#records;
    this.#records += 1;
    if (typeof champion === "string" || typeof candidate === "string") {
      this.#unreadable += 1;
      if (champion === candidate) this.#equal += 1;
      return;
    }
    const { tolerance, threshold } = this.#options;
    const difference = candidate - champion;
    const size = Math.abs(difference);
    this.#numbers += 1;
    this.#sum += difference;
    this.#sumAbsolute += size;
    this.#sumSquared += difference * difference;
    this.#largest = Math.max(this.#largest, size);
    if (champion < threshold && candidate >= threshold) this.#raised += 1;
    if (champion >= threshold && candidate < threshold) this.#lowered += 1;
    this.#correlate(champion, candidate);
    if (size <= tolerance) this.#equal += 1;
    else this.#example({ record, champion, candidate }, size);
  }

  comparison(): ScoreComparison {
    const mean = (sum: number): number => (this.#numbers === 0 ? 0 : sum / this.#numbers);
    return {
      records: this.#records,
      equal: this.#equal,
      different: this.#records - this.#equal,
      unreadable: this.#unreadable,
      meanDifference: mean(this.#sum),
      meanAbsoluteDifference: mean(this.#sumAbsolute),
      rootMeanSquaredDifference: Math.sqrt(mean(this.#sumSquared)),
      largestDifference: this.#largest,
      correlation: this.#products / Math.sqrt(this.#squares[0] * this.#squares[1]),
      raised: this.#raised,
      lowered: this.#lowered,
      examples: this.#examples,
    };
  }

  #correlate(x: number, y: number): void {
    const [meanX, meanY] = this.#means;
    const [aboveX, aboveY] = [x - meanX, y - meanY];
    const next = [meanX + aboveX / this.#numbers, meanY + aboveY / this.#numbers] as const;
    this.#squares = [this.#squares[0] + aboveX * (x - next[0]), this.#squares[1] + aboveY * (y - next[1])];
    this.#products += aboveX * (y - next[1]);
    this.#means = next;
  }

  #example(example: ScoreComparison["examples"][number], size: number): void {
    const sizeOf = ({ champion, candidate }: typeof example): number => Math.abs(candidate - champion);
    const at = this.#examples.findIndex((each) => sizeOf(each) < size);
    if (at < 0 && this.#examples.length >= this.#options.examples) return;
    this.#examples.splice(at < 0 ? this.#examples.length : at, 0, example);
    this.#examples.length = Math.min(this.#examples.length, this.#options.examples);
  }
}

async function* scoresOf(path: string, options: CompareScoresOptions): AsyncGenerator<Score, void, undefined> {
  const { contentType = "text/csv", score, signal } = options;
  const csv = contentType === "text/csv";
  const split = { key: path, splitType: "Line", csv, longestRecordBytes: 2 ** 26 } as const;
  for await (const { bytes, ends } of recordBlocks(piecesOf(path, signal), split)) {
    let start = 0;
    for (const end of ends) {
      if (!isBlank(bytes, start, end)) {
        const text = withoutLineEnd(bytes.subarray(start, end)).toString("utf8");
        yield csv ? csvScore(text, score) : jsonScore(text, score);
      }
      start = end;
    }
  }
}

async function* piecesOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 18, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw transformInputMissing(path, error);
  }
}

function csvScore(text: string, score: number | string | undefined): Score {
  const cells = text.includes('"') ? (parseCsv(text)[0] ?? [text]) : text.split(",");
  const cell = cells.at(typeof score === "number" ? score : -1) ?? "";
  const value = cellValue(cell);
  return typeof value === "number" ? value : cell;
}

function jsonScore(text: string, score: number | string | undefined): Score {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (score !== undefined && value !== null && typeof value === "object")
    value = (value as Readonly<Record<string | number, unknown>>)[score];
  return typeof value === "number" ? value : (JSON.stringify(value) ?? "");
}
