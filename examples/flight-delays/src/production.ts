import {
  type Clock,
  type ManualClock,
  type ModelManifest,
  createManualClock,
  createRandom,
} from "@millwright/contracts";
import {
  type Monitor,
  type PrometheusMeter,
  createMeter,
  defineSlo,
  errorIndicator,
  errorRateAlert,
  latencyIndicator,
  openMonitor,
  predictionShiftAlert,
  qualityAlert,
} from "@millwright/monitor";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { openEventLog } from "@millwright/storage";
import { runtimes, type TrainingBench } from "./training.ts";

export const endpoint = "late";
/** Alerts on a candidate that take it back. */
export const rollbackOn = ["quality", "prediction-shift", "error-rate"] as const;

/** Time as it was in June 2001; durations are real. */
export type ReplayClock = Clock & Pick<ManualClock, "advance">;

export function createReplayClock(startMs: number): ReplayClock {
  return { ...createManualClock(startMs), monotonicMs: () => performance.now() };
}

/** The served model and what watches it. */
export interface Production extends AsyncDisposable {
  readonly server: ModelServer;
  readonly monitor: Monitor;
  readonly meter: PrometheusMeter;
}

/** Serves `late@champion` with features from the store, watched by a monitor that learns from labels as they come. */
export async function openProduction(
  { registry, store, database, signal }: TrainingBench,
  clock: Clock,
): Promise<Production> {
  const { manifest } = await registry.resolve(`late@champion`, { signal });
  const events = openEventLog(database);
  const meter = createMeter();
  const monitor = openMonitor({
    clock,
    events,
    meter,
    windowMs: 60 * 60_000,
    retainMs: 40 * 86_400_000,
    maxWaitingForLabels: 100_000,
    // Every request, error, latency and label counts; of features and answers a quarter is enough to see them drift.
    sampleShare: 0.25,
    random: createRandom(2001),
    slos: objectives(),
    rules: rules(),
    quality: { [endpoint]: { output: outputOf(manifest), kind: "binary", positive: 1 } },
  });
  const server = await openModelServer({
    source: registry,
    runtimes: runtimes(),
    features: store,
    endpoints: { [endpoint]: { variants: { main: { model: "late@champion", weight: 1 } } } },
    predictions: monitor,
    alerts: monitor,
    meter,
    events,
    clock,
    signal,
  });
  return {
    server,
    monitor,
    meter,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await monitor[Symbol.asyncDispose]();
    },
  };
}

export const outputOf = ({ signature }: ModelManifest): string => signature.outputs[0]?.name ?? "prediction";

const objectives = () => [
  defineSlo({ name: "answers", objective: 0.999, sli: errorIndicator({ endpoint }) }),
  defineSlo({ name: "fast answers", objective: 0.99, sli: latencyIndicator({ endpoint, thresholdMs: 25 }) }),
];

const rules = () => [
  errorRateAlert({ endpoint }),
  qualityAlert({ endpoint, minimumLabels: 50 }),
  predictionShiftAlert({ endpoint, windowMs: 6 * 3_600_000 }),
];
