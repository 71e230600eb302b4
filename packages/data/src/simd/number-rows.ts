import type { NumericColumn } from "@millwright/contracts";
import type { DistinctSketch } from "../distinct.ts";
import { writeNumbers } from "../float64.ts";
import { correctedMoments, emptyMoments, mergeMoments, type Moments } from "../moments.ts";
import type { Keying, NumberSketcher } from "../quantile-sketch.ts";
import { blockNumbers, layout, type Machine } from "./machine.ts";

/** What numbers are added to. */
export interface NumberTargets {
  readonly sketcher: NumberSketcher;
  readonly distinct: DistinctSketch;
}

const out = layout.out / 8;
/** Looked at only while most hashes do not raise a register: up to this rank nearly every four hold one that may. */
const fewRanks = 4;

/**
 * Adds the rows of a column from one on, a multiple of 8, in the machine.
 * @returns the moments of all so far, those of `before` included.
 */
export function addNumberRows(
  machine: Machine,
  column: NumericColumn,
  from: number,
  targets: NumberTargets,
  before: Moments,
): Moments {
  const { bytes, kernels } = machine;
  const { distinct, sketcher } = targets;
  let moments = before;
  bytes.set(distinct, layout.registers);
  for (let start = from; start < column.length;) {
    const keying = sketcher.keying();
    const end = Math.min(column.length, start + keying.mostAtOnce);
    const least = kernels.leastRegister();
    const limit = least < fewRanks ? -1 : 2 ** (32 - least) - 1;
    for (let at = start; at < end; at += blockNumbers) {
      const rows = Math.min(blockNumbers, end - at);
      moments = mergeMoments(
        moments,
        addBlock(machine, column, at, rows, layout.places + (at - start) * 4, limit, keying),
      );
    }
    // The second pass leaves places behind the registers alone.
    sketcher.addPlaces(machine, end - start);
    start = end;
  }
  distinct.set(bytes.subarray(layout.registers, layout.registers + distinct.length));
  return moments;
}

function addBlock(
  { bytes, floats, kernels, values }: Machine,
  column: NumericColumn,
  start: number,
  rows: number,
  places: number,
  limit: number,
  { shift, lowest, nothing }: Keying,
): Moments {
  const { validity } = column;
  writeNumbers(column, values, start, rows);
  if (validity !== undefined) bytes.set(validity.subarray(start >> 3, (start + rows + 7) >> 3), layout.bits);
  kernels.passFirst(rows, validity === undefined ? 0 : 1);
  const count = floats[out] as number;
  const sum = floats[out + 1] as number;
  const min = floats[out + 2] as number;
  const max = floats[out + 3] as number;
  const about = count === 0 ? 0 : Number.isFinite(sum) ? sum / count : min / 2 + max / 2;
  kernels.passSecond(rows, about, places, shift, lowest, nothing, limit);
  if (count === 0) return emptyMoments;
  const rest = floats[out + 4] as number;
  const squares = floats[out + 5] as number;
  return correctedMoments({ count, about, rest, squares, min, max });
}
