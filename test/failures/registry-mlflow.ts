import { allowAll, createManualClock } from "../../packages/contracts/dist/index.js";
import * as model from "../../packages/model/dist/index.js";
import type { RunStart } from "../../packages/registry/dist/index.js";
import * as client from "../../packages/registry/dist/mlflow-client.js";
import fastify from "../../packages/registry/node_modules/fastify/fastify.js";
import * as face from "../../packages/registry/dist/mlflow.js";
import { methods, type Subjects, well } from "./subjects.ts";

const { signal } = new AbortController();
const start = {
  id: "0199aaaa-0000-7000-8000-000000000000",
  experiment: "late",
  name: "far",
  tags: {},
  from: [],
  startedMs: 0,
} as unknown as RunStart;

/** The client of a server that answers without a network. */
async function mlflowClient(folder: string, server: face.MlflowServer): Promise<Subjects> {
  const fetch = ((url: string, options: RequestInit) =>
    server.handle(new Request(url, options))) as unknown as client.MlflowFetch;
  const options = {
    url: "http://mill/",
    directory: `${folder}/mlflow-client`,
    fetch,
    clock: createManualClock(1000),
    retries: 0,
  };
  const open = (changed: Partial<client.MlflowTrackerOptions> = {}) =>
    client.openMlflowTracker({ ...options, ...changed });
  const tracker = await open();
  const dense = model.writeDenseModel([{ kernel: [0.75], bias: [0.1], activation: "sigmoid" }]);
  await model.packModel(`${folder}/sent`, { name: "sent", format: "dense", ...dense });
  await tracker.register("sent", `${folder}/sent`);
  await tracker.setAlias("sent", "champion", 1);
  // Stays open when the other one is closed and used on.
  const kept = await open();
  const run = () => kept.startRun({ experiment: "late" });
  const ended = async () => {
    const each = await run();
    await each.end("finished");
    return each;
  };
  const answering = (status: number, body: string) => async () =>
    (await open({ fetch: (async () => new Response(body, { status })) as unknown as client.MlflowFetch })).startRun({
      experiment: "late",
    });
  const changed = async () => {
    const each = await run();
    each.logParams({ a: 1 });
    await each.flush();
    each.logParams({ a: 2 });
    await each.flush();
  };
  return {
    openMlflowTracker: well(client.openMlflowTracker, () => [options], {
      TypeError: () => open({ url: "mill" }),
      RangeError: () => open({ retries: -1 }),
    }),
    ...methods("openMlflowTracker()", () => tracker, {
      startRun: [
        () => [{ experiment: "late", name: "far", tags: { a: "b" }, by: "ann", signal }],
        {
          REGISTRY_MLFLOW_UNREACHABLE: answering(503, "{}"),
          REGISTRY_MLFLOW_ANSWER_INVALID: answering(200, "<html>"),
          REGISTRY_MLFLOW_REFUSED: answering(403, "{}"),
          REGISTRY_MLFLOW_VALUE_INVALID: () => tracker.startRun({ experiment: "late", tags: { a: "b".repeat(8001) } }),
        },
        20,
      ],
      resumeRun: [async () => [(await run()).id, { signal }], {}, 15],
      register: [() => ["sent", `${folder}/sent`, { tags: { a: "b" }, by: "ann", signal }], {}, 15],
      approve: [
        () => ["sent", 9, { status: "approved", by: "ann" }, { signal }],
        { PORT_MODEL_UNKNOWN: () => tracker.approve("sent", 9, { status: "approved", by: "ann" }) },
        15,
      ],
      setAlias: [
        () => ["sent", "champion", 1, { by: "ann", signal }],
        { PORT_VERSION_CONFLICT: () => tracker.setAlias("sent", "champion", 1, { ifVersion: 7 }) },
        15,
      ],
      resolve: [() => ["sent@champion", { signal }], { PORT_MODEL_UNKNOWN: () => tracker.resolve("sent@nobody") }, 15],
      watch: [() => ["sent@champion", { signal: AbortSignal.abort() }], {}, 10],
      importRun: [() => ["journal", start, [], { prefer: "stored", signal }], {}, 20],
      importedPosition: [() => ["journal", start.id, { signal }], {}, 10],
    }),
    ...methods("openMlflowTracker().startRun()", run, {
      logParams: [
        () => [{ a: 1 }],
        {
          REGISTRY_MLFLOW_PARAM_CHANGED: changed,
          REGISTRY_RUN_ENDED: async () => (await ended()).logParams({ a: 1 }),
        },
        12,
      ],
      logMetrics: [() => [[{ name: "loss", value: 1, step: 0 }]], {}, 12],
      logArtifact: [() => ["a.txt", Uint8Array.of(1), { signal }], {}, 12],
      flush: [() => [{ signal }], {}, 6],
      end: [() => ["finished", { signal }], {}, 10],
    }),
  };
}

function mlflowFace(options: face.MlflowServerOptions): Subjects {
  const asked = () => new Request("http://mill/api/2.0/mlflow/experiments/get?experiment_id=0");
  return {
    createMlflowServer: well(
      face.createMlflowServer,
      () => [{ ...options, authorizer: allowAll, authenticate: () => "ann", maxBodyBytes: 1e6, maxArtifactBytes: 1e6 }],
      { RangeError: () => face.createMlflowServer({ ...options, maxBodyBytes: 0 }) },
    ),
    ...methods("createMlflowServer()", () => face.createMlflowServer(options), {
      handle: [() => [asked(), { prefix: "/mill" }], {}, 40],
      fastify: [() => [fastify(), {}], {}, 0],
    }),
  };
}

/** Both sides of MLflow's REST. */
export const mlflow = async (folder: string, options: face.MlflowServerOptions): Promise<Subjects> => ({
  ...mlflowFace(options),
  ...(await mlflowClient(folder, face.createMlflowServer(options))),
});
