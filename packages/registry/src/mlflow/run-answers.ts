import { hasCode } from "@millwright/contracts";
import type { BatchResult, Statement } from "@millwright/storage";
import { readMetricValue } from "../tracking/metric-value.ts";
import { writeToRun } from "../tracking/run-guard.ts";
import { type RunRow, selectRuns } from "../tracking/run-rows.ts";
import { rootOf } from "./experiments.ts";
import type { KeyValue } from "./fields.ts";
import { groupBy } from "./groups.ts";
import { invalid, noSuchRun } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";

type Read = MlflowScope["database"]["read"];

/** Throws a refusal. */
export async function runOf(read: Read, id: string): Promise<RunRow> {
  const row = await selectRuns(read).where("registry_runs.id", "=", id).executeTakeFirst();
  if (row === undefined) throw noSuchRun(id);
  return row;
}

/** Throws a refusal unless it can be written to. */
export async function activeRun(read: Read, id: string): Promise<RunRow> {
  const row = await runOf(read, id);
  assertActive(row);
  return row;
}

/** Writes what belongs to a run, unless it is deleted by then: that is looked at in the transaction. Throws a refusal. */
export async function writeToActiveRun(
  database: MlflowScope["database"],
  id: string,
  statements: readonly Statement[],
  signal: AbortSignal,
): Promise<BatchResult> {
  try {
    return await writeToRun(database, id, statements, { signal });
  } catch (error) {
    if (hasCode(error, "REGISTRY_RUN_UNKNOWN")) throw noSuchRun(id);
    if (hasCode(error, "REGISTRY_RUN_DELETED")) throw notActive(id);
    throw error;
  }
}

export function assertActive({ id, deleted_ms }: Pick<RunRow, "id" | "deleted_ms">): void {
  if (deleted_ms !== null) throw notActive(id);
}

const notActive = (id: string): Error =>
  invalid(`The run ${id} must be in the 'active' state. Current state is deleted.`);

/** The root of an experiment's artifacts by its number. */
export async function rootsOf(read: Read, experiments: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const roots = new Map<number, string>();
  const ids = [...new Set(experiments)];
  for (let start = 0; start < ids.length; start += 500) {
    const rows = await read
      .selectFrom("registry_experiments")
      .select(["id", "artifact_root"])
      .where("id", "in", ids.slice(start, start + 500))
      .execute();
    for (const row of rows) roots.set(row.id, rootOf(row));
  }
  return roots;
}

/** A double as JSON carries it here: `NaN` and the infinities are texts. */
export function wireDouble(value: number): number | string {
  if (Number.isFinite(value)) return value;
  return String(value);
}

export const artifactUri = (root: string, run: string): string => `${root}/${run}/artifacts`;

/** `RunInfo`. */
export const runInfo = (row: RunRow, root: string): object => ({
  run_id: row.id,
  run_uuid: row.id,
  run_name: row.name,
  experiment_id: String(row.experiment_id),
  user_id: row.started_by ?? "",
  status: row.status.toUpperCase(),
  start_time: row.started_ms,
  ...(row.ended_ms === null ? {} : { end_time: row.ended_ms }),
  artifact_uri: artifactUri(root, row.id),
  lifecycle_stage: row.deleted_ms === null ? "active" : "deleted",
});

/** `Run` of each row, in their order: a handful of queries for 500 runs. */
export async function runAnswers(read: Read, rows: readonly RunRow[]): Promise<object[]> {
  const roots = await rootsOf(
    read,
    rows.map((row) => row.experiment_id),
  );
  const answers: object[] = [];
  for (let start = 0; start < rows.length; start += 500)
    answers.push(...(await someAnswers(read, rows.slice(start, start + 500), roots)));
  return answers;
}

async function someAnswers(read: Read, rows: readonly RunRow[], roots: ReadonlyMap<number, string>): Promise<object[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const [tags, params, series, datasets, models] = await Promise.all([
    read.selectFrom("registry_run_tags").selectAll().where("run", "in", ids).orderBy("name").execute(),
    read
      .selectFrom("registry_params")
      .select(["run", "name", "text"])
      .where("run", "in", ids)
      .orderBy("name")
      .execute(),
    read
      .selectFrom("registry_series")
      .select(["run", "name", "last_step", "last_ms", "last_value", "last_exact"])
      .where("run", "in", ids)
      .orderBy("name")
      .execute(),
    read.selectFrom("registry_run_datasets").selectAll().where("run", "in", ids).orderBy("name").execute(),
    read.selectFrom("registry_run_models").selectAll().where("run", "in", ids).orderBy("model").execute(),
  ]);
  const of = {
    tags: groupBy(tags, ({ run }) => run),
    params: groupBy(params, ({ run }) => run),
    series: groupBy(series, ({ run }) => run),
    datasets: groupBy(datasets, ({ run }) => run),
    models: groupBy(models, ({ run }) => run),
  };
  return rows.map((row) => {
    const ofRun = of.models.get(row.id) ?? [];
    const inputs = ofRun.filter(({ role }) => role === "input").map(({ model }) => ({ model_id: model }));
    const outputs = ofRun.filter(({ role }) => role === "output").map(({ model, step }) => ({ model_id: model, step }));
    return {
      info: runInfo(row, roots.get(row.experiment_id) ?? rootOf({ id: row.experiment_id, artifact_root: null })),
      data: {
        metrics: (of.series.get(row.id) ?? []).map((each) => ({
          key: each.name,
          value: wireDouble(readMetricValue({ value: each.last_value, exact: each.last_exact })),
          timestamp: Math.trunc(each.last_ms ?? row.started_ms),
          step: each.last_step,
        })),
        params: (of.params.get(row.id) ?? []).map(({ name, text }) => ({ key: name, value: text })),
        tags: tagsOf(row, of.tags.get(row.id) ?? []),
      },
      inputs: {
        dataset_inputs: (of.datasets.get(row.id) ?? []).map(datasetInput),
        ...(inputs.length === 0 ? {} : { model_inputs: inputs }),
      },
      ...(outputs.length === 0 ? {} : { outputs: { model_outputs: outputs } }),
    };
  });
}

/** The run's tags, and what the registry keeps of it that MLflow keeps as tags. */
function tagsOf(row: RunRow, tags: readonly { readonly name: string; readonly value: string }[]): readonly KeyValue[] {
  const all = new Map(tags.map(({ name, value }) => [name, value]));
  all.set("mlflow.runName", row.name);
  if (row.notes !== null) all.set("mlflow.note.content", row.notes);
  if (row.parent !== null) all.set("mlflow.parentRunId", row.parent);
  // What clients call a user that they know no name of.
  if (row.started_by !== null && row.started_by !== "unknown") all.set("mlflow.user", row.started_by);
  return [...all].map(([key, value]) => ({ key, value }));
}

const datasetInput = (row: {
  readonly name: string;
  readonly digest: string;
  readonly source_type: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
  readonly context: string;
}): object => ({
  ...(row.context === "" ? {} : { tags: [{ key: "mlflow.data.context", value: row.context }] }),
  dataset: {
    name: row.name,
    digest: row.digest,
    source_type: row.source_type,
    source: row.source,
    ...(row.schema === null ? {} : { schema: row.schema }),
    ...(row.profile === null ? {} : { profile: row.profile }),
  },
});
