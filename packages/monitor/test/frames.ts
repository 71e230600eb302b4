import type { Batch } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { createGenerator } from "./samples.ts";

type Next = () => number;
type Cell = null | number | string | boolean;

function pick(next: Next, names: readonly string[], tilt: number): string {
  const first = names[0] as string;
  return next() < tilt ? first : (names[Math.trunc(next() * names.length)] as string);
}

/** The columns of golden/frames.py. */
const makers: Readonly<Record<string, (next: Next, shift: number) => Cell>> = {
  number: (next, shift) => 0 + next() + next() + next() + next() - 2 + 0.04 * shift * shift,
  skewed: (next, shift) => next() * next() * next() * (1 + 0.1 * shift),
  few: (next, shift) => Math.trunc(next() * 4 * (1 - 0.1 * shift)),
  pair: (next, shift) => (next() < 0.5 + 0.06 * shift ? 1 : 0),
  integers: (next, shift) => Math.trunc(next() * 100) + 3 * shift,
  smallIntegers: (next, shift) => Math.trunc(next() * (7 - shift)),
  category: (next, shift) =>
    pick(next, shift < 2 ? ["a", "b", "c", "d", "e"] : ["a", "b", "c", "d", "new"], 0.1 * shift),
  binary: (next, shift) => pick(next, ["yes", "no"], 0.08 * shift),
  flag: (next, shift) => next() < 0.3 + 0.05 * shift,
  constant: () => 3,
  constantText: () => "same",
  numberWithNulls: (next, shift) => (next() < 0.1 ? null : next() + 0.1 * shift),
  textWithNulls: (next, shift) => (next() < 0.1 ? null : pick(next, ["x", "y", "z"], 0.1 * shift)),
  flagWithNulls: (next) => (next() < 0.1 ? null : next() < 0.5),
};

export type FrameSpec = readonly [rows: number, shift: number, seed: number];

export function frameOf([rows, shift, seed]: FrameSpec): Batch {
  const columns = Object.entries(makers).map(([name, make], index) => {
    const next = createGenerator(seed + 1000 * index);
    const values = Array.from({ length: rows }, () => make(next, shift));
    return [name, /integers/i.test(name) ? Int32Array.from(values as number[]) : values] as const;
  });
  return batchOf(Object.fromEntries(columns));
}
