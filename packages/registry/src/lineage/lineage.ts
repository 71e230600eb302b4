import { type LineageRecords, createLineageRecords, createLineageState } from "./lineage-reader.ts";
import { type PredictionTraces, type TraceParts, createPredictionTraces } from "./prediction-trace.ts";
import { type FeatureLineageRecords, createFeatureLineage } from "./version-lineage.ts";
import { type ChangeRecords, createChangeRecords } from "./what-changed.ts";

/** What was made from what, and what an answer came from. */
export interface RegistryLineage extends LineageRecords, FeatureLineageRecords, PredictionTraces, ChangeRecords {}

export function createRegistryLineage(options: Omit<TraceParts, "state">): RegistryLineage {
  const state = createLineageState(options.database);
  const parts = { ...options, state };
  return {
    ...createLineageRecords(state),
    ...createFeatureLineage(state, options.versions, options.deployments),
    ...createPredictionTraces(parts),
    ...createChangeRecords(parts),
  };
}
