import type { DatePart, FittedStep } from "@millwright/data";
import { fieldInvalid, shownValue } from "./edge-error.ts";
import { murmurOfText } from "./text-hash.ts";

/** A step's writer of one row: a number (NaN where there is none) or a text (null where there is none). The target is zeros before. */
type WriteValue = (value: number | string | null, target: Float32Array, at: number) => void;

export interface RowTransforms {
  readonly width: number;
  /** Writes `width` numbers to `target` from `at` on, which are zeros before. `row` is for messages. */
  write(values: Readonly<Record<string, unknown>>, target: Float32Array, at: number, row: number | undefined): void;
}

/** Fitted transforms of single rows, with the arithmetic of `compileTransforms` of @millwright/data. */
export function createRowTransforms(steps: readonly FittedStep[]): RowTransforms {
  let width = 0;
  const placed = steps.map((step) => {
    const at = width;
    width += stepWidth(step);
    return { step, at, write: stepWriter(step) };
  });
  return {
    width,
    write(values, target, at, row) {
      for (const { step, at: offset, write } of placed) write(stepValue(values, step, row), target, at + offset);
    },
  };
}

const stepExpects = {
  number: "a number, or null where it is missing",
  bool: "true or false, or null where it is missing",
  text: "a text, or null where it is missing",
} as const;

/** The row's value as its step reads it. */
function stepValue(
  values: Readonly<Record<string, unknown>>,
  step: FittedStep,
  row: number | undefined,
): number | string | null {
  const { column, input } = step;
  const value = Object.hasOwn(values, column) ? values[column] : undefined;
  const wrong = (problem: string): Error => fieldInvalid(column, problem, stepExpects[input], row);
  if (value === undefined && !Object.hasOwn(values, column)) throw wrong("it is missing");
  if (input === "text") {
    if (value == null) return null;
    if (typeof value === "string") return value;
    throw wrong(`it is ${shownValue(value)}`);
  }
  if (value == null) return Number.NaN;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (input === "number") {
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    // A Date of another frame is no instance of this one's.
    if (Object.prototype.toString.call(value) === "[object Date]") {
      const timeMs = (value as Date).getTime();
      return step.kind === "dateParts" && step.unit === "day" ? Math.floor(timeMs / 86_400_000) : timeMs * 1000;
    }
  }
  throw wrong(`it is ${shownValue(value)}`);
}

function stepWidth(step: FittedStep): number {
  switch (step.kind) {
    case "numeric":
      return step.missingIndicator ? 2 : 1;
    case "cyclic":
      return 2;
    case "bucket":
      return step.edges.length + 1;
    case "target":
      return 1;
    case "oneHot":
      return step.categories.length + (step.other ? 1 : 0);
    case "hash":
    case "ngram":
      return step.buckets;
    case "dateParts":
      return step.parts.reduce((sum, part) => sum + (comesAround(part, step) ? 2 : 1), 0);
  }
}

function stepWriter(step: FittedStep): WriteValue {
  switch (step.kind) {
    case "numeric":
      return writeNumeric(step);
    case "cyclic":
      return writeCyclic(step);
    case "bucket":
      return writeBucket(step);
    case "dateParts":
      return writeDateParts(step);
    case "ngram":
      return (text, target, at) => (text === null ? undefined : writeNgrams(step, text as string, target, at));
    case "oneHot":
    case "hash":
    case "target":
      return writeCategory(step);
  }
}

type StepOf<Kind extends FittedStep["kind"]> = Extract<FittedStep, { readonly kind: Kind }>;

const writeNumeric =
  ({ fill, missingIndicator, log, offset, divisor }: StepOf<"numeric">): WriteValue =>
  (given, target, at) => {
    const value = given as number;
    const missing = value - value !== 0;
    const filled = missing ? fill : value;
    const logged = log ? (filled < 0 ? -Math.log1p(-filled) : Math.log1p(filled)) : filled;
    target[at] = (logged - offset) / divisor;
    if (missingIndicator && missing) target[at + 1] = 1;
  };

const writeCyclic =
  ({ period }: StepOf<"cyclic">): WriteValue =>
  (given, target, at) => {
    const value = given as number;
    if (value - value !== 0) return;
    const angle = ((value % period) / period) * 2 * Math.PI;
    target[at] = Math.sin(angle);
    target[at + 1] = Math.cos(angle);
  };

