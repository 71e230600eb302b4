import { httpStatusOf } from "../http/http-status.ts";
import type { AvailabilityUnit } from "./availability.ts";

/** So many pieces make the window. */
const pieces = 30;

interface Piece {
  number: number;
  readonly counts: Map<string, { total: number; good: number }>;
}

/** Requests of the latest while, by unit, without those that failed because of what was asked. */
export interface TrafficTally {
  add(unit: string, good: boolean, nowMs: number): void;
  units(nowMs: number): readonly AvailabilityUnit[];
}

/** Counts in pieces of a thirtieth of the window, which are forgotten as wholes. */
export function createTrafficTally(windowMs: number): TrafficTally {
  const ring: (Piece | undefined)[] = [];
  const numberAt = (nowMs: number): number => Math.floor((nowMs / windowMs) * pieces);
  return {
    add(unit, good, nowMs) {
      const number = numberAt(nowMs);
      let piece = ring[number % pieces];
      if (piece === undefined || piece.number !== number) {
        piece = { number, counts: new Map() };
        ring[number % pieces] = piece;
      }
      let count = piece.counts.get(unit);
      if (count === undefined) piece.counts.set(unit, (count = { total: 0, good: 0 }));
      count.total += 1;
      if (good) count.good += 1;
    },
    units(nowMs) {
      const oldest = numberAt(nowMs) - pieces;
      const sums = new Map<string, { total: number; good: number }>();
      for (const piece of ring) {
        if (piece === undefined || piece.number <= oldest) continue;
        for (const [unit, { total, good }] of piece.counts) {
          const sum = sums.get(unit) ?? { total: 0, good: 0 };
          sums.set(unit, { total: sum.total + total, good: sum.good + good });
        }
      }
      return [...sums].map(([name, { total, good }]) => ({ name, total, good, traffic: total }));
    },
  };
}

/** Counts how a request to a unit ended. What fails because of what was asked says nothing of the server. */
export function countUnit(
  tally: TrafficTally,
  unit: string,
  { failure, nowMs }: { readonly failure: unknown; readonly nowMs: number },
): void {
  if (failure === undefined) tally.add(unit, true, nowMs);
  else if (httpStatusOf(failure) >= 500) tally.add(unit, false, nowMs);
}
