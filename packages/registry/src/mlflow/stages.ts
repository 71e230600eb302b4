import { changedMeanwhile, gateClosed } from "../errors.ts";
import { watchSubjects } from "../models/gate-facts.ts";
import type { MlflowCall, MlflowRoute, MlflowScope } from "./route.ts";
import { invalid, shown } from "./refusal.ts";
import { modelResource, toldOfModel } from "./model-writes.ts";
import { versionAnswers, versionOf } from "./version-answers.ts";

const stages = ["None", "Staging", "Production", "Archived"] as const;
export type Stage = (typeof stages)[number];

/** In any case. Throws a refusal. */
export function parseStage(text: string): Stage {
  const stage = stages.find((each) => each.toLowerCase() === text.toLowerCase());
  if (stage === undefined)
    throw invalid(`Invalid Model Version stage: ${shown(text)}. Value must be one of ${stages.join(", ")}.`);
  return stage;
}

async function moveToStage(scope: MlflowScope, { fields, by, signal }: MlflowCall): Promise<object> {
  const { registry, database, clock } = scope;
  const name = fields.text("name");
  const stage = parseStage(fields.text("stage"));
  const archives = fields.optionalFlag("archive_existing_versions") ?? false;
  if (archives && stage !== "Staging" && stage !== "Production")
    throw invalid(
      `Model version transition cannot archive existing model versions because '${stage}' is not an Active stage. Valid stages are Staging, Production`,
    );
  const number = fields.text("version");
  const subject = await versionOf(database.read, name, number);
  const holders = await holdersOf(database.read, name, stage, subject.version);
  // What the gates look at, and who must leave the stage, has to be so still when it is written.
  const looked = [subject.version, ...(archives ? holders : [])].map((each) => `${name}/${each}`);
  const assertUnchanged = await watchSubjects(database.read, [...looked, `${name}@champion`]);
  const { passed, results } = await registry.checkGates("stage", stage, name, subject.version, { by, signal });
  if (!passed) throw gateClosed(`${name}/${subject.version}`, "stage", stage, results);
  await database.write(
    async (write) => {
      const { sql } = write;
      const { version, stage: previous } = await versionOf(sql, name, number);
      await assertUnchanged(sql);
      const archived = archives ? await holdersOf(sql, name, stage, version) : [];
      if (archives && archived.join() !== holders.join()) throw changedMeanwhile(`${name}: who is in ${stage}`);
      for (const [each, to] of [...archived.map((other) => [other, "Archived"] as const), [version, stage] as const]) {
        await sql
          .insertInto("registry_mlflow_versions")
          .values({ model: name, version: each, stage: to, run_link: null, logged_model: null })
          .onConflict((conflict) => conflict.columns(["model", "version"]).doUpdateSet({ stage: to }))
          .execute();
        await sql
          .updateTable("registry_versions")
          .set({ updated_ms: clock.nowMs() })
          .where("model", "=", name)
          .where("version", "=", each)
          .execute();
      }
      const data = {
        name,
        version,
        stage,
        previous: previous ?? "None",
        ...(archived.length === 0 ? {} : { archived }),
      };
      await toldOfModel(write, `${name}/${version}`, "stage-set", data, by);
    },
    { signal },
  );
  return { model_version: (await versionAnswers(database.read, [await versionOf(database.read, name, number)]))[0] };
}

/** The versions beside this one that are in the stage. */
async function holdersOf(
  read: MlflowScope["database"]["read"],
  name: string,
  stage: Stage,
  version: number,
): Promise<readonly number[]> {
  const rows = await read
    .selectFrom("registry_mlflow_versions")
    .select("version")
    .where("model", "=", name)
    .where("stage", "=", stage)
    .where("version", "<>", version)
    .orderBy("version")
    .execute();
  return rows.map((row) => row.version);
}

export function stageRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  return [
    {
      method: "POST",
      path: "/model-versions/transition-stage",
      summary: "Moves a version to a stage.",
      fields: { "name!": "text", "version!": "text", "stage!": "text", archive_existing_versions: "flag" },
      action: "write",
      resource: modelResource,
      answer: (call) => moveToStage(scope, call),
    },
  ];
}
