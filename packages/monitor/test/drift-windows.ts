import type { Random } from "@millwright/contracts";
import { batchOf, profileOf } from "@millwright/data";
import type { DriftWindow } from "../src/drift.ts";
import { binomialCdf } from "../src/statistics.ts";

export const dayMs = 86_400_000;
/** A Monday. */
export const monday = Date.UTC(2026, 0, 5);

export type Draw = (window: number) => Parameters<typeof batchOf>[0];

/** Windows in their order, `perDay` of them a day. */
export function windowsOf(draw: Draw, count: number, { from = 0, perDay = 4, rows = false } = {}): DriftWindow[] {
  return Array.from({ length: count }, (_, index) => {
    const startMs = monday + ((from + index) * dayMs) / perDay;
    const batch = batchOf(draw(from + index));
    const window = { startMs, endMs: startMs + dayMs / perDay, profile: profileOf(batch) };
    return rows ? { ...window, rows: batch } : window;
  });
}

export const normal = (random: Random, rows: number, shift = 0): Float64Array =>
  Float64Array.from({ length: rows }, () => random.normal() + shift);

export function autoregressive(random: Random, phi: number): (rows: number) => Float64Array {
  let state = random.normal();
  return (rows) =>
    Float64Array.from({ length: rows }, () => (state = phi * state + Math.sqrt(1 - phi * phi) * random.normal()));
}

/** How many hits would be fewer, or more, than a rate explains with a risk of 1 in 1,000 each. */
export function binomialBounds(rate: number, trials: number): readonly [number, number] {
  const counts = Array.from({ length: trials + 1 }, (_, hits) => hits);
  const low = counts.find((hits) => binomialCdf(hits, trials, rate) >= 0.001) ?? 0;
  const high = counts.find((hits) => binomialCdf(hits, trials, rate) >= 0.999) ?? trials;
  return [low, high];
}
