import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
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
  restoreDetector,
} from "../src/detectors.ts";

const detectors: Readonly<Record<string, () => DriftDetector>> = {
  "page-hinkley": () => createPageHinkley({ threshold: 6 }),
  adwin: () => createAdwin({ delta: 0.1 }),
  kswin: () => createKswin({ alpha: 0.02 }),
  ddm: createDdm,
  eddm: createEddm,
  "hddm-a": () => createHddmA({ twoSided: true }),
  "hddm-w": () => createHddmW({ twoSided: true }),
  fhddm: () => createFhddm({ confidence: 0.01 }),
};

const stream = (length: number): number[] => {
  const random = createRandom(11);
  return Array.from({ length }, (_, index) => (random.next() < (index % 1500 < 900 ? 0.15 : 0.45) ? 1 : 0));
};

const throughJson = (detector: DriftDetector): DriftDetector =>
  restoreDetector(JSON.parse(JSON.stringify(detector.state())) as never);

test.each(Object.entries(detectors))("%s goes on from JSON as if nothing had happened", (_, make) => {
  const values = stream(4000);
  const whole = make();
  let parts = make();
  const verdicts = values.map((value) => whole.update(value));
  const again = values.map((value, index) => {
    // Also right after a drift, before the new start.
    if (index % 97 === 0 || verdicts[index - 1] === "drift") parts = throughJson(parts);
    return parts.update(value);
  });
  expect(again).toEqual(verdicts);
  expect(verdicts).toContain("drift");
});

test.each(Object.entries(detectors))("%s starts anew after a drift and after a reset", (_, make) => {
  const values = stream(3000);
  const detector = make();
  const first = values.findIndex((value) => detector.update(value) === "drift");
  const rest = values.slice(first + 1);
  const after = rest.map((value) => detector.update(value));
  const fresh = make();
  expect(after).toEqual(rest.map((value) => fresh.update(value)));
  detector.reset();
  expect(detector.state()).toEqual(make().state());
});

test.each(Object.entries(detectors))("%s passes over what is missing, and keeps little", (_, make) => {
  const values = stream(20_000);
  const [gaps, plain] = [make(), make()];
  for (const value of values.slice(0, 3000)) {
    expect(gaps.update(Number.NaN)).toBe("stable");
    expect(gaps.update(value)).toBe(plain.update(value));
    expect(gaps.update(Number.POSITIVE_INFINITY)).toBe("stable");
  }
  for (const value of values) plain.update(value);
  expect(JSON.stringify(plain.state()).length).toBeLessThan(3000);
});

test("a state that is none is refused by code, with what is wrong", () => {
  const state = createAdwin().state();
  const code = "MONITOR_DETECTOR_INVALID";
  expect(() => restoreDetector({ ...state, kind: "other" })).toThrow(expect.objectContaining({ code }));
  expect(() => restoreDetector({ ...state, formatVersion: 2 as never })).toThrow(/format 2/);
  expect(() => restoreDetector({ ...state, values: { ...state.values, width: null } })).toThrow(/"width"/);
  expect(() => createDdm().update(3)).toThrow(expect.objectContaining({ code }));
  expect(() => createAdwin({ delta: 0 })).toThrow(/delta must be/);
});
