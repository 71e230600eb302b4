import {
  type CapturedLabel,
  decodeNumbers,
  encodeNumbers,
  type JsonObject,
  type JsonValue,
} from "@millwright/contracts";
import type { HeldLabel } from "./early-labels.ts";
import type { AnswerReading, ReadingsState } from "./answer-readings.ts";
import { parseReadings, parseTable, readingsToJson, tableOfReadings } from "./reading-json.ts";
import { listOf, numberOf, objectOf, textOf } from "./state-reading.ts";
import type { FactColumns, FactsState } from "./label-facts.ts";
import type { Answer } from "./waiting-answers.ts";

/** An answer of a state. */
export interface WaitingAnswer extends Omit<Answer, "reading"> {
  /** Undefined in states of format 2. */
  readonly reading: AnswerReading | undefined;
}

/** What a label join goes on from after a restart. */
export interface WaitingState {
  readonly answers: readonly (readonly [requestId: string, answer: WaitingAnswer])[];
  readonly labelled: FactsState;
  /** Labels whose answers were not seen yet. */
  readonly held: readonly HeldLabel[];
  /** Undefined in states of format 2. */
  readonly readings: ReadingsState | undefined;
}

/** By columns: the bytes of numbers, lowest first, in base64; texts that many answers share stand once. */
export function waitingToJson({ answers, labelled, held, readings }: WaitingState): JsonObject {
  const variants = createIndex<readonly [string, string, number]>();
  const table = createTable();
  const segments = createIndex<readonly string[]>();
  const scores = answers.flatMap(([, answer]) => answer.scores);
  // Rows without segments stand for themselves, as an empty list.
  const rowSegments = answers.flatMap(([, answer]) => answer.segments.map((keys) => segments.of(keys)));
  return {
    requestIds: answers.map(([requestId]) => requestId),
    variantOf: bytesOf(
      Uint32Array.from(answers, ([, { endpoint, variant, reading }]) =>
        variants.of([endpoint, variant, table.of(reading as AnswerReading)]),
      ),
    ),
    timesMs: bytesOf(Float64Array.from(answers, ([, { timeMs }]) => timeMs)),
    scoreCounts: bytesOf(Uint32Array.from(answers, ([, answer]) => answer.scores.length)),
    scores: bytesOf(Float64Array.from(scores)),
    segmentCounts: bytesOf(Uint32Array.from(answers, ([, answer]) => answer.segments.length)),
    segments: bytesOf(Uint32Array.from(rowSegments)),
    variants: variants.values,
    ...readingsToJson(readings ?? { models: [], classes: [] }, table.of),
    readings: tableOfReadings(table.values),
    segmentLists: segments.values,
    labelled: {
      missingBeforeMs: encodeNumbers(labelled.missingBeforeMs),
      hours: labelled.hours.map(({ startMs, keys, truths, timesMs }) => ({
        startMs,
        keys: bytesOf(keys),
        truths: bytesOf(truths),
        timesMs: bytesOf(timesMs),
      })),
    },
    held: encodeNumbers(
      held.map(({ label: { requestId, row = 0, value, timeMs }, sinceMs }) => [requestId, row, value, timeMs, sinceMs]),
    ),
  };
}

/** Reads what `waitingToJson` wrote. Throws a `TypeError` that says what is wrong. */
export function parseWaiting(json: unknown): WaitingState {
  const state = objectOf(json);
  const requestIds = listOf(state["requestIds"]).map(textOf);
  const table = state["readings"] === undefined ? undefined : parseTable(state["readings"]);
  const variants = listOf(state["variants"]).map((each) => {
    const [endpoint, variant, index] = listOf(each);
    const reading = table?.[numberOf(index)];
    if (table !== undefined && reading === undefined) throw new TypeError("it is not told how answers are read");
    return { endpoint: textOf(endpoint), variant: textOf(variant), reading };
  });
  const segmentLists = listOf(state["segmentLists"]).map((each) => listOf(each).map(textOf));
  const variantOf = wordsOf(state["variantOf"]);
  const timesMs = numbersOf(state["timesMs"]);
  const scores = createCutter(numbersOf(state["scores"]), wordsOf(state["scoreCounts"]));
  const segments = createCutter(wordsOf(state["segments"]), wordsOf(state["segmentCounts"]));
  if ([variantOf, timesMs, scores, segments].some(({ length }) => length !== requestIds.length))
    throw new TypeError("the columns of answers differ in length");
  const answers = requestIds.map((requestId, at) => {
    const of = variants[variantOf[at] as number];
    if (of === undefined) throw new TypeError("an answer is of no variant");
    const answer: WaitingAnswer = {
      ...of,
      timeMs: timesMs[at] as number,
      scores: scores.next(),
      segments: segments.next().map((index) => {
        const keys = segmentLists[index];
        if (keys === undefined) throw new TypeError("an answer is of no segment");
        return keys;
      }),
      sampled: [],
    };
    return [requestId, answer] as const;
  });
  return {
    answers,
    labelled: parseFacts(objectOf(state["labelled"])),
    held: parseHeld(state["held"]),
    readings: table === undefined ? undefined : parseReadings(state["models"], state["classes"], table),
  };
}

