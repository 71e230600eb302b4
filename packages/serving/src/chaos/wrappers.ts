import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type FeatureSource,
  type FeatureVectors,
  type PredictionSink,
  type ViewStatus,
  abortable,
} from "@millwright/contracts";
import { faultInjected } from "./chaos-errors.ts";
import { DiskFullError } from "./disk-full.ts";
import type { ClockSkewFault, DiskFullFault, Fault, FaultKind, FeaturesDownFault } from "./faults.ts";
import type { Injector, Target } from "./injector.ts";

/** The faults of a kind. */
export const ofKind = <Kind extends FaultKind>(
  faults: readonly Fault[],
  kind: Kind,
): readonly Extract<Fault, { readonly kind: Kind }>[] =>
  faults.filter((fault): fault is Extract<Fault, { readonly kind: Kind }> => fault.kind === kind);

/** A skew is told of when it begins to be seen, not at each reading. */
export function skewedClock(clock: Clock, injector: Injector): Clock {
  const faults = ofKind(injector.faults, "clock-skew");
  const seen = new Set<string>();
  const skewOf = (fault: ClockSkewFault): number => {
    if (!injector.isActive(fault)) {
      seen.delete(fault.name);
      return 0;
    }
    if (!seen.has(fault.name)) {
      seen.add(fault.name);
      injector.record(fault, { id: "clock", endpoint: "" }, undefined, { skewMs: fault.skewMs });
    }
    return fault.skewMs;
  };
  return {
    nowMs: () => faults.reduce((nowMs, fault) => nowMs + skewOf(fault), clock.nowMs()),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (durationMs, options) => clock.sleep(durationMs, options),
  };
}

function checkDisk(injector: Injector, faults: readonly DiskFullFault[], what: string): void {
  const target: Target = { id: injector.nextCall(what), endpoint: "" };
  for (const fault of faults) {
    if (!injector.befalls(fault, target)) continue;
    injector.record(fault, target);
    throw new DiskFullError(fault.name);
  }
}

export function fullArtifacts(store: ArtifactStore, injector: Injector): ArtifactStore {
  const faults = ofKind(injector.faults, "disk-full");
  return {
    put: async (bytes, options) => {
      options?.signal?.throwIfAborted();
      checkDisk(injector, faults, "artifacts.put");
      return store.put(bytes, options);
    },
    open: (digest, options) => store.open(digest, options),
    has: (digest, options) => store.has(digest, options),
    delete: (digest, options) => store.delete(digest, options),
    list: (options) => store.list(options),
  };
}

/** A sink never throws: what it cannot write is lost. */
export function fullPredictions(sink: PredictionSink, injector: Injector): PredictionSink {
  const faults = ofKind(injector.faults, "disk-full");
  return {
    capture(prediction) {
      const target: Target = { id: prediction.requestId, endpoint: prediction.endpoint };
      const full = faults.find((fault) => injector.befalls(fault, target));
      if (full === undefined) sink.capture(prediction);
      else injector.record(full, target);
    },
  };
}

export function failingFeatures(source: FeatureSource, injector: Injector): FeatureSource {
  const faults = ofKind(injector.faults, "features-down");
  return {
    describe: (service, options) => source.describe(service, options),
    read: async (service, request) => {
      const { signal } = request;
      signal?.throwIfAborted();
      const target: Target = { id: injector.nextCall("features.read"), endpoint: "" };
      const down = faults.find((fault) => injector.befalls(fault, target));
      if (down === undefined) return source.read(service, request);
      injector.record(down, target, undefined, { service, how: down.how ?? "error" });
      if (down.how === "stale") return aged(await abortable(source.read(service, request), signal), down);
      if (down.how === "hang") await hang(injector.clock, down, { signal });
      throw faultInjected(down.name);
    },
  };
}

const hang = (clock: Clock, { hangMs = 30_000 }: FeaturesDownFault, options: CallOptions): Promise<void> =>
  clock.sleep(hangMs, options);

const dayMs = 86_400_000;

/** The same features, read from rows that nobody has renewed for long. */
function aged(vectors: FeatureVectors, { staleMs = dayMs }: FeaturesDownFault): FeatureVectors {
  const views = Object.entries(vectors.views).map(([name, { status, ageMs }]): [string, ViewStatus] => [
    name,
    {
      status: status.map((each) => (each === "present" ? "stale" : each)),
      ageMs: ageMs.map((age) => age + staleMs),
    },
  ]);
  return { ...vectors, views: Object.fromEntries(views) };
}
