import { type RunId, digestOf } from "@millwright/contracts";
import { openEventLog } from "@millwright/storage";
import type { Workshop } from "./workshop.ts";

export const flights = digestOf("flights");
const raw = digestOf("raw");
const code = digestOf("code");
const view = digestOf("view");
const service = digestOf("service");

export interface Life {
  readonly finished: RunId;
  readonly failed: RunId;
  readonly killed: RunId;
  readonly parent: RunId;
}

/** Everything that is told of in a life: features, jobs, trials, runs that end in each way, models, decisions, traffic. */
export async function liveThrough({ registry, database, pack }: Workshop): Promise<Life> {
  const log = openEventLog(database);
  const source = "millwright/test";
  await log.append([
    {
      source,
      type: "feature.view-applied",
      subject: "weather",
      data: {
        digest: view,
        columns: ["airport", "at", "wind"],
        rowColumns: ["airport", "at"],
        features: { wind: ["wind"] },
        made: [{ kind: "feature-view", id: view, name: "weather" }],
      },
    },
    {
      source,
      type: "feature.service-applied",
      subject: "late_v1",
      data: {
        digest: service,
        features: { weather__wind: [["weather", "wind"]] },
        made: [{ kind: "feature-service", id: service, name: "late_v1" }],
        from: [{ kind: "feature-view", id: view, name: "weather" }],
      },
    },
    ...["starting", "training", "completed"].map((state, number) => ({
      source,
      type: "job.state-changed" as const,
      subject: "clean",
      data: { key: "k", number, state, attempts: 1, timeMs: 0 },
    })),
    {
      source,
      type: "job.processed",
      subject: "clean",
      data: {
        state: "completed",
        made: [{ kind: "artifact", id: raw, name: "out/raw.csv" }],
        from: [
          { kind: "code", id: code },
          { kind: "job", id: "clean" },
        ],
      },
    },
    {
      source,
      type: "job.processed",
      subject: "broken",
      data: {
        state: "failed",
        failureReason: "It ran out of memory.",
        made: [],
        from: [{ kind: "job", id: "broken" }],
      },
    },
    {
      source,
      type: "feature.ingested",
      subject: "weather",
      data: {
        batchId: "noaa",
        digest: raw,
        rows: 3,
        made: [{ kind: "feature-view", id: view, name: "weather" }],
        from: [{ kind: "dataset", id: raw, name: "noaa" }],
      },
    },
    ...(["started", "completed"] as const).map((what) => ({
      source,
      type: `trial.${what}` as const,
      subject: "study/0",
      data: { study: "study", trial: 0 },
    })),
    { source, type: "trial.started", subject: "study/1", data: { study: "study", trial: 1 } },
    { source, type: "trial.pruned", subject: "study/1", data: { study: "study", trial: 1 } },
  ]);
  const parent = await registry.startRun({ experiment: "late", name: "search" });
  const finished = await registry.startRun({
    experiment: "late",
    name: "best",
    parentRunId: parent.id,
    tags: { team: "delays" },
    from: [
      { kind: "dataset", id: flights, name: "flights" },
      { kind: "feature-service", id: service, name: "late_v1" },
    ],
  });
  finished.logParams({ rate: 0.1, note: Number.NaN });
  finished.logMetrics([
    { name: "loss", value: 0.25, step: 0 },
    { name: "gap", value: Number.NaN, step: 0 },
  ]);
  await registry.logDatasets(finished.id, [
    {
      name: "airports",
      digest: "0a1b",
      sourceType: "s3",
      source: "s3://lake/airports/2026.parquet",
      schema: JSON.stringify({ mlflow_colspec: [{ name: "airport", type: "string" }] }),
      profile: JSON.stringify({ num_rows: 12 }),
      context: "training",
    },
  ]);
  await finished.logArtifact("curve.json", new TextEncoder().encode("{}"));
  await finished.end("finished");
  const failed = await registry.startRun({ experiment: "late", name: "worse", parentRunId: parent.id });
  await failed.end("failed");
  const killed = await registry.startRun({ experiment: "late", name: "slow", parentRunId: parent.id });
  await killed.end("killed");
  const { version } = await registry.register(
    "late",
    await pack("one", { datasets: { train: flights }, code: digestOf("train.ts"), runId: finished.id }),
    { by: "ann", description: "How late a flight is.", tags: { stage: "trial" } },
  );
  await registry.register("late", await pack("two"), { by: "ann" });
  await registry.approve("late", version, { status: "approved", by: "bob" });
  await registry.setAlias("late", "champion", version, { by: "bob" });
  await registry.createExperiment("tagged", { tags: { owner: "ann" } });
  await registry.recordTraffic({
    endpoint: "late",
    environment: "production",
    by: "bob",
    shares: [{ variant: "main", name: "late", version, share: 1 }],
  });
  await log.append([
    {
      source,
      type: "run.updated",
      subject: "twins",
      data: {
        sameAs: [
          [
            { kind: "dataset", id: flights },
            { kind: "artifact", id: raw },
          ],
        ],
      },
    },
  ]);
  return { finished: finished.id, failed: failed.id, killed: killed.id, parent: parent.id };
}
