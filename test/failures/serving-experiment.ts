import * as experiment from "../../packages/serving/dist/experiment.js";
import { type Subjects, methods, well } from "./subjects.ts";
import type { Database } from "../../packages/storage/dist/index.js";

const signal = new AbortController().signal;
const options = {
  name: "ranking",
  arms: { control: { variant: "a", weight: 1 }, treatment: { variant: "b", weight: 1 } },
  metrics: [{ name: "order", role: "goal", better: "higher" }],
} as const;

export async function experimentSubjects(database: Database): Promise<Subjects> {
  const log = await experiment.openDatabaseExperimentLog(database);
  const exposure = { kind: "exposure", unit: "u1", arm: "control", requestId: "r1", timeMs: 1 } as const;
  return {
    createExperiment: well(experiment.createExperiment, () => [{ ...options, alpha: 0.05, log }], {
      RangeError: () => experiment.createExperiment({ ...options, alpha: 1 }),
    }),
    ...methods("createExperiment()", () => experiment.createExperiment(options), {
      armOf: [() => ["user 1"]],
      outcome: [() => [{ unit: "user 1", metric: "order", value: 1 }]],
      report: [() => []],
    }),
    openDatabaseExperimentLog: well(experiment.openDatabaseExperimentLog, () => [database, { signal }], {}, 10),
    ...methods("openDatabaseExperimentLog()", () => log, {
      append: [() => ["ranking", [exposure], { signal }], {}, 20],
      read: [() => ["ranking", { signal }], {}, 10],
      since: [() => ["ranking", 0, { signal }], {}, 10],
    }),
  };
}
