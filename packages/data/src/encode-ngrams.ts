import { columnType } from "./errors.ts";
import { hashText } from "./hash.ts";
import { expectKind, type StepEncoder } from "./step-encoder.ts";
import type { FittedStep } from "./transform-plan.ts";
import { toArray } from "./value.ts";

type Ngram = Extract<FittedStep, { readonly kind: "ngram" }>;

export function encodeNgrams(step: Ngram): StepEncoder {
  const { column, buckets } = step;
  const writeText: StepEncoder["writeText"] = (text, target, at) => {
    if (text !== null) count(step, text, target, at);
  };
  return {
    names: Array.from({ length: buckets }, (_, bucket) => `${column}~${bucket}`),
    writeNumber: () => {
      throw columnType(column, "float64", "text");
    },
    writeText,
    writeColumn(each, target, at, width) {
      expectKind(step, each);
      for (const [row, text] of toArray(each).entries()) writeText(text as string | null, target, at + row * width);
    },
  };
}

function count({ unit, sizes, normalize, seed, buckets }: Ngram, text: string, target: Float32Array, at: number): void {
  const lower = text.toLowerCase();
  const pieces = unit === "word" ? (lower.match(/[\p{L}\p{N}]+/gu) ?? []) : Array.from(lower);
  // Between words a space, so that "a b" is no character run's twin; characters stand next to each other.
  const between = unit === "word" ? " " : "";
  let squares = 0;
  for (const size of sizes) {
    for (let start = 0; start + size <= pieces.length; start += 1) {
      const bucket = at + (hashText(pieces.slice(start, start + size).join(between), seed) % buckets);
      const before = target[bucket] as number;
      target[bucket] = before + 1;
      squares += 2 * before + 1;
    }
  }
  if (!normalize || squares === 0) return;
  const length = Math.sqrt(squares);
  for (let bucket = at; bucket < at + buckets; bucket += 1) target[bucket] = (target[bucket] as number) / length;
}
