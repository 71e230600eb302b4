import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  createAdwin,
  createDdm,
  createEddm,
  createFhddm,
  createHddmA,
  createHddmW,
  createKswin,
  createPageHinkley,
  type DriftDetector,
} from "../src/detectors.ts";

interface Recorded {
  readonly river: string;
  readonly streams: Readonly<Record<string, string | readonly number[]>>;
  readonly runs: readonly {
    readonly kind: string;
    readonly options: Readonly<Record<string, never>>;
    readonly stream: string;
    readonly drifts: readonly number[];
    readonly warnings: readonly (readonly [number, number])[];
  }[];
}

const recorded = JSON.parse(
  readFileSync(new URL("./golden/river-detectors.json", import.meta.url), "utf8"),
) as Recorded;

/** Our names of river's options. */
const names: Readonly<Record<string, string>> = {
  min_instances: "minimumValues",
  mode: "direction",
  max_buckets: "maximumBuckets",
  min_window_length: "minimumWindow",
  grace_period: "gracePeriod",
  window_size: "window",
  stat_size: "recent",
  warm_start: "warmUp",
  warning_threshold: "warningThreshold",
  drift_threshold: "driftThreshold",
  drift_confidence: "driftConfidence",
  warning_confidence: "warningConfidence",
  lambda_val: "lambda",
  two_sided_test: "twoSided",
  sliding_window_size: "window",
  short_window_size: "shortWindow",
  confidence_level: "confidence",
};

const makers: Readonly<Record<string, (options: object) => DriftDetector>> = {
  "page-hinkley": createPageHinkley,
  adwin: createAdwin,
  kswin: (options) => createKswin({ ...options, seed: 7 }),
  ddm: createDdm,
  eddm: createEddm,
  "hddm-a": createHddmA,
  "hddm-w": createHddmW,
  fhddm: createFhddm,
};

describe.each(Object.keys(makers))("%s", (kind) => {
  test("warns and detects where river does, on every recorded stream", () => {
    const runs = recorded.runs.filter((run) => run.kind === kind);
    expect(runs.length).toBeGreaterThan(3);
    for (const { options, stream, drifts, warnings } of runs) {
      const ours = Object.fromEntries(Object.entries(options).map(([name, value]) => [names[name] ?? name, value]));
      const detector = (makers[kind] as (options: object) => DriftDetector)(ours);
      const values = recorded.streams[stream] ?? [];
      const verdicts = (typeof values === "string" ? values.split("") : values).map((value) =>
        detector.update(Number(value)),
      );
      const where = (wanted: string): number[] =>
        verdicts.flatMap((verdict, index) => (verdict === wanted ? [index] : []));
      const warned = warnings.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, step) => from + step));
      expect({ stream, options, drifts: where("drift") }).toEqual({ stream, options, drifts });
      expect({ stream, options, warnings: where("warning") }).toEqual({ stream, options, warnings: warned });
    }
  });
});