const writeBucket =
  ({ edges }: StepOf<"bucket">): WriteValue =>
  (given, target, at) => {
    const value = given as number;
    if (value - value !== 0) return;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((edges[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
    target[at + low] = 1;
  };

function writeCategory(step: StepOf<"hash"> | StepOf<"oneHot"> | StepOf<"target">): WriteValue {
  const positions = new Map(step.kind === "hash" ? [] : step.categories.map((category, at) => [category, at]));
  const textOf = (value: number | string | null): string | null => {
    if (typeof value !== "number") return value;
    if (value !== value) return null;
    return step.input === "bool" ? String(value === 1) : String(value);
  };
  return (value, target, at) => {
    const text = textOf(value);
    if (step.kind === "target") {
      const { values, unseen, missing } = step;
      const position = text === null ? undefined : positions.get(text);
      target[at] = text === null ? missing : position === undefined ? unseen : (values[position] as number);
      return;
    }
    const shown = text === null && step.kind === "oneHot" ? step.fill : text;
    if (shown === null) return;
    if (step.kind === "hash") target[at + (murmurOfText(shown, step.seed) % step.buckets)] = 1;
    else {
      const position = positions.get(shown) ?? (step.other ? step.categories.length : -1);
      if (position >= 0) target[at + position] = 1;
    }
  };
}

function writeNgrams(step: StepOf<"ngram">, text: string, target: Float32Array, at: number): void {
  const { unit, sizes, normalize, seed, buckets } = step;
  const lower = text.toLowerCase();
  const pieces = unit === "word" ? (lower.match(/[\p{L}\p{N}]+/gu) ?? []) : Array.from(lower);
  const between = unit === "word" ? " " : "";
  let squares = 0;
  for (const size of sizes) {
    for (let start = 0; start + size <= pieces.length; start += 1) {
      const bucket = at + (murmurOfText(pieces.slice(start, start + size).join(between), seed) % buckets);
      const before = target[bucket] as number;
      target[bucket] = before + 1;
      squares += 2 * before + 1;
    }
  }
  if (!normalize || squares === 0) return;
  const length = Math.sqrt(squares);
  for (let bucket = at; bucket < at + buckets; bucket += 1) target[bucket] = (target[bucket] as number) / length;
}

const dayLengthMs = 86_400_000;

const partReaders: Readonly<
  Record<DatePart, { readonly of: (date: Date) => number; readonly first: number; readonly period?: number }>
> = {
  year: { of: (date) => date.getUTCFullYear(), first: 2000 },
  month: { of: (date) => date.getUTCMonth() + 1, first: 1, period: 12 },
  day: { of: (date) => date.getUTCDate(), first: 1, period: 31 },
  yearDay: {
    of: (date) =>
      Math.floor((date.getTime() - new Date(0).setUTCFullYear(date.getUTCFullYear(), 0, 1)) / dayLengthMs) + 1,
    first: 1,
    period: 366,
  },
  weekday: { of: (date) => ((date.getUTCDay() + 6) % 7) + 1, first: 1, period: 7 },
  hour: { of: (date) => date.getUTCHours(), first: 0, period: 24 },
  minute: { of: (date) => date.getUTCMinutes(), first: 0, period: 60 },
};

const comesAround = (part: DatePart, { encoding }: StepOf<"dateParts">): boolean =>
  encoding === "cyclic" && partReaders[part].period !== undefined;

const writeDateParts =
  (step: StepOf<"dateParts">): WriteValue =>
  (given, target, at) => {
    const value = given as number;
    const date = new Date(step.unit === "day" ? value * dayLengthMs : Math.floor(value / 1000));
    if (Number.isNaN(date.getTime())) return;
    let next = at;
    for (const part of step.parts) {
      const { of, first, period = 1 } = partReaders[part];
      if (comesAround(part, step)) {
        const angle = ((of(date) - first) / period) * 2 * Math.PI;
        target[next] = Math.sin(angle);
        target[next + 1] = Math.cos(angle);
        next += 2;
      } else {
        target[next] = step.encoding === "cyclic" ? of(date) - first : of(date);
        next += 1;
      }
    }
  };
