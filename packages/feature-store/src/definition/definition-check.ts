import { inspect } from "node:util";
import { column } from "@millwright/data";
import type { ColumnType } from "@millwright/contracts";
import { definitionInvalid } from "../errors.ts";
import type { Aggregate } from "./aggregate.ts";
import type { FeatureDefault, FeatureType, FeatureViewDefinition, InputType } from "./definition.ts";
import { checkName } from "./definition-name.ts";

export const KEY_TYPES: readonly string[] = ["utf8", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"];
export const INPUT_TYPES: readonly string[] = ["bool", ...KEY_TYPES, "float32", "float64", "timestamp"];
export const FEATURE_TYPES: readonly string[] = [...INPUT_TYPES, "uint64", "date"];

/** What other systems call the types. */
const MEANT: Readonly<Record<string, string>> = {
  string: "utf8",
  text: "utf8",
  str: "utf8",
  varchar: "utf8",
  number: "float64",
  double: "float64",
  float: "float64",
  integer: "int32",
  int: "int32",
  bigint: "int64",
  long: "int64",
  boolean: "bool",
  datetime: "timestamp",
};

const shown = (value: unknown): string => inspect(value, { depth: 0 });

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Throws `FEATURE_STORE_DEFINITION_INVALID` unless `types` names columns with types of these. */
export function checkTypes(what: string, role: string, types: unknown, allowed: readonly string[]): void {
  if (!isRecord(types)) {
    throw definitionInvalid(
      what,
      `\`${role}\` is no object of columns and types`,
      `Write \`${role}: { name: "${allowed[0]}" }\`.`,
    );
  }
  for (const [name, type] of Object.entries(types)) {
    if (allowed.includes(type as string)) continue;
    const meant = MEANT[String(type).toLowerCase()];
    const remedy = meant !== undefined && allowed.includes(meant) ? `It is called "${meant}" here; all types` : "Types";
    throw definitionInvalid(
      what,
      `\`${role}\` has "${name}" of the type "${String(type)}"`,
      `${remedy} are ${allowed.join(", ")}.`,
    );
  }
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` where a definition says what nobody reads, such as `ttl` for `ttlMs`. */
export function checkOptions(what: string, definition: object, known: readonly string[]): void {
  const unknown = Object.keys(definition).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw definitionInvalid(what, `there is no option \`${unknown}\``, `Options are ${known.join(", ")}.`);
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` unless the value, where there is one, is one of those. */
export function checkChoice(what: string, option: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return;
  const remedy = `Choose ${choices.map((choice) => `"${choice}"`).join(", ")}.`;
  throw definitionInvalid(what, `\`${option}\` is ${shown(value)}`, remedy);
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` unless a name of a column is a text, where it must be there or is. */
export function checkColumnName(what: string, option: string, name: unknown): void {
  if (typeof name === "string" && name !== "") return;
  throw definitionInvalid(what, `\`${option}\` is ${String(name)}`, "Name the column of the rows that has it.");
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` unless tags are texts by name. */
export function checkTags(what: string, tags: unknown): void {
  if (tags === undefined || (isRecord(tags) && Object.values(tags).every((value) => typeof value === "string"))) return;
  throw definitionInvalid(what, "its tags are no texts by name", 'Write `tags: { domain: "payments" }`.');
}

/** Throws `FEATURE_STORE_DEFINITION_INVALID` where a value cannot stand in a column of the type. */
export function checkDefault(what: string, name: string, value: unknown, type: ColumnType): void {
  if (value === null || type === "list") return;
  try {
    column(type, [value as never]);
  } catch (error) {
    throw definitionInvalid(
      what,
      `the default of "${name}" is ${shown(value)}, and the feature is ${type}`,
      `Give null or a value of the type: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

export const METADATA: readonly string[] = ["description", "owner", "tags"];
const VIEW_OPTIONS =
  "name version entity eventTime createdTime deleted retracted eventId features inputs aggregates ttlMs decimals ties freshness defaults availabilityLagMs columns"
    .split(" ")
    .concat(METADATA);
/** What a view has that was made of a definition: one may be defined from another. */
const OF_VIEWS = ["id", "schema", "featureNames"];

/** A definition of whatever columns. */
export type AnyDefinition = Omit<
  FeatureViewDefinition<string, never, never, never>,
  "features" | "inputs" | "aggregates" | "defaults" | "eventId"
> & {
  readonly eventId?: string | readonly string[] | undefined;
  readonly defaults?: Readonly<Partial<Record<string, FeatureDefault>>> | undefined;
  readonly aggregates?: Readonly<Record<string, Aggregate>> | undefined;
  readonly features?: Readonly<Record<string, FeatureType>> | undefined;
  readonly inputs?: Readonly<Record<string, InputType>> | undefined;
};

/** Throws `FEATURE_STORE_DEFINITION_INVALID` where types do not keep what they say, as in plain JavaScript. */
export function checkDeclared(definition: AnyDefinition): void {
  checkName("The feature view", definition.name);
  const what = `The feature view "${definition.name}"`;
  const own = Object.keys(definition).filter((name) => !OF_VIEWS.includes(name));
  checkOptions(what, Object.fromEntries(own.map((name) => [name, true])), VIEW_OPTIONS);
  const { eventTime, createdTime, deleted, retracted } = definition;
  const entity: unknown = definition.entity;
  if (typeof entity !== "object" || entity === null || !("keys" in entity))
    throw definitionInvalid(what, `\`entity\` is ${String(entity)}`, "Give what `defineEntity` returns.");
  checkColumnName(what, "eventTime", eventTime);
  for (const [option, name] of Object.entries({ createdTime, deleted, retracted }))
    if (name !== undefined) checkColumnName(what, option, name);
  checkTypes(what, "features", definition.features ?? {}, FEATURE_TYPES);
  checkTypes(what, "inputs", definition.inputs ?? {}, INPUT_TYPES);
  checkChoice(what, "ties", definition.ties, ["first", "last"]);
  checkChoice(what, "freshness.onStale", definition.freshness?.onStale, ["serve", "default", "fail"]);
  checkTags(what, definition.tags);
}
