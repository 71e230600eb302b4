import type { EntityReference, EventDraft } from "@millwright/contracts";
import type { WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { compactSeries } from "../tracking/compact-series.ts";
import type { RunRow } from "../tracking/run-rows.ts";
import { activeExperiment, rootOf } from "./experiments.ts";
import type { Fields, KeyValue } from "./fields.ts";
import { runId, runResource } from "./run-fields.ts";
import { invalid } from "./refusal.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { activeRun, assertActive, rootsOf, runAnswers, runInfo, runOf } from "./run-answers.ts";
import { nameForRun } from "./run-names.ts";
import { mirroredColumns } from "./run-tags.ts";
import { checkLength, checkTag, lastOfEach } from "./validation.ts";

export function runRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const { read } = scope.database;
  return [
    {
      method: "POST",
      path: "/runs/create",
      summary: "Starts a run.",
      fields: { experiment_id: "text", user_id: "text", run_name: "text", start_time: "integer", tags: "pairs" },
      action: "write",
      resource: ({ fields }) => `experiment/${fields.optionalText("experiment_id") ?? "0"}`,
      async answer(call) {
        const id = await createRun(scope, call);
        return { run: (await runAnswers(read, [await runOf(read, id)]))[0] };
      },
    },
    {
      method: "GET",
      path: "/runs/get",
      summary: "A run, deleted or not.",
      fields: { "run_id!": "text", run_uuid: "text" },
      action: "read",
      resource: runResource,
      answer: async ({ fields }) => ({ run: (await runAnswers(read, [await runOf(read, runId(fields))]))[0] }),
    },
    {
      method: "POST",
      path: "/runs/update",
      summary: "Ends a run, gives it another status or another name.",
      fields: { "run_id!": "text", run_uuid: "text", status: "text", end_time: "integer", run_name: "text" },
      action: "write",
      resource: runResource,
      async answer(call) {
        const row = await updateRun(scope, call);
        const roots = await rootsOf(read, [row.experiment_id]);
        return {
          run_info: runInfo(
            row,
            roots.get(row.experiment_id) ?? rootOf({ id: row.experiment_id, artifact_root: null }),
          ),
        };
      },
    },
    ...deletionRoutes(scope),
  ];
}

interface NewRun {
  readonly name: string;
  readonly startedMs: number;
  readonly user: string | undefined;
  readonly tags: readonly KeyValue[];
}

/** What a request says of the run to make. Throws a refusal. */
function newRun(fields: Fields, id: string, nowMs: number): NewRun {
  const given = fields.optionalText("run_name") ?? "";
  const tags = lastOfEach(fields.pairs("tags"));
  for (const tag of tags) checkTag(tag);
  const tagged = tags.find(({ key }) => key === "mlflow.runName")?.value ?? "";
  if (given !== "" && tagged !== "" && given !== tagged)
    throw invalid(
      `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${given}', mlflow.runName='${tagged}').`,
    );
  const name = given || tagged || nameForRun(id);
  checkLength("Run name", name, 500);
  const startedMs = fields.optionalInteger("start_time") ?? nowMs;
  const user = fields.optionalText("user_id") || undefined;
  return {
    name,
    startedMs,
    user,
    tags: [...tags.filter(({ key }) => key !== "mlflow.runName"), { key: "mlflow.runName", value: name }],
  };
}

async function createRun({ database, clock, ids }: MlflowScope, { fields, by, signal }: MlflowCall): Promise<string> {
  const experiment = await activeExperiment(database.read, fields.optionalText("experiment_id") || "0");
  const id = ids.next().replaceAll("-", "");
  const run = newRun(fields, id, clock.nowMs());
  const { started_by = run.user ?? by ?? null, notes = null, parent } = mirroredColumns(run.tags);
  await database.write(
    async (scope) => {
      const { sql } = scope;
      const known =
        parent === undefined || parent === null
          ? undefined
          : await sql.selectFrom("registry_runs").select("id").where("id", "=", parent).executeTakeFirst();
      await sql
        .insertInto("registry_runs")
        .values({
          id,
          experiment_id: experiment.id,
          name: run.name,
          // A parent on another server is only a tag.
          parent: known?.id ?? null,
          status: "running",
          started_ms: run.startedMs,
          ended_ms: null,
          deleted_ms: null,
          started_by,
          notes,
          inputs: "[]",
        })
        .execute();
      const rows = run.tags.map(({ key, value }) => ({ run: id, name: key, value }));
      for (let start = 0; start < rows.length; start += 500)
        await sql
          .insertInto("registry_run_tags")
          .values(rows.slice(start, start + 500))
          .execute();
      const made: EntityReference = { kind: "run", id, name: run.name };
      await emitAbout(scope, id, {
        type: "run.started",
        causationid: undefined,
        data: {
          experiment: experiment.name,
          made: [made],
          from: [],
          ...(started_by === null ? {} : { by: started_by }),
        },
      });
    },
    { signal },
  );
  return id;
}

