import type { Random } from "@millwright/contracts";
import { drawMallows, kendallDistance, logMallowsTotal, mallowsDispersion } from "./mallows.ts";
import { logNormalMass } from "./normal-mass.ts";
import type { Axis } from "./parzen-axes.ts";
import type { AxisOrders } from "./parzen-orders.ts";
import type { Scratch } from "./scratch.ts";
import { type WidthRule, writeKernels } from "./parzen-widths.ts";

/** Beyond this many widths a normal distribution has less than half an ulp of 1 left. */
const FAR = 8.3;

/** Kernels that draw: those of the observations, then the prior's. */
export interface Kernels {
  sample(kernel: number, random: Random, row: Float64Array): void;
}

/** Normal kernels of several axes, cut off at the ends of the range: that of kernel k on axis i at `k · axes.length + i`. */
export interface NormalKernels extends Kernels {
  readonly axes: readonly Axis[];
  readonly centres: Float64Array;
  /** 1 by the width. */
  readonly inverses: Float64Array;
  /** 1 by the least width that observations' kernels may have. */
  readonly narrowest: number;
  /** log of the kernel's widths, multiplied. */
  logWidths(kernel: number): number;
  /** log of the probability that the untruncated kernel has inside the range. */
  logMass(kernel: number): number;
}

/** What mixtures of one space share. */
export interface MixtureTools {
  readonly orders: AxisOrders;
  readonly scratch: Scratch;
}

/** @param count How many rows are selected in `orders`. @param all Axes of the whole mixture. */
export function normalKernels(
  axes: readonly Axis[],
  count: number,
  { orders, scratch }: MixtureTools,
  rule: WidthRule,
  all: number,
): NormalKernels {
  const size = axes.length;
  const centres = scratch.floats((count + 1) * size);
  const inverses = scratch.floats((count + 1) * size);
  for (const [index, axis] of axes.entries())
    writeKernels(orders.order(axis), rule, all, centres, inverses, index, size);
  centres.fill(0.5, count * size);
  inverses.fill(1, count * size);
  return {
    axes,
    centres,
    inverses,
    narrowest: 1 / rule.floor(count),
    logWidths(kernel) {
      let product = 1;
      let sum = 0;
      for (let at = kernel * size; at < (kernel + 1) * size; at += 1) {
        product *= inverses[at] as number;
        if (product < 1e200) continue;
        sum += Math.log(product);
        product = 1;
      }
      return -sum - Math.log(product);
    },
    logMass(kernel) {
      let sum = 0;
      for (let at = kernel * size; at < (kernel + 1) * size; at += 1) {
        const centre = centres[at] as number;
        const low = centre * (inverses[at] as number);
        const high = (1 - centre) * (inverses[at] as number);
        if (low < FAR || high < FAR) sum += logNormalMass(-low, high);
      }
      return sum;
    },
    sample(kernel, random, row) {
      for (let index = 0, at = kernel * size; index < size; index += 1, at += 1) {
        const { column, snap } = axes[index] as Axis;
        row[column] = snap(drawInside(centres[at] as number, 1 / (inverses[at] as number), random));
      }
    },
  };
}

/** Centres lie inside [0, 1], so at least a third of the draws do. */
function drawInside(centre: number, width: number, random: Random): number {
  for (;;) {
    const x = centre + width * random.normal();
    if (x >= 0 && x <= 1) return x;
  }
}

/** Each kernel is its observation smoothed by the prior's weight, shared among all kernels; the last is the prior, uniform. */
export interface CategoricalKernels extends Kernels {
  readonly axis: Axis;
  readonly observed: Int32Array;
  readonly logHit: number;
  readonly logMiss: number;
}

export function categoricalKernels(axis: Axis, rows: readonly Float64Array[], priorWeight: number): CategoricalKernels {
  const { column, levels } = axis;
  const observed = new Int32Array(rows.length);
  for (let index = 0; index < rows.length; index += 1)
    observed[index] = (rows[index] as Float64Array)[column] as number;
  const smoothing = priorWeight / (rows.length + 1);
  const norm = 1 + smoothing * levels;
  return {
    axis,
    observed,
    logHit: Math.log((1 + smoothing) / norm),
    logMiss: Math.log(smoothing / norm),
    sample(kernel, random, row) {
      // With the share of the smoothing any choice, else the observed one.
      const any = kernel === observed.length || random.next() * norm >= 1;
      row[column] = any ? random.integer(levels) : (observed[kernel] as number);
    },
  };
}

/**
 * Mallows' kernels around the observed permutations. Their mean distance, as a share of the uniform distribution's, falls as (n + 1)^(−1/(items − 1)),
 * as distances to neighbours do in that many dimensions, down to half a swap.
 */
export interface PermutationKernels extends Kernels {
  logDensity(kernel: number, row: Float64Array): number;
}

export function permutationKernels(axis: Axis, rows: readonly Float64Array[]): PermutationKernels {
  const { column, width: items } = axis;
  const count = rows.length;
  const least = 2 / (items * (items - 1));
  const q = mallowsDispersion(items, Math.max(least, (count + 1) ** (-1 / (items - 1))));
  const logQ = Math.log(q);
  const logTotal = logMallowsTotal(items, q);
  const logUniform = -logMallowsTotal(items, 1);
  const inOrder = Float64Array.from({ length: items }, (_, item) => item);
  return {
    logDensity(kernel, row) {
      const centre = rows[kernel];
      if (centre === undefined) return logUniform;
      return kendallDistance(row, column, centre, column, items) * logQ - logTotal;
    },
    sample(kernel, random, row) {
      const centre = rows[kernel];
      if (centre === undefined) drawMallows(inOrder, 0, items, 1, random, row, column);
      else drawMallows(centre, column, items, q, random, row, column);
    },
  };
}
