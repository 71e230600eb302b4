import type { WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { KeyValue } from "./fields.ts";
import { invalid } from "./refusal.ts";
import type { MlflowRoute } from "./route.ts";
import { approvalTag } from "./version-answers.ts";

export type Write = WriteScope<RegistryTables>;

/** What access to a model is asked for as. */
export const modelResource: MlflowRoute["resource"] = ({ fields }) => `model/${fields.optionalText("name") ?? "*"}`;

/** Tells of a change of a model, in the transaction of the change. */
export async function toldOfModel(
  scope: Write,
  subject: string,
  what: string,
  data: Readonly<Record<string, unknown>>,
  by: string | undefined,
): Promise<void> {
  await emitAbout(scope, subject, {
    type: `model.${what}`,
    causationid: await newestEvent(scope, subject),
    data: { ...data, ...(by === undefined ? {} : { by }) },
  });
}

export async function insertTags(
  { sql }: Write,
  model: string,
  version: number,
  tags: readonly KeyValue[],
): Promise<void> {
  const rows = tags.map(({ key, value }) => ({ model, version, name: key, value }));
  for (let start = 0; start < rows.length; start += 500)
    await sql
      .insertInto("registry_model_tags")
      .values(rows.slice(start, start + 500))
      .execute();
}

/** Lets no alias of the model mean anything any more. */
export async function dropAliases({ sql }: Write, nowMs: number, model: string): Promise<void> {
  const moves = await sql
    .selectFrom("registry_aliases")
    .select(["alias", "version", "move"])
    .where("model", "=", model)
    .orderBy("move")
    .execute();
  const newest = new Map(moves.map((each) => [each.alias, each]));
  for (const { alias, version, move } of newest.values()) {
    if (version === 0) continue;
    const row = { model, alias, version: 0, time_ms: nowMs, move: move + 1 };
    await sql.insertInto("registry_aliases").values(row).execute();
  }
}

export interface TagChange {
  readonly model: string;
  /** 0: of the model. */
  readonly version: number;
  readonly key: string;
  /** Undefined: it is deleted; one that is not there already is. */
  readonly value: string | undefined;
}

/** Throws a refusal for a tag that is read only. */
export async function changeTag({ sql }: Write, { model, version, key, value }: TagChange): Promise<void> {
  if (key === approvalTag)
    throw invalid(`The tag '${approvalTag}' tells how a version was decided on. Approve or reject it in the registry.`);
  await sql
    .deleteFrom("registry_model_tags")
    .where("model", "=", model)
    .where("version", "=", version)
    .where("name", "=", key)
    .execute();
  if (value !== undefined)
    await sql.insertInto("registry_model_tags").values({ model, version, name: key, value }).execute();
}