const statuses = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

function updateRun({ database, clock }: MlflowScope, { fields, by, signal }: MlflowCall): Promise<RunRow> {
  const id = runId(fields);
  const status = fields.optionalText("status");
  const endedMs = fields.optionalInteger("end_time");
  const name = fields.optionalText("run_name") ?? "";
  if (status !== undefined && !statuses.includes(status))
    throw invalid(`Invalid value ${status} for parameter 'status' supplied: it must be one of ${statuses.join(", ")}.`);
  checkLength("Run name", name, 500);
  return database.write(
    async (scope) => {
      const { sql } = scope;
      const row = await activeRun(sql, id);
      const isOver = status !== undefined && ["FINISHED", "FAILED", "KILLED"].includes(status);
      const changed = {
        name: name === "" ? row.name : name,
        status: status === undefined ? row.status : status.toLowerCase(),
        ended_ms: status === undefined ? (endedMs ?? row.ended_ms) : (endedMs ?? (isOver ? clock.nowMs() : null)),
      };
      await sql.updateTable("registry_runs").set(changed).where("id", "=", id).execute();
      if (changed.name !== row.name)
        await sql
          .insertInto("registry_run_tags")
          .values({ run: id, name: "mlflow.runName", value: changed.name })
          .onConflict((conflict) => conflict.columns(["run", "name"]).doUpdateSet({ value: changed.name }))
          .execute();
      if (changed.status !== row.status) await toldOfStatus(scope, row, changed.status, by);
      else if (changed.name !== row.name)
        await toldOfRun(scope, row, "run.updated", { name: { from: row.name, to: changed.name } }, by);
      return { ...row, ...changed };
    },
    { signal },
  );
}

/** The end of a run names its artifacts, as one of a Millwright client does. */
async function toldOfStatus(
  scope: WriteScope<RegistryTables>,
  row: RunRow,
  status: string,
  by: string | undefined,
): Promise<void> {
  const { sql } = scope;
  if (status === "running" || status === "scheduled") {
    await toldOfRun(scope, row, status === "running" ? "run.resumed" : "run.scheduled", { previous: row.status }, by);
    return;
  }
  await compactSeries(sql, row.id);
  const made = await sql
    .selectFrom("registry_artifacts")
    .select(["path", "digest"])
    .where("run", "=", row.id)
    .orderBy("path")
    .execute();
  const entities = made.map(({ path, digest }): EntityReference => ({ kind: "artifact", id: digest, name: path }));
  await toldOfRun(scope, row, `run.${status}`, { made: entities, from: [{ kind: "run", id: row.id }] }, by);
}

async function toldOfRun(
  scope: WriteScope<RegistryTables>,
  { id, experiment }: Pick<RunRow, "id" | "experiment">,
  type: EventDraft["type"],
  data: EventDraft["data"],
  by: string | undefined,
): Promise<void> {
  await emitAbout(scope, id, {
    type,
    causationid: await newestEvent(scope, id),
    data: { experiment, ...data, ...(by === undefined ? {} : { by }) },
  });
}

function deletionRoutes({ database, clock }: MlflowScope): readonly MlflowRoute[] {
  const move = ({ fields, by, signal }: MlflowCall, isDeleted: boolean): Promise<object> =>
    database.write(
      async (scope) => {
        const row = await runOf(scope.sql, runId(fields));
        if (isDeleted) assertActive(row);
        else if (row.deleted_ms === null)
          throw invalid(`The run ${row.id} must be in the 'deleted' state. Current state is active.`);
        await scope.sql
          .updateTable("registry_runs")
          .set({ deleted_ms: isDeleted ? clock.nowMs() : null })
          .where("id", "=", row.id)
          .execute();
        await toldOfRun(scope, row, isDeleted ? "run.deleted" : "run.restored", {}, by);
        return {};
      },
      { signal },
    );
  return [
    {
      method: "POST",
      path: "/runs/delete",
      summary: "Deletes a run; it can be restored.",
      fields: { "run_id!": "text" },
      action: "delete",
      resource: runResource,
      answer: (call) => move(call, true),
    },
    {
      method: "POST",
      path: "/runs/restore",
      summary: "Restores a deleted run.",
      fields: { "run_id!": "text" },
      action: "write",
      resource: runResource,
      answer: (call) => move(call, false),
    },
  ];
}
