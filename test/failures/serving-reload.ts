import { writeFileSync } from "node:fs";
import * as contracts from "../../packages/contracts/dist/index.js";
import * as serving from "../../packages/serving/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

/** What a server offers for its configuration, and the watch of a file. */
export function reloadSubjects(
  folder: string,
  server: serving.ModelServer,
  options: serving.ModelServerOptions,
): Subjects {
  const { endpoints } = options;
  const path = `${folder}/serving.json`;
  writeFileSync(path, JSON.stringify({ endpoints }));
  // Nothing of a second here: a file that is watched for long holds the test.
  const watchOptions = { settleMs: 1, pollMs: 5, signal: new AbortController().signal };
  const digest = contracts.digestOfJson(endpoints);
  const still = { reconfigure: async () => ({ applied: false, number: 1, digest, differences: [] }) };
  return {
    watchConfiguration: well(
      async (...given: Parameters<typeof serving.watchConfiguration>) => {
        const watch = await serving.watchConfiguration(...given);
        await watch.close();
        return watch;
      },
      () => [server, path, watchOptions],
      {
        SERVING_CONFIGURATION_INVALID: () => server.reconfigure({ endpoints: {} }),
        SERVING_CONFIGURATION_CONFLICT: () => server.reconfigure({ endpoints }, { ifNumber: 99 }),
        SERVING_CONFIGURATION_UNKNOWN: () => server.rollbackConfiguration({ to: 99 }),
      },
      15,
    ),
    ...methods("watchConfiguration()", () => serving.watchConfiguration(still, path, watchOptions), {
      close: [],
    }),
    ...methods("openModelServer()", () => server, {
      reconfigure: [() => [{ endpoints }, { dryRun: true }], {}, 10],
      rollbackConfiguration: [() => [{ to: 1, dryRun: true }], {}, 0],
      configurations: [() => [{ limit: 1 }], {}, 10],
    }),
  };
}
