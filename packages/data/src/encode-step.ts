import { categoryEncoder, type CategoryFinder, findCategory } from "./category-encoder.ts";
import { encodeDateParts } from "./encode-date-parts.ts";
import { encodeNgrams } from "./encode-ngrams.ts";
import { hashBytes, hashText } from "./hash.ts";
import { numberEncoder, type NumbersWriter, type NumberWriter, type StepEncoder } from "./step-encoder.ts";
import { categoryOfNumber, type FittedStep, signedLog } from "./transform-plan.ts";

type Numeric = Extract<FittedStep, { readonly kind: "numeric" }>;
type OneHot = Extract<FittedStep, { readonly kind: "oneHot" }>;
type Hash = Extract<FittedStep, { readonly kind: "hash" }>;
type Cyclic = Extract<FittedStep, { readonly kind: "cyclic" }>;
type Bucket = Extract<FittedStep, { readonly kind: "bucket" }>;
type Target = Extract<FittedStep, { readonly kind: "target" }>;

export function createStepEncoder(step: FittedStep): StepEncoder {
  switch (step.kind) {
    case "numeric":
      return numberEncoder(step, numericNames(step), numericWriter(step), numericsWriter(step));
    case "cyclic":
      return numberEncoder(step, [`${step.column}_sin`, `${step.column}_cos`], cyclicWriter(step));
    case "bucket":
      return numberEncoder(step, bucketNames(step), bucketWriter(step));
    case "dateParts":
      return encodeDateParts(step);
    case "ngram":
      return encodeNgrams(step);
    case "oneHot":
      return categoryEncoder(step, oneHotNames(step), oneHotFinder(step));
    case "hash":
      return categoryEncoder(step, numberedNames(step.column, step.buckets), hashFinder(step));
    case "target":
      return encodeTarget(step);
  }
}

const numberedNames = (column: string, buckets: number): readonly string[] =>
  Array.from({ length: buckets }, (_, bucket) => `${column}#${bucket}`);

const numericNames = ({ column, missingIndicator }: Numeric): readonly string[] =>
  missingIndicator ? [column, `${column}_missing`] : [column];

function numericWriter({ fill, missingIndicator, log, offset, divisor }: Numeric): NumberWriter {
  return (value, target, at) => {
    // Infinities were left out of the fit, and would drown every other input.
    const missing = value - value !== 0;
    const filled = missing ? fill : value;
    target[at] = ((log ? signedLog(filled) : filled) - offset) / divisor;
    if (missingIndicator && missing) target[at + 1] = 1;
  };
}

/** The same arithmetic, without a call a number. */
function numericsWriter(step: Numeric): NumbersWriter | undefined {
  const { fill, missingIndicator, log, offset, divisor } = step;
  if (missingIndicator || log) return undefined;
  return (values, count, target, at, width) => {
    for (let row = 0, place = at; row < count; row += 1, place += width) {
      const value = values[row] as number;
      target[place] = ((value - value === 0 ? value : fill) - offset) / divisor;
    }
  };
}

function cyclicWriter({ period }: Cyclic): NumberWriter {
  return (value, target, at) => {
    if (value - value !== 0) return;
    // The remainder first: the sine of a large number loses digits.
    const angle = ((value % period) / period) * 2 * Math.PI;
    target[at] = Math.sin(angle);
    target[at + 1] = Math.cos(angle);
  };
}

const bucketNames = ({ column, edges }: Bucket): readonly string[] =>
  Array.from({ length: edges.length + 1 }, (_, at) => `${column}[${edges[at - 1] ?? "…"},${edges[at] ?? "…"})`);

function bucketWriter({ edges }: Bucket): NumberWriter {
  return (value, target, at) => {
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
}

/** Positions past the categories stand for the unseen and the missing. */
function encodeTarget(step: Target): StepEncoder {
  const { categories, values, unseen, missing, input } = step;
  const all = [...values, unseen, missing];
  const finder = findCategory(categories, { unseen: values.length, missing: values.length + 1, input });
  return categoryEncoder(step, [`${step.column}_target`], finder, (position, target, at) => {
    target[at] = all[position] as number;
  });
}

const oneHotNames = ({ column, categories, other }: OneHot): readonly string[] => [
  ...categories.map((category) => `${column}=${category}`),
  ...(other ? [`${column}=(other)`] : []),
];

function oneHotFinder({ categories, fill, other, input }: OneHot): CategoryFinder {
  const unseen = other ? categories.length : -1;
  const finder = findCategory(categories, { unseen, missing: -1, input });
  return { ...finder, ofMissing: fill === null ? -1 : finder.ofText(fill) };
}

function hashFinder({ buckets, seed, input }: Hash): CategoryFinder {
  return {
    ofText: (text) => hashText(text, seed) % buckets,
    ofBytes: (bytes, start, end) => hashBytes(bytes, start, end, seed) % buckets,
    ofNumber: (value) => hashText(categoryOfNumber(value, input), seed) % buckets,
    ofMissing: -1,
  };
}
