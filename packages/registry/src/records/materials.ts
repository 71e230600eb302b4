import type { CallOptions, Clock } from "@millwright/contracts";
import { canonicalJson } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { emitAbout, newestEvent } from "../causes.ts";
import { materialsInvalid } from "../errors.ts";
import { assertRegistered } from "../models/version-records.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { isLicenseExpression } from "./licenses.ts";

/** Software that a model needs, or was made with. */
export interface PackageDependency {
  /** Its package URL without a version, as its registry names it: `pkg:npm/%40scope/name`, `pkg:pypi/numpy`. */
  readonly purl: string;
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, or whatever its registry says. */
  readonly license?: string | undefined;
  /** Subresource integrity of what was installed, such as `sha512-…` in base64. */
  readonly integrity?: string | undefined;
}

/** What the data that a model was made from may be used for. */
export interface DataTerms {
  /** The role of the dataset in the package's provenance, such as `train`. */
  readonly dataset: string;
  /** An SPDX expression. */
  readonly license?: string | undefined;
  /** What was agreed beside it: a contract, a consent, a purpose. */
  readonly terms?: string | undefined;
}

/** Under what terms a version may be used, and what it consists of. */
export interface VersionMaterials {
  /** Of the model itself: an SPDX expression, such as `Apache-2.0` or `LicenseRef-internal`. */
  readonly license?: string | undefined;
  readonly dataTerms?: readonly DataTerms[] | undefined;
  readonly dependencies?: readonly PackageDependency[] | undefined;
}

export interface KeptMaterials extends VersionMaterials {
  readonly setBy?: string | undefined;
  /** UTC, milliseconds. */
  readonly setMs: number;
}

export interface MaterialRecords {
  /** Says under what terms a version may be used, and of what it consists; what was said before is replaced. Throws `PORT_MODEL_UNKNOWN`, `REGISTRY_MATERIALS_INVALID`, `REGISTRY_ACTOR_MISSING`. */
  setMaterials(
    name: string,
    version: number,
    materials: VersionMaterials,
    options?: CallOptions & { readonly by?: string | undefined },
  ): Promise<void>;
  /** Undefined where nobody has said. Throws `PORT_MODEL_UNKNOWN`. */
  materials(name: string, version: number, options?: CallOptions): Promise<KeptMaterials | undefined>;
}

export function createMaterialRecords(
  database: Database<RegistryTables>,
  clock: Clock,
  actors: Actors,
): MaterialRecords {
  const { read } = database;
  return {
    async setMaterials(name, version, materials, { by: given, signal } = {}) {
      signal?.throwIfAborted();
      const by = actors.acting(given);
      const content = canonicalJson(checked(`${name}/${version}`, materials));
      await database.write(
        async (scope) => {
          const { sql } = scope;
          await assertRegistered(sql, name, version);
          const before = await rowOf(sql, name, version);
          if (before?.content === content) return;
          const row = { content, set_by: by ?? null, time_ms: clock.nowMs() };
          await sql
            .insertInto("registry_materials")
            .values({ model: name, version, ...row })
            .onConflict((conflict) => conflict.columns(["model", "version"]).doUpdateSet(row))
            .execute();
          const subject = `${name}/${version}`;
          const summary = (text: string | undefined) => (text === undefined ? null : summaryOf(text));
          await emitAbout(scope, subject, {
            type: "model.materials-set",
            causationid: await newestEvent(scope, subject),
            data: {
              name,
              version,
              from: [],
              materials: { from: summary(before?.content), to: summary(content) },
              ...(by === undefined ? {} : { by }),
            },
          });
        },
        { signal },
      );
    },
    async materials(name, version, { signal } = {}) {
      signal?.throwIfAborted();
      await assertRegistered(read, name, version);
      const row = await rowOf(read, name, version);
      if (row === undefined) return undefined;
      const content = JSON.parse(row.content) as VersionMaterials;
      return { ...content, ...(row.set_by === null ? {} : { setBy: row.set_by }), setMs: row.time_ms };
    },
  };
}

const rowOf = (read: Database<RegistryTables>["read"], name: string, version: number) =>
  read
    .selectFrom("registry_materials")
    .select(["content", "set_by", "time_ms"])
    .where("model", "=", name)
    .where("version", "=", version)
    .executeTakeFirst();

/** An event need not carry every dependency. */
function summaryOf(content: string): { readonly license: string | null; readonly dependencies: number } {
  const { license, dependencies = [] } = JSON.parse(content) as VersionMaterials;
  return { license: license ?? null, dependencies: dependencies.length };
}

/** A copy without anything else. Throws `REGISTRY_MATERIALS_INVALID`. */
function checked(subject: string, materials: VersionMaterials): VersionMaterials {
  const refuse = (problem: string): never => {
    throw materialsInvalid(subject, problem);
  };
  const text = (what: string, value: unknown): string =>
    typeof value === "string" && value !== "" && !/\0|\p{Surrogate}/u.test(value)
      ? value
      : refuse(`${what} is ${JSON.stringify(value) ?? "undefined"}, no text`);
  const optional = (what: string, value: unknown): string | undefined =>
    value === undefined ? undefined : text(what, value);
  const list = <Item>(what: string, value: unknown): readonly Item[] =>
    value === undefined ? [] : Array.isArray(value) ? (value as Item[]) : refuse(`${what} is no list`);
  if (typeof materials !== "object" || materials === null) refuse("it is no object");
  const expression = (what: string, value: unknown): string | undefined => {
    const given = optional(what, value);
    if (given !== undefined && !isLicenseExpression(given)) refuse(`${what} "${given}" is no SPDX expression`);
    return given;
  };
  const member = (what: string, value: unknown): Record<string, unknown> =>
    typeof value === "object" && value !== null ? (value as Record<string, unknown>) : refuse(`${what} is no object`);
  return defined({
    license: expression("the license", materials.license),
    dataTerms: list("`dataTerms`", materials.dataTerms).map((each) => {
      const { dataset, license, terms } = member("one of `dataTerms`", each);
      return defined({
        dataset: text("a dataset", dataset),
        license: expression("the license of a dataset", license),
        terms: optional("the terms of a dataset", terms),
      });
    }),
    dependencies: list("`dependencies`", materials.dependencies).map((each) => {
      const { purl, name, version, license, integrity } = member("one of `dependencies`", each);
      const url = text("the `purl` of a dependency", purl);
      if (!/^pkg:[a-z][a-z0-9.+-]*\/[^@?#\s]+$/.test(url)) refuse(`"${url}" is no package URL without a version`);
      return defined({
        purl: url,
        name: text("the name of a dependency", name),
        version: text("the version of a dependency", version),
        license: optional("the license of a dependency", license),
        integrity: optional("the integrity of a dependency", integrity),
      });
    }),
  });
}

/** Without members that are undefined. */
const defined = <Value extends object>(value: Value): Value =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Value;
