import type { RegistryTables } from "../tables/tables.ts";
import type { Fields, KeyValue } from "./fields.ts";
import { groupBy } from "./groups.ts";
import { listed } from "./page-token.ts";
import { invalid, noSuchExperiment } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";

type Read = MlflowScope["database"]["read"];
export type ExperimentRow = RegistryTables["registry_experiments"];

/** Makes experiment 0, which clients log to that name none. */
export async function ensureDefault({ database, clock }: MlflowScope): Promise<void> {
  if ((await experimentRow(database.read, 0)) !== undefined) return;
  const nowMs = clock.nowMs();
  const name = "Default";
  await database.write(async ({ sql }) => {
    if ((await experimentRow(sql, 0)) !== undefined) return;
    const taken = await sql.selectFrom("registry_experiments").select("id").where("name", "=", name).executeTakeFirst();
    const row = { id: 0, name, created_ms: nowMs, updated_ms: nowMs, deleted_ms: null, artifact_root: null };
    // An experiment of a Millwright client has the name already: 0 gets one that nobody else would take.
    await sql
      .insertInto("registry_experiments")
      .values(taken === undefined ? row : { ...row, name: "Default (MLflow)" })
      .execute();
  });
}

const experimentRow = (read: Read, id: number): Promise<ExperimentRow | undefined> =>
  read.selectFrom("registry_experiments").selectAll().where("id", "=", id).executeTakeFirst();

/** Throws a refusal. */
export async function experimentOf(read: Read, id: string): Promise<ExperimentRow> {
  const number = experimentNumber(id);
  const row = number === undefined ? undefined : await experimentRow(read, number);
  if (row === undefined) throw noSuchExperiment(id);
  return row;
}

/** @returns undefined for what can be the id of none. */
export function experimentNumber(id: string): number | undefined {
  const number = /^\d{1,16}$/.test(id) ? Number(id) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Throws a refusal unless runs can be made in it. */
export async function activeExperiment(read: Read, id: string): Promise<ExperimentRow> {
  const row = await experimentOf(read, id);
  if (row.deleted_ms !== null)
    throw invalid(`The experiment ${id} must be in the 'active' state. Current state is deleted.`);
  return row;
}

/** Where an experiment's artifacts lie, as clients are told. */
export const rootOf = ({ id, artifact_root }: Pick<ExperimentRow, "id" | "artifact_root">): string =>
  artifact_root ?? `mlflow-artifacts:/${id}`;

/** Experiments as clients read them, in the order of `rows`. */
export async function experimentAnswers(read: Read, rows: readonly ExperimentRow[]): Promise<object[]> {
  const tags: RegistryTables["registry_experiment_tags"][] = [];
  for (let start = 0; start < rows.length; start += 500) {
    const ids = rows.slice(start, start + 500).map(({ id }) => id);
    const found = await read
      .selectFrom("registry_experiment_tags")
      .selectAll()
      .where("experiment", "in", ids)
      .orderBy("name")
      .execute();
    tags.push(...found);
  }
  const tagsOf = groupBy(tags, ({ experiment }) => experiment);
  const pairs = (id: number): readonly KeyValue[] =>
    (tagsOf.get(id) ?? []).map(({ name, value }) => ({ key: name, value }));
  return rows.map((row) => ({
    experiment_id: String(row.id),
    name: row.name,
    artifact_location: rootOf(row),
    lifecycle_stage: row.deleted_ms === null ? "active" : "deleted",
    last_update_time: row.updated_ms,
    creation_time: row.created_ms,
    ...listed("tags", pairs(row.id)),
  }));
}

/** Numbers of the experiments named; one that can be none is left out. */
export function experimentNumbers(fields: Fields): readonly number[] {
  const ids = fields.texts("experiment_ids");
  if (ids.length > 10_000) throw invalid(`A search looks at 10000 experiments at most, not ${ids.length}.`);
  return [...new Set(ids.map(experimentNumber))].filter((each) => each !== undefined);
}
