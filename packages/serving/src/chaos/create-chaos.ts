import {
  type ArtifactStore,
  type Clock,
  type FeatureSource,
  type Logger,
  type Meter,
  type PredictionSink,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import type { Stage } from "../engine/stage.ts";
import { chaosForbidden } from "./chaos-errors.ts";
import { chaosStage } from "./chaos-stage.ts";
import { type Fault, checkFaults } from "./faults.ts";
import { type ChaosFlag, type ChaosScope, verifyChaosFlag } from "./flag.ts";
import { Injector } from "./injector.ts";
import { failingFeatures, fullArtifacts, fullPredictions, skewedClock } from "./wrappers.ts";

export interface ChaosOptions {
  /** Equal seeds inject equal faults into equal requests: whole numbers, of which 32 bits count. */
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** The faults that are armed from the start, by name. Default: all. */
  readonly armed?: readonly string[] | undefined;
  /** Whether this is production, where a flag is needed. `NODE_ENV=production` is production, whatever is said here. Default: false. */
  readonly production?: boolean | undefined;
  /** What allows faults in production. */
  readonly flag?: ChaosFlag | undefined;
  /** What schedules and the flag's end go by; not a skewed one. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Of the wrappers; a stage goes by its server's. Default: silent. */
  readonly logger?: Logger | undefined;
  /** Of the wrappers; a stage goes by its server's. Default: silent. */
  readonly meter?: Meter | undefined;
}

/** Faults, and where to put them. */
export interface Chaos {
  /** Delays, errors, wrong answers and killed workers, as a stage of an endpoint: a new one for each. */
  stage(): Stage;
  /** A clock whose wall time is off while a `clock-skew` is armed. */
  clock(clock: Clock): Clock;
  /** A store whose `put` throws an error with the code `ENOSPC` while `disk-full` is armed. */
  artifacts(store: ArtifactStore): ArtifactStore;
  /** A sink that loses what it is given while `disk-full` is armed, as sinks do: they never throw. */
  predictions(sink: PredictionSink): PredictionSink;
  /** A source that throws, hangs or gives old rows while `features-down` is armed. */
  features(source: FeatureSource): FeatureSource;
  /** Arms these faults and no others. Throws a TypeError for a name of none. */
  arm(names: readonly string[]): void;
  /** The names of the armed ones. */
  armed(): readonly string[];
  /** The names of all faults. */
  faults(): readonly string[];
  /** How often each fault was injected. */
  injected(): Readonly<Record<string, number>>;
}

/**
 * Faults on purpose, the same ones for the same seed and requests: for tests and game days. Each one is counted in
 * `millwright_serving_faults_injected_total` and logged.
 * Throws `SERVING_CHAOS_FORBIDDEN` in production without a valid flag; `TypeError` and `RangeError` for options out of range. Where a flag ends, so do the faults.
 */
export function chaos(options: ChaosOptions): Chaos {
  const { seed, faults, clock = systemClock, logger = silentLogger, meter = silentMeter } = options;
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed must be a whole number, not ${String(seed)}.`);
  checkFaults(faults);
  const scope = permitted(options, clock);
  if (scope !== undefined)
    logger.warn({ ...scope, faults: faults.map(({ name }) => name) }, "chaos is allowed in production");
  const injector = new Injector({ seed, faults: [...faults], clock, logger, meter, scope }, []);
  injector.arm(options.armed ?? faults.map(({ name }) => name));
  return {
    stage: () => chaosStage(injector),
    clock: (inner) => skewedClock(inner, injector),
    artifacts: (store) => fullArtifacts(store, injector),
    predictions: (sink) => fullPredictions(sink, injector),
    features: (source) => failingFeatures(source, injector),
    arm: (names) => injector.arm(names),
    armed: () => injector.armed(),
    faults: () => injector.faults.map(({ name }) => name),
    injected: () => injector.injected(),
  };
}

/** What the flag allows; `undefined` where none is needed. */
function permitted({ production, flag, faults }: ChaosOptions, clock: Clock): ChaosScope | undefined {
  if (production !== true && process.env["NODE_ENV"] !== "production") return undefined;
  if (flag === undefined) throw chaosForbidden("there is no flag");
  const scope = verifyChaosFlag(flag, clock);
  const beyond = faults.find(({ kind }) => scope.faults !== undefined && !scope.faults.includes(kind));
  if (beyond !== undefined) throw chaosForbidden(`the flag does not allow faults of the kind "${beyond.kind}"`);
  return scope;
}
