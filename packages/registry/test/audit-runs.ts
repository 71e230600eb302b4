import type { RunId } from "@millwright/contracts";
import type { Registry } from "@millwright/registry";
import { nightly, runIds } from "./openlineage-workshop.ts";
import { type Workshop, startMs } from "./workshop.ts";

/** What the mutations before have left for those after. */
export interface Held {
  run: RunId;
  hold: string;
  request: string;
}

export interface Mutation {
  /** What has to be there first, told by itself. */
  readonly before?: (registry: Registry, held: Held, workshop: Workshop) => unknown;
  readonly call: (registry: Registry, held: Held, workshop: Workshop) => unknown;
  readonly type: string;
  readonly subject: string | ((held: Held) => string);
  /** What it changed, from what and to what, by whom. */
  readonly data: object;
}

const by = "ann";
const ofRun = ({ run }: Held): string => run;
export const imported = "0199aaaa-0000-7000-8000-000000000000" as RunId;

/** By method; in an order in which each finds what it needs. */
export const runMutations: readonly (readonly [method: string, mutation: Mutation])[] = [
  [
    "receiveLineage",
    {
      call: (registry) => registry.receiveLineage(nightly[0], { by }),
      type: "job.lineage-received",
      subject: `openlineage/run/${runIds.dag}`,
      data: { by, run: runIds.dag, told: { type: "run.started" } },
    },
  ],
  [
    "createExperiment",
    {
      call: (registry) => registry.createExperiment("late", { by, tags: { team: "a" } }),
      type: "run.experiment-created",
      subject: "experiment/1",
      data: { experiment: "late", by },
    },
  ],
  [
    "updateExperiment",
    {
      call: (registry) => registry.updateExperiment("late", { set: { team: "b" } }, { by }),
      type: "run.experiment-updated",
      subject: "experiment/1",
      data: { by, tags: { team: { from: "a", to: "b" } } },
    },
  ],
  [
    "startRun",
    {
      call: async (registry, held) => {
        const handle = await registry.startRun({ experiment: "late", name: "first", by });
        held.run = handle.id;
      },
      type: "run.started",
      subject: ofRun,
      data: { experiment: "late", by, made: [{ kind: "run", name: "first" }] },
    },
  ],
  [
    "updateRun",
    {
      call: (registry, { run }) => registry.updateRun(run, { name: "renamed" }, { by }),
      type: "run.updated",
      subject: ofRun,
      data: { by, name: { from: "first", to: "renamed" } },
    },
  ],
  [
    "tagRun",
    {
      call: (registry, { run }) => registry.tagRun(run, { set: { a: "1" } }, { by }),
      type: "run.updated",
      subject: ofRun,
      data: { by, tags: { a: { from: null, to: "1" } } },
    },
  ],
  [
    "logDatasets",
    {
      call: (registry, { run }) => registry.logDatasets(run, [{ name: "flights", digest: "d1" }], { by }),
      type: "run.updated",
      subject: ofRun,
      data: { by, from: [{ kind: "dataset", id: "d1" }] },
    },
  ],
  [
    "deleteRun",
    {
      call: (registry, { run }) => registry.deleteRun(run, { by }),
      type: "run.deleted",
      subject: ofRun,
      data: { by, name: "renamed" },
    },
  ],
  [
    "restoreRun",
    {
      call: (registry, { run }) => registry.restoreRun(run, { by }),
      type: "run.restored",
      subject: ofRun,
      data: { by, name: "renamed" },
    },
  ],
  [
    "resumeRun",
    {
      before: async (registry, held) => {
        const handle = await registry.startRun({ experiment: "late", by });
        await handle.end("failed");
        held.run = handle.id;
      },
      call: (registry, { run }) => registry.resumeRun?.(run),
      type: "run.resumed",
      subject: ofRun,
      data: { by, previous: "failed" },
    },
  ],
  [
    "importRun",
    {
      call: (registry) =>
        registry.importRun(
          "journal",
          { id: imported, experiment: "late", name: "far", tags: {}, from: [], by, startedMs: startMs },
          [{ position: 1, entry: { kind: "log", params: { rate: 1 } } }],
        ),
      type: "run.started",
      subject: imported,
      data: { by, made: [{ kind: "run", name: "far" }] },
    },
  ],
  [
    "deleteExperiment",
    {
      call: (registry) => registry.deleteExperiment("late", { by }),
      type: "run.experiment-deleted",
      subject: "experiment/1",
      data: { by, experiment: "late" },
    },
  ],
  [
    "restoreExperiment",
    {
      call: (registry) => registry.restoreExperiment("late", { by }),
      type: "run.experiment-restored",
      subject: "experiment/1",
      data: { by, experiment: "late" },
    },
  ],
];
