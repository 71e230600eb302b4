import { createAdwin } from "./adwin.ts";
import { createConfidenceDetector } from "./confidence-detector.ts";
import { createCusum } from "./cusum.ts";
import type { DetectorState, DriftDetector } from "./detector.ts";
import { createEDetector } from "./e-detector.ts";
import { createDdm, createEddm } from "./error-detectors.ts";
import { createFhddm, createHddmA, createHddmW } from "./hoeffding-detectors.ts";
import { createKswin } from "./kswin.ts";
import { createLikelihoodRatio } from "./likelihood-ratio.ts";
import { createPageHinkley } from "./page-hinkley.ts";
import { detectorInvalid } from "../errors.ts";

type Create = (options: never, saved: unknown) => DriftDetector;

const makers: Readonly<Record<string, Create>> = {
  adwin: createAdwin,
  confidence: createConfidenceDetector,
  cusum: createCusum,
  ddm: createDdm,
  "e-detector": createEDetector,
  eddm: createEddm,
  fhddm: createFhddm,
  "hddm-a": createHddmA,
  "hddm-w": createHddmW,
  kswin: createKswin,
  "likelihood-ratio": createLikelihoodRatio as Create,
  "page-hinkley": createPageHinkley,
};

/** Goes on exactly where `state` was taken, also after JSON. Throws `MONITOR_DETECTOR_INVALID`. */
export function restoreDetector(state: DetectorState): DriftDetector {
  if (typeof state !== "object" || state === null) throw detectorInvalid("?", "its state is no object");
  const { formatVersion, kind, options, values } = state;
  if (formatVersion !== 1)
    throw detectorInvalid(String(kind), `its state has the format ${String(formatVersion)}, not 1`);
  const create = Object.hasOwn(makers, kind) ? makers[kind] : undefined;
  if (create === undefined)
    throw detectorInvalid(String(kind), `there is no such kind; known: ${Object.keys(makers).join(", ")}`);
  if (typeof options !== "object" || options === null) throw detectorInvalid(kind, "its options are no object");
  if (typeof values !== "object" || values === null) throw detectorInvalid(kind, "its saved values are no object");
  return create(options as never, values);
}
