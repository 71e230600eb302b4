import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { openArrowPredictions } from "../../packages/monitor/dist/drivers/arrow.js";
import { openPredictionLog } from "../../packages/monitor/dist/drivers/parquet.js";
import { methods, type Subjects, well } from "./subjects.ts";

/** Of a log in a folder of its own. */
export async function openLogSubjects(folder: string): Promise<AsyncDisposable & { readonly subjects: Subjects }> {
  const duckdb = await openDuckDb({ threads: 1 });
  const directory = `${folder}/log-of-predictions`;
  const log = () => openPredictionLog({ directory, duckdb });
  const predictions = () => openArrowPredictions({ directory: `${folder}/arrow` });
  return {
    subjects: {
      openPredictionLog: well(openPredictionLog, () => [{ directory, duckdb }]),
      ...methods("openPredictionLog()", log, {
        rows: [() => [{ endpoint: "late", where: { km: 1 } }], {}, 20],
        findAll: [() => [["r1"], { features: ["km"] }], {}, 20],
        read: [() => [{ endpoint: "late" }], {}, 20],
        compact: [() => [{ settleMs: 0 }], {}, 10],
        rollUp: [() => [{ hourlyAfterMs: 0 }], {}, 10],
      }),
      openArrowPredictions: well(openArrowPredictions, () => [{ directory: `${folder}/arrow` }]),
      ...methods("openArrowPredictions()", predictions, {
        findAll: [() => [["r1"], { features: ["km"] }], {}, 20],
        find: [
          () => ["r1"],
          { MONITOR_CAPTURE_UNREADABLE: () => openArrowPredictions({ directory: `${folder}/none` }).find("r1") },
          20,
        ],
      }),
    },
    [Symbol.asyncDispose]: duckdb[Symbol.asyncDispose],
  };
}
