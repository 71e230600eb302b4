import { logNormalMass } from "./normal-mass.ts";
import type { NormalKernels } from "./parzen-kernels.ts";

const LOG_ROOT_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/** log of the normal mass of cells under kernels, kept per cell: candidates often share one. */
export interface GridMasses {
  /** Begins with these candidates. */
  take(rows: readonly Float64Array[]): void;
  /** Σ z² to the nearer ends of the candidate's cells: −½ of it bounds the sum of log masses. */
  squares(kernel: number, candidate: number): number;
  /** The sum of the log masses of the candidate's cells. */
  logMass(kernel: number, candidate: number): number;
}

/** Of so many widths and less, the mass of a cell is its width times the density in its middle, to nine digits; differences of masses have fewer. */
const NARROW = 1e-5;

/** log of the mass from `low` to `high`, both in widths of the kernel. Cells of grids finer than a double's digits count as wide as these are fine. */
function cellMass(low: number, high: number, inverse: number): number {
  if (high - low > NARROW) return logNormalMass(low, high);
  const middle = (low + high) / 2;
  return Math.log(Math.max(high - low, 2 ** -53 * inverse)) - LOG_ROOT_TWO_PI - (middle * middle) / 2;
}

export function createGridMasses({ axes, centres, inverses }: NormalKernels, kernels: number): GridMasses {
  const size = axes.length;
  const cells = axes.map(() => new Map<number, Float64Array>());
  let lows = new Float64Array(0);
  let highs = new Float64Array(0);
  let masses: Float64Array[] = [];
  const fill = (at: number, own: number, kernel: number): number => {
    const centre = centres[own] as number;
    const inverse = inverses[own] as number;
    const low = lows[at] as number;
    const mass = cellMass((low - centre) * inverse, ((highs[at] as number) - centre) * inverse, inverse);
    (masses[at] as Float64Array)[kernel] = mass;
    return mass;
  };
  return {
    take(rows) {
      lows = new Float64Array(rows.length * size);
      highs = new Float64Array(rows.length * size);
      masses = [];
      for (const row of rows) {
        for (const [index, axis] of axes.entries()) {
          const x = row[axis.column] as number;
          lows[masses.length] = axis.cellLow(x);
          highs[masses.length] = axis.cellHigh(x);
          let known = cells[index]?.get(x);
          if (known === undefined) {
            known = new Float64Array(kernels).fill(NaN);
            cells[index]?.set(x, known);
          }
          masses.push(known);
        }
      }
    },
    squares(kernel, candidate) {
      let sum = 0;
      for (let index = 0, at = candidate * size, own = kernel * size; index < size; index += 1, at += 1, own += 1) {
        const centre = centres[own] as number;
        const beyond = centre < (lows[at] as number) ? (lows[at] as number) - centre : centre - (highs[at] as number);
        if (beyond <= 0) continue;
        const z = beyond * (inverses[own] as number);
        sum += z * z;
      }
      return sum;
    },
    logMass(kernel, candidate) {
      let sum = 0;
      for (let index = 0, at = candidate * size, own = kernel * size; index < size; index += 1, at += 1, own += 1) {
        const known = (masses[at] as Float64Array)[kernel] as number;
        sum += Number.isNaN(known) ? fill(at, own, kernel) : known;
      }
      return sum;
    },
  };
}
