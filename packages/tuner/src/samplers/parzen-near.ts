import { machine } from "../simd/machine.ts";

/** With fewer kernels all of them are looked at sooner than some are found. */
const FEWEST_SCREENED = 64;

/** Limits are widened by this much, so that rounding leaves no kernel out that counts. */
const SLACK = 1 + 1e-9;

/** Normal kernels, `size` numbers each; behind those of the observations the prior's. */
export interface ScreenedKernels {
  readonly centres: Float64Array;
  readonly inverses: Float64Array;
  readonly size: number;
  readonly observations: number;
}

/** Finds the kernels of observations that are near enough to a point to count there. */
export interface NearKernels {
  /**
   * Those whose Σ z² at the point may be below `limit`, from the last to the first.
   * @param point Where its coordinates begin in `points`.
   * @returns how many were found, or −1 where any may be near.
   */
  find(points: Float64Array, point: number, limit: number, found: Int32Array): number;
}

/** `undefined` where it is no gain, or cannot be done. */
export function createNearKernels(kernels: ScreenedKernels): NearKernels | undefined {
  const { centres, inverses, size, observations } = kernels;
  const own = observations < FEWEST_SCREENED || size === 0 ? undefined : machine();
  if (own === undefined) return undefined;
  let starts: readonly [centres: number, inverses: number, point: number, found: number] | undefined;
  const load = (): boolean => {
    if (starts !== undefined && own.belongsTo(kernels)) return true;
    const numbers = size * observations;
    starts = own.take(kernels, [numbers, numbers, size + 4, Math.ceil(observations / 2)]);
    if (starts === undefined) return false;
    own.floats.set(centres.subarray(0, numbers), starts[0]);
    own.floats.set(inverses.subarray(0, numbers), starts[1]);
    return true;
  };
  return {
    find(points, point, limit, found) {
      if (limit < 0) return 0;
      if (!(limit < Infinity) || !load() || starts === undefined) return -1;
      const [first, second, at, out] = starts;
      for (let k = 0; k < size; k += 1) own.floats[at + k] = points[point + k] as number;
      const count = own.kernels.nearKernels(8 * first, 8 * second, observations, size, 8 * at, SLACK * limit, 8 * out);
      found.set(new Int32Array(own.floats.buffer, 8 * out, count));
      return count;
    },
  };
}
