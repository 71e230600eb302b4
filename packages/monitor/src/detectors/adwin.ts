import { checkOptions, type DriftDetector, type Mechanism, runDetector } from "./detector.ts";

export interface AdwinOptions {
  /** Confidence, in (0, 1]: smaller is more careful. Default: 0.002. */
  readonly delta?: number | undefined;
  /** Cuts are looked for at every so-manieth value. Default: 32. */
  readonly clock?: number | undefined;
  /** Buckets of each size before two become one. Default: 5. */
  readonly maximumBuckets?: number | undefined;
  /** Fewest values on each side of a cut. Default: 5. */
  readonly minimumWindow?: number | undefined;
  /** No cut before more values than these. Default: 10. */
  readonly gracePeriod?: number | undefined;
}

type Options = Required<{ [Name in keyof AdwinOptions]: NonNullable<AdwinOptions[Name]> }>;

/** Row i holds buckets of 2^i values, the oldest first. */
interface Values {
  tick: number;
  width: number;
  total: number;
  /** Sum of squared deviations from the mean of the window. */
  deviations: number;
  totals: number[][];
  spreads: number[][];
}

const start = (): Values => ({ tick: 0, width: 0, total: 0, deviations: 0, totals: [[]], spreads: [[]] });

function insert(values: Values, value: number, maximumBuckets: number): void {
  (values.totals[0] as number[]).push(value);
  (values.spreads[0] as number[]).push(0);
  const before = values.width;
  values.width += 1;
  if (before > 0) {
    const deviation = value - values.total / before;
    values.deviations += (before * deviation * deviation) / values.width;
  }
  values.total += value;
  for (let row = 0; (values.totals[row] as number[]).length > maximumBuckets; row += 1) {
    if (row + 1 === values.totals.length) {
      values.totals.push([]);
      values.spreads.push([]);
    }
    const size = 2 ** row;
    const [a, b] = (values.totals[row] as number[]).splice(0, 2) as [number, number];
    const [p, q] = (values.spreads[row] as number[]).splice(0, 2) as [number, number];
    const apart = a / size - b / size;
    (values.totals[row + 1] as number[]).push(a + b);
    (values.spreads[row + 1] as number[]).push(p + q + size * 0.5 * apart * apart);
  }
}

function dropOldest(values: Values): void {
  const row = values.totals.length - 1;
  const size = 2 ** row;
  const total = (values.totals[row] as number[]).shift() as number;
  const spread = (values.spreads[row] as number[]).shift() as number;
  values.width -= size;
  values.total -= total;
  const apart = total / size - values.total / values.width;
  values.deviations -= spread + (size * values.width * apart * apart) / (size + values.width);
  if ((values.totals[row] as number[]).length === 0) {
    values.totals.pop();
    values.spreads.pop();
  }
}

/** Whether some cut parts the window into means too far apart (Bifet and Gavaldà 2007, section 3, with the variance of the window). */
function hasCut({ totals, width, total, deviations }: Values, { delta, minimumWindow }: Options): boolean {
  const confidence = Math.log((2 * Math.log(width)) / delta);
  let [n0, n1, u0, u1] = [0, width, 0, total];
  for (let row = totals.length - 1; row >= 0; row -= 1) {
    const size = 2 ** row;
    const buckets = totals[row] as number[];
    for (const [index, sum] of buckets.entries()) {
      n0 += size;
      n1 -= size;
      u0 += sum;
      u1 -= sum;
      if (row === 0 && index === buckets.length - 1) return false;
      if (n1 < minimumWindow || n0 < minimumWindow) continue;
      const reciprocal = 1 / (n0 - minimumWindow + 1) + 1 / (n1 - minimumWindow + 1);
      const bound = Math.sqrt(2 * reciprocal * (deviations / width) * confidence) + (2 / 3) * confidence * reciprocal;
      if (Math.abs(u0 / n0 - u1 / n1) > bound) return true;
    }
  }
  return false;
}

const mechanism: Mechanism<Options, Values> = {
  kind: "adwin",
  start,
  step(values, value, options) {
    insert(values, value, options.maximumBuckets);
    values.tick += 1;
    if (values.tick % options.clock !== 0 || values.width <= options.gracePeriod) return "stable";
    let changed = false;
    while (values.width > 1 && hasCut(values, options)) {
      changed = true;
      dropOldest(values);
    }
    return changed ? "drift" : "stable";
  },
};

/** A detector with a window as long as its values are alike. */
export interface AdwinDetector extends DriftDetector {
  /** Values in the window. */
  width(): number;
  /** Mean of the window; 0 for an empty one. */
  mean(): number;
}

/** Adaptive windowing, ADWIN2 (Bifet and Gavaldà 2007), equal to river's; O(log n) memory. Throws `MONITOR_DETECTOR_INVALID`. */
export function createAdwin(options: AdwinOptions = {}, saved?: unknown): AdwinDetector {
  const { delta = 0.002, clock = 32, maximumBuckets = 5, minimumWindow = 5, gracePeriod = 10 } = options;
  checkOptions("adwin", {
    delta: { value: delta, from: Number.MIN_VALUE, to: 1 },
    clock: { value: clock, from: 1, integer: true },
    maximumBuckets: { value: maximumBuckets, from: 1, to: 1000, integer: true },
    minimumWindow: { value: minimumWindow, from: 1, integer: true },
    gracePeriod: { value: gracePeriod, from: 1, integer: true },
  });
  const { values, ...detector } = runDetector(
    mechanism,
    { delta, clock, maximumBuckets, minimumWindow, gracePeriod },
    saved,
  );
  return {
    ...detector,
    width: () => values().width,
    mean: () => (values().width === 0 ? 0 : values().total / values().width),
  };
}
