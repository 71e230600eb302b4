import { createRandom, type RandomState, restoreRandom } from "@millwright/contracts";
import { checkOptions, type DriftDetector, type Mechanism, runDetector } from "./detector.ts";
import { kolmogorovSmirnov } from "../statistics/sample-tests.ts";

export interface KswinOptions {
  /** Largest p-value that is a drift, in [0, 1]. Default: 0.005. */
  readonly alpha?: number | undefined;
  /** Values that are kept. Default: 100. */
  readonly window?: number | undefined;
  /** The newest of them, which are compared with as many drawn from the older ones; at most half the window. Default: 30. */
  readonly recent?: number | undefined;
  /** Of the draws. Default: 1. */
  readonly seed?: number | undefined;
}

type Options = Required<{ [Name in keyof KswinOptions]: NonNullable<KswinOptions[Name]> }>;

const smallestDistance = 0.1;

interface Values {
  kept: number[];
  words: number[];
}

const mechanism: Mechanism<Options, Values> = {
  kind: "kswin",
  start: ({ seed }) => ({ kept: [], words: [...createRandom(seed).state().words] }),
  step(values, value, { alpha, window, recent, seed }) {
    const { kept } = values;
    kept.push(value);
    if (kept.length > window) kept.shift();
    if (kept.length < window) return "stable";
    const random = restoreRandom({
      algorithm: "xoshiro128**",
      seed,
      words: values.words as never as RandomState["words"],
    });
    const older = kept.slice(0, window - recent);
    for (let index = 0; index < recent; index += 1) {
      const other = index + random.integer(older.length - index);
      [older[index], older[other]] = [older[other] as number, older[index] as number];
    }
    values.words = [...random.state().words];
    const { statistic, pValue } = kolmogorovSmirnov(older.slice(0, recent), kept.slice(window - recent));
    return pValue <= alpha && statistic > smallestDistance ? "drift" : "stable";
  },
};

/**
 * Kolmogorov–Smirnov windowing (Raab et al. 2020), equal to river's up to which older values are drawn; it keeps `window` values. Throws
 * `MONITOR_DETECTOR_INVALID`.
 */
export function createKswin(options: KswinOptions = {}, saved?: unknown): DriftDetector {
  const { alpha = 0.005, window = 100, recent = 30, seed = 1 } = options;
  checkOptions("kswin", {
    alpha: { value: alpha, from: 0, to: 1 },
    window: { value: window, from: 2, to: 100_000, integer: true },
    recent: { value: recent, from: 1, to: Math.floor(window / 2), integer: true },
    seed: { value: seed, integer: true },
  });
  const { values: _, ...detector } = runDetector(mechanism, { alpha, window, recent, seed }, saved);
  return detector;
}
