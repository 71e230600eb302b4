import type { Batch, CallOptions, Dataset, FeatureServiceDescription, FeatureSource } from "@millwright/contracts";
import { column, concatBatches } from "@millwright/data";
import { transformInvalid } from "./errors.ts";

/** Features as they were at given times; `openFeatureStore` gives one. */
export interface FeatureHistory {
  /** Throws `PORT_FEATURE_SERVICE_UNKNOWN`. */
  describe(service: string, options?: CallOptions): Promise<FeatureServiceDescription>;
  /** The rows of `labels`, in their order, with the features beside that were known at the time in the column `labelTime`. */
  history(
    service: string,
    options: {
      readonly labels: Batch;
      readonly labelTime: string;
      readonly inMemory: true;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<Dataset>;
}

/** The time as of which features are read: one for all records, or the one that each record has beside its keys. */
export type AsOf = { readonly asOfMs: number } | { readonly timeColumn: string };

/**
 * A source of features as they were, for a job whose answers are to be the same whenever it runs: give it as `features` of the job's model. With
 * `timeColumn` that column (an ISO 8601 time, or microseconds since 1970) is one of the `keys` of the job's `entities`. Without it, what is latest
 * when the job runs is read from the store itself. Throws `SERVING_TRANSFORM_INVALID`.
 */
export function createAsOfFeatures(history: FeatureHistory, asOf: AsOf): FeatureSource {
  const timeColumn = "timeColumn" in asOf ? asOf.timeColumn : "as_of";
  if ("asOfMs" in asOf && !Number.isFinite(asOf.asOfMs))
    throw transformInvalid(`\`asOfMs\` is ${asOf.asOfMs}`, "Give UTC milliseconds.");
  return {
    async describe(service, options) {
      const description = await history.describe(service, options);
      if ("asOfMs" in asOf) return description;
      const time = { name: timeColumn, type: "timestamp", nullable: false } as const;
      return { ...description, entityKeys: [...description.entityKeys, time] };
    },
    async read(service, { entities, request, signal }) {
      const { features } = await history.describe(service, { signal });
      const times =
        "asOfMs" in asOf
          ? {
              [timeColumn]: column(
                "timestamp",
                Array.from({ length: entities.length }, () => BigInt(Math.round(asOf.asOfMs)) * 1000n),
              ),
            }
          : {};
      const labels: Batch = {
        length: entities.length,
        columns: { ...entities.columns, ...request?.columns, ...times },
      };
      const joined = await history.history(service, { labels, labelTime: timeColumn, inMemory: true, signal });
      const batches: Batch[] = [];
      for await (const batch of joined.batches({ signal, columns: features.map(({ name }) => name) }))
        batches.push(batch);
      return { features: concatBatches(batches), views: {} };
    },
  };
}
