import { hashText } from "./hash.ts";

/**
 * Counts of the most frequent texts, after Misra and Gries (1982) with the merge of Agarwal et al., "Mergeable Summaries" (2012): exact while at
 * most `capacity` distinct texts were met; after that a text that was met n times counts from n − `error` to n, with `error` at most total/(capacity + 1).
 */
export interface FrequentTexts {
  readonly capacity: number;
  /** All texts met. */
  readonly total: number;
  /** Most that a count can fall short by; 0: all counts are exact, and all texts are there. */
  readonly error: number;
  readonly counts: ReadonlyMap<string, number>;
}

const defaultCapacity = 256;

export function emptyFrequent(capacity: number = defaultCapacity): FrequentTexts {
  if (!(Number.isInteger(capacity) && capacity > 0))
    throw new RangeError(`The capacity must be a positive integer, not ${capacity}.`);
  return { capacity, total: 0, error: 0, counts: new Map() };
}

/** Associative exactly while nothing is dropped, and within `error` after. The smaller capacity counts. */
export function mergeFrequent(a: FrequentTexts, b: FrequentTexts): FrequentTexts {
  const counts = new Map(a.counts);
  for (const [text, count] of b.counts) counts.set(text, (counts.get(text) ?? 0) + count);
  return shrunk({
    capacity: Math.min(a.capacity, b.capacity),
    total: a.total + b.total,
    error: a.error + b.error,
    counts,
  });
}

/** Takes exact counts. */
export function addFrequent(summary: FrequentTexts, counts: ReadonlyMap<string, number>): FrequentTexts {
  let total = 0;
  for (const count of counts.values()) total += count;
  return mergeFrequent(summary, { capacity: summary.capacity, total, error: 0, counts });
}

function shrunk(summary: FrequentTexts): FrequentTexts {
  if (summary.counts.size <= summary.capacity) return summary;
  const ordered = [...summary.counts.values()].sort((a, b) => b - a);
  // Taking the largest dropped count off all keeps the bound of the paper.
  const cut = ordered[summary.capacity] as number;
  const counts = new Map(
    [...summary.counts].filter(([, count]) => count > cut).map(([text, count]) => [text, count - cut]),
  );
  return { ...summary, error: summary.error + cut, counts };
}

/** @returns the texts by falling count, then by code units. */
export function mostFrequent(
  { counts }: FrequentTexts,
  limit: number = Number.POSITIVE_INFINITY,
): readonly (readonly [string, number])[] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit);
}

/** Most bytes of a text within JSON, its quotes included: 256 of them and their counts are less than 48 KB. */
const textBytes = 160;

/** @returns the text itself where it is short; otherwise its beginning, an ellipsis and 16 digits of hash that tell it from others. */
export function boundedText(text: string): string {
  if (text.length * 6 + 2 <= textBytes || Buffer.byteLength(JSON.stringify(text)) <= textBytes) return text;
  const hash = [0, 0x9e3779b9].map((seed) => hashText(text, seed).toString(16).padStart(8, "0")).join("");
  let end = Math.min(text.length, textBytes);
  // Half of a surrogate pair at the end would not survive UTF-8.
  const shortened = (): string => `${text.slice(0, end).replace(/[\uD800-\uDBFF]$/, "")}…${hash}`;
  while (Buffer.byteLength(JSON.stringify(shortened())) > textBytes) end -= 1;
  return shortened();
}
