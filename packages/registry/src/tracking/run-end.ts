import type { RunId, RunStatus } from "@millwright/contracts";
import type { WriteScope } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { compactSeries } from "./compact-series.ts";

type Scope = WriteScope<RegistryTables>;

export interface RunEnd {
  readonly id: RunId;
  readonly experiment: string;
  readonly status: Exclude<RunStatus, "running">;
  /** UTC, milliseconds. */
  readonly endedMs: number;
}

/** Ends a run; the event tells the artifacts it made. */
export async function endRun(scope: Scope, { id, experiment, status, endedMs }: RunEnd, actors: Actors): Promise<void> {
  const { sql } = scope;
  await sql.updateTable("registry_runs").set({ status, ended_ms: endedMs }).where("id", "=", id).execute();
  await compactSeries(sql, id);
  const made = await sql
    .selectFrom("registry_artifacts")
    .select(["path", "digest"])
    .where("run", "=", id)
    .orderBy("path")
    .execute();
  await emitAbout(scope, id, {
    type: `run.${status}`,
    causationid: await newestEvent(scope, id),
    data: {
      experiment,
      ...(await actorOf(scope, id, actors)),
      made: made.map(({ path, digest }) => ({ kind: "artifact", id: digest, name: path })),
      from: [{ kind: "run", id }],
    },
  });
}

/** Lets a run that had ended go on. */
export async function reopenRun(
  scope: Scope,
  run: { readonly id: string; readonly experiment: string; readonly status: string },
  actors: Actors,
): Promise<void> {
  await scope.sql
    .updateTable("registry_runs")
    .set({ status: "running", ended_ms: null })
    .where("id", "=", run.id)
    .execute();
  await emitAbout(scope, run.id, {
    type: "run.resumed",
    causationid: await newestEvent(scope, run.id),
    data: { experiment: run.experiment, previous: run.status, ...(await actorOf(scope, run.id, actors)) },
  });
}

/** Whose run it is: who ends and resumes it. Of a run that nobody is known to have started, who acts now. */
async function actorOf({ sql }: Scope, id: string, actors: Actors): Promise<{ readonly by?: string }> {
  const row = await sql.selectFrom("registry_runs").select("started_by").where("id", "=", id).executeTakeFirst();
  const by = actors.acting(row?.started_by ?? undefined);
  return by === undefined ? {} : { by };
}
