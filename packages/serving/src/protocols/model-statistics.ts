import type { Clock } from "@millwright/contracts";
import type { Endpoint } from "../engine/endpoint.ts";
import { type Duration, type ModelCounts, addCounts } from "../engine/model-statistics.ts";
import type { ServerFace } from "./open-inference.ts";
import { type Caller, type Place, modelReadiness } from "./open-inference-models.ts";

/** How often something was, and how many nanoseconds it took in all. */
export interface StatisticDuration {
  readonly count: number;
  readonly ns: number;
}

/** What a model has done since it was loaded, as the statistics extension of the protocol has it. */
export interface ModelStatisticsEntry {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970; 0 for never. */
  readonly last_inference: number;
  /** Rows that were answered. */
  readonly inference_count: number;
  /** Batches that were answered. */
  readonly execution_count: number;
  readonly inference_stats: Readonly<
    Record<"success" | "fail" | "queue" | "compute_input" | "compute_infer" | "compute_output", StatisticDuration>
  >;
  /** By the rows of batches; what is not the model's is not told apart there. */
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: StatisticDuration }[];
}

const duration = ({ count, ms }: Duration): StatisticDuration => ({ count, ns: Math.round(ms * 1e6) });

function entryOf(name: string, version: number | undefined, counts: ModelCounts, clock: Clock): ModelStatisticsEntry {
  const { success, fail, queue, computeInput, computeInfer, computeOutput, rows, batches, byRows, lastMs } = counts;
  const agoMs = clock.monotonicMs() - lastMs;
  return {
    name,
    version: version === undefined ? "" : String(version),
    last_inference: Number.isFinite(agoMs) ? Math.round(clock.nowMs() - agoMs) : 0,
    inference_count: rows,
    execution_count: batches,
    inference_stats: {
      success: duration(success),
      fail: duration(fail),
      queue: duration(queue),
      compute_input: duration(computeInput),
      compute_infer: duration(computeInfer),
      compute_output: duration(computeOutput),
    },
    batch_stats: [...byRows]
      .toSorted(([left], [right]) => left - right)
      .map(([size, each]) => ({ batch_size: size, compute_infer: duration(each) })),
  };
}

/** Those of an endpoint's variants, by version. */
function ofVariants(endpoint: Endpoint, variant: string | undefined, clock: Clock): readonly ModelStatisticsEntry[] {
  const byVersion = new Map<number | undefined, ModelCounts>();
  for (const { slot } of endpoint.routes.filter(({ name }) => variant === undefined || name === variant)) {
    const { resolved, statistics } = slot.served;
    const before = byVersion.get(resolved.version);
    const counts = statistics.counts();
    byVersion.set(resolved.version, before === undefined ? counts : addCounts(before, counts));
  }
  return [...byVersion].map(([version, counts]) => entryOf(endpoint.name, version, counts, clock));
}

/** Those of the models of a catalog that are loaded, or of one of them. */
function ofCatalog({ catalog }: Endpoint, target: string | undefined, clock: Clock): readonly ModelStatisticsEntry[] {
  return (catalog?.models() ?? []).flatMap((each) => {
    const counts = target === undefined || each.target === target ? catalog?.statistics(each.target) : undefined;
    return counts === undefined ? [] : [entryOf(each.target, each.model.version, counts.counts(), clock)];
  });
}

/** The statistics of one model, which are none while it is not loaded, or of all. Throws what `modelReadiness` throws. */
export async function statisticsOf(
  face: ServerFace,
  place: Place | undefined,
  caller: Caller,
): Promise<readonly ModelStatisticsEntry[]> {
  const { clock } = face;
  if (place === undefined)
    return face
      .endpoints()
      .flatMap((endpoint) => [...ofVariants(endpoint, undefined, clock), ...ofCatalog(endpoint, undefined, clock)]);
  // Says that there is no such model, and who may not ask.
  await modelReadiness(face, place, caller);
  return place.targetModel === undefined
    ? ofVariants(place.endpoint, place.variant, clock)
    : ofCatalog(place.endpoint, place.targetModel, clock);
}