function parseFacts({ hours, missingBeforeMs }: Readonly<Record<string, unknown>>): FactsState {
  return {
    missingBeforeMs: numberOf(decodeNumbers(missingBeforeMs as JsonValue)),
    hours: listOf(hours).map((each): FactColumns => {
      const hour = objectOf(each);
      return {
        startMs: numberOf(hour["startMs"]),
        keys: wordsOf(hour["keys"]),
        truths: numbersOf(hour["truths"]),
        timesMs: numbersOf(hour["timesMs"]),
      };
    }),
  };
}

const parseHeld = (json: unknown): readonly HeldLabel[] =>
  listOf(decodeNumbers(json as JsonValue)).map((each) => {
    const [requestId, row, value, timeMs, sinceMs] = listOf(each);
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      throw new TypeError("a label has no value");
    const label: CapturedLabel = { requestId: textOf(requestId), row: numberOf(row), value, timeMs: numberOf(timeMs) };
    return { label, sinceMs: numberOf(sinceMs) };
  });

/** Readings that many answers share, each once. */
function createTable(): { readonly values: AnswerReading[]; of(reading: AnswerReading): number } {
  const { values, of } = createIndex<AnswerReading>();
  // Answers of one process share the very object.
  const known = new Map<AnswerReading, number>();
  return {
    values,
    of(reading) {
      const index = known.get(reading) ?? of(reading);
      known.set(reading, index);
      return index;
    },
  };
}

function createIndex<Value>(): { readonly values: Value[]; of(value: Value): number } {
  const known = new Map<string, number>();
  const values: Value[] = [];
  return {
    values,
    of(value) {
      const key = JSON.stringify(value);
      let index = known.get(key);
      if (index === undefined) {
        known.set(key, (index = values.length));
        values.push(value);
      }
      return index;
    },
  };
}

/** Cuts a column into the parts of each answer. */
function createCutter(
  values: Float64Array | Uint32Array,
  counts: Uint32Array,
): { readonly length: number; next(): number[] } {
  if (counts.reduce((sum, count) => sum + count, 0) !== values.length)
    throw new TypeError("a column of answers has another length than its parts");
  let [part, at] = [0, 0];
  return {
    length: counts.length,
    next: () => Array.from(values.subarray(at, (at += counts[part++] as number))),
  };
}

const isBigEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 0;

/** The lowest byte first, whatever the machine does. */
function ordered(bytes: Buffer, width: 4 | 8): Buffer {
  if (!isBigEndian) return bytes;
  return width === 4 ? bytes.swap32() : bytes.swap64();
}

const bytesOf = (values: Float64Array | Uint32Array): string =>
  ordered(Buffer.from(values.slice().buffer), values instanceof Float64Array ? 8 : 4).toString("base64");

function copyOf(value: unknown, width: 4 | 8): ArrayBuffer {
  const bytes = Buffer.from(textOf(value), "base64");
  if (bytes.length % width !== 0) throw new TypeError("a column of numbers is cut off");
  const { buffer, byteOffset, length } = ordered(bytes, width);
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer;
}

const numbersOf = (value: unknown): Float64Array => new Float64Array(copyOf(value, 8));
const wordsOf = (value: unknown): Uint32Array => new Uint32Array(copyOf(value, 4));
