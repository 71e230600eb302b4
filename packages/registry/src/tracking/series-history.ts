import type { CallOptions } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { runUnknown } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type StepRange, scanChunks } from "./chunk-scan.ts";
import { downsample } from "./downsample.ts";
import type { DownsampledSeries } from "./series-extent.ts";

export interface HistoryOptions extends StepRange, CallOptions {
  /** Most points given, 4 to 100,000. Default: 2000. */
  readonly points?: number | undefined;
}

/** A metric of a run as a curve. */
export interface SeriesHistory extends DownsampledSeries {
  readonly runId: string;
  readonly metric: string;
}

/** Metrics as curves of as few points as a chart shows. */
export interface SeriesHistories {
  /**
   * A metric's curve: the points with the largest triangles (LTTB), with both ends and both extremes; NaN and infinities are told as gaps. Nothing of it
   * is kept in memory but those points. A metric that the run does not have has none. Throws `REGISTRY_RUN_UNKNOWN`, RangeError for a wrong number.
   */
  history(id: string, metric: string, options?: HistoryOptions): Promise<SeriesHistory>;
  /** The same metric of several runs, in the order of `ids`. */
  curves(ids: readonly string[], metric: string, options?: HistoryOptions): Promise<readonly SeriesHistory[]>;
}

const fewest = 4;
const most = 100_000;

export function createSeriesHistories({ read }: Database<RegistryTables>): SeriesHistories {
  const history: SeriesHistories["history"] = async (id, metric, { points = 2000, fromStep, toStep, signal } = {}) => {
    signal?.throwIfAborted();
    if (!Number.isInteger(points) || points < fewest || points > most)
      throw new RangeError(`A curve has ${fewest} to ${most} points, not ${String(points)}.`);
    for (const step of [fromStep, toStep])
      if (step !== undefined && (typeof step !== "number" || Number.isNaN(step)))
        throw new RangeError(`A step is a number, not ${String(step)}.`);
    return read.transaction().execute(async (snapshot) => {
      const run = snapshot.selectFrom("registry_runs").select("id").where("id", "=", id);
      if ((await run.executeTakeFirst()) === undefined) throw runUnknown(id);
      const scan = await scanChunks(snapshot, id, metric, { fromStep, toStep }, signal);
      return { runId: id, metric, ...(await downsample(scan, points)) };
    });
  };
  return {
    history,
    async curves(ids, metric, options = {}) {
      if (!Array.isArray(ids)) throw new TypeError("The runs of curves are a list of ids.");
      const found: SeriesHistory[] = [];
      for (const id of ids as readonly string[]) found.push(await history(id, metric, options));
      return found;
    },
  };
}
