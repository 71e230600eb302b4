import type { EventId, MillwrightEvent } from "../../packages/contracts/dist/index.js";
import * as registry from "../../packages/registry/dist/index.js";
import type { Registry } from "../../packages/registry/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const entity = { kind: "model", id: "a" } as const;
const dataset = { kind: "dataset", id: "d" } as const;
const made: MillwrightEvent = {
  specversion: "1.0",
  id: "1" as EventId,
  source: "mill",
  type: "model.registered",
  time: "2026-01-01T00:00:00.000Z",
  datacontenttype: "application/json",
  subject: "s",
  data: { made: [entity], from: [dataset] },
};
const prediction = {
  requestId: "r1",
  endpoint: "late",
  variant: "main",
  model: { name: "late", version: 1, digest: "sha256:aa" },
  timeMs: 0,
} as unknown as Awaited<ReturnType<Parameters<Registry["tracePrediction"]>[1]["predictions"]["find"]>>;
const predictions = { find: async (id: string) => (id === "r1" ? prediction : undefined) };

const told = {
  eventTime: "2026-01-05T06:00:00Z",
  eventType: "START",
  producer: "https://example.com/airflow",
  run: { runId: "0199aaaa-0000-7000-8000-00000000000a", facets: {} },
  job: { namespace: "airflow", name: "nightly", facets: {} },
  inputs: [{ namespace: "file", name: "/data", facets: {} }],
};

/** What was made from what. @param open Has `late/1`. */
export function lineage(open: Registry): Subjects {
  const graph = registry.createLineageGraph();
  graph.add(made);
  return {
    createLineageGraph: well(registry.createLineageGraph),
    ...methods("createLineageGraph()", () => graph, {
      add: [() => [made], {}, 40],
      addStatement: [
        () => [
          { made: entity, from: dataset, association: "ContributedTo" },
          { id: "late/1", type: "model.registered", time: made.time },
        ],
        {},
        40,
      ],
      query: [() => [entity, { direction: "ancestors", depth: 3 }]],
      explainPath: [() => [dataset, entity, { depth: 3 }]],
    }),
    ...methods("openRegistry()", () => open, {
      lineage: [() => [entity, { direction: "ancestors", signal }], {}, 20],
      explainPath: [() => [dataset, entity, { depth: 3, signal }], {}, 20],
      lineageGraph: [() => [{ signal }], {}, 10],
      rebuildLineage: [() => [{ signal }], {}, 6],
      receiveLineage: [
        () => [told, { by: "airflow", signal }],
        { REGISTRY_OPENLINEAGE_INVALID: () => open.receiveLineage({ ...told, eventTime: "now" }) },
        60,
      ],
      receivedRun: [() => [told.run.runId, { signal }], {}, 12],
      receivedDataset: [() => [{ namespace: "file", name: "/data" }, { signal }], {}, 20],
      featureLineage: [() => ["late/1", { signal }], { PORT_MODEL_UNKNOWN: () => open.featureLineage("other/1") }, 12],
      affectedEndpoints: [() => [{ column: "wind", view: "weather", timeMs: 1000, signal }], {}, 12],
      whatChanged: [
        () => [{ from: 0, to: 1000, subject: entity, onsetMs: 900, halfLifeMs: 100, signal }],
        { PORT_MODEL_UNKNOWN: () => open.whatChanged({ from: "other/1", to: "other/2" }) },
        12,
      ],
      tracePrediction: [
        () => ["r1", { predictions, signal }],
        { REGISTRY_PREDICTION_UNKNOWN: () => open.tracePrediction("r2", { predictions }) },
        12,
      ],
    }),
  };
}
