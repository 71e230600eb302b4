import type { ArtifactStore, Clock } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type ExperimentSearch, createExperimentSearch } from "./experiment-search.ts";
import { type ExperimentChanges, createExperimentChanges } from "./experiments.ts";
import { type RunChanges, createRunChanges } from "./run-changes.ts";
import { type RunCharts, createRunCharts } from "./run-charts.ts";
import { type RunComparisons, createRunComparisons } from "./run-comparison.ts";
import { type RunSearch, createRunSearch } from "./run-search.ts";
import { type SeriesHistories, createSeriesHistories } from "./series-history.ts";

/** What is asked of runs and experiments, and changed about them, beside what is logged. */
export interface TrackingRecords
  extends RunSearch, RunChanges, ExperimentChanges, ExperimentSearch, SeriesHistories, RunCharts, RunComparisons {}

export interface TrackingOptions {
  readonly database: Database<RegistryTables>;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly actors: Actors;
}

export function createTrackingRecords({ database, artifacts, clock, actors }: TrackingOptions): TrackingRecords {
  const charts = createRunCharts(database, artifacts);
  return {
    ...createRunSearch(database),
    ...createRunChanges(database, clock, actors),
    ...createExperimentChanges(database, clock, actors),
    ...createExperimentSearch(database),
    ...createSeriesHistories(database),
    ...charts,
    ...createRunComparisons(database, charts),
  };
}
