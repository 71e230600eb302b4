import type { JsonObject } from "@millwright/contracts";
import { expectationsInvalid, versionUnsupported } from "../errors.ts";
import { createJsonReader, type JsonReader } from "../json-reader.ts";
import { parseProfile } from "../profile-json.ts";
import {
  type ColumnStatistic,
  type ComparisonOperator,
  columnsOf,
  type Expectation,
  type ExpectationSet,
  type ExpectationSeverity,
} from "./expectation.ts";

const severities: readonly ExpectationSeverity[] = ["error", "warning", "info"];
const operators: readonly ComparisonOperator[] = ["<", "<=", "=", "!=", ">=", ">"];
const statistics: readonly ColumnStatistic[] = [
  "mean",
  "standardDeviation",
  "min",
  "max",
  "median",
  "p05",
  "p95",
  "distinctCount",
];
const kinds = [
  "complete",
  "unique",
  "between",
  "match",
  "oneOf",
  "compare",
  "references",
  "monotonic",
  "rowCount",
  "fresh",
  "statistic",
  "distribution",
] as const satisfies readonly Expectation["kind"][];
const ofTable: ReadonlySet<string> = new Set(["rowCount", "fresh", "statistic", "distribution"]);

type Common = Pick<Expectation, "name" | "severity">;

/** Reads an expectation set from JSON. Throws `DATA_EXPECTATIONS_INVALID`, which names the path, and `DATA_VERSION_UNSUPPORTED`. */
export function parseExpectations(json: unknown): ExpectationSet {
  const reader = createJsonReader(json, "", (path, problem) =>
    expectationsInvalid(path === "" ? "the whole" : path, problem),
  );
  const version = reader.object()["formatVersion"];
  if (version !== 1) throw versionUnsupported("The expectation set", version);
  const names = new Set<string>();
  const expectations = reader
    .field("expectations")
    .items()
    .map((each) => {
      const expectation = parseExpectation(each, names);
      names.add(expectation.name);
      return expectation;
    });
  return { formatVersion: 1, expectations };
}

function parseExpectation(reader: JsonReader, names: ReadonlySet<string>): Expectation {
  const kind = reader.field("kind").oneOf(kinds);
  const severity = isPresent(reader, "severity") ? reader.field("severity").oneOf(severities) : "error";
  const parts = ofTable.has(kind)
    ? parseOfTable(reader, kind, { name: "", severity })
    : parseOfRows(reader, kind, { name: "", severity });
  if (ofTable.has(kind) && isPresent(reader, "mostly"))
    reader.field("mostly").fail(`is for rows: ${kind} speaks of the whole table`);
  return { ...parts, name: nameOf(reader, parts, names) };
}

const isPresent = (reader: JsonReader, name: string): boolean => reader.object()[name] !== undefined;

function nameOf(reader: JsonReader, expectation: Expectation, names: ReadonlySet<string>): string {
  if (isPresent(reader, "name")) {
    const name = text(reader.field("name"));
    return names.has(name) ? reader.field("name").fail(`must be unique: ${JSON.stringify(name)} stands twice`) : name;
  }
  const base = `${expectation.kind}(${columnsOf(expectation).join(", ")})`;
  let name = base;
  for (let next = 2; names.has(name); next += 1) name = `${base} ${next}`;
  return name;
}

function parseOfTable(reader: JsonReader, kind: Expectation["kind"], common: Common): Expectation {
  if (kind === "rowCount") return { ...common, kind, ...bounds(reader, (field) => field.count()) };
  const column = text(reader.field("column"));
  if (kind === "fresh") {
    const maxAgeMs = reader.field("maxAgeMs").number();
    if (maxAgeMs < 0) reader.field("maxAgeMs").fail(`must be from 0, not ${maxAgeMs}`);
    return { ...common, kind, column, maxAgeMs };
  }
  if (kind === "statistic") {
    const statistic = reader.field("statistic").oneOf(statistics);
    return { ...common, kind, column, statistic, ...bounds(reader, (field) => field.number()) };
  }
  const maxDistance = reader.field("maxDistance").number();
  if (!(maxDistance >= 0 && maxDistance <= 1))
    reader.field("maxDistance").fail(`must be in [0, 1], not ${maxDistance}`);
  const reference = reader.field("reference").object() as JsonObject;
  if (!Object.hasOwn(parseProfile(reference).columns, column))
    reader.field("reference").fail(`must be a profile of the column ${JSON.stringify(column)}`);
  const method = reader.field("method").oneOf(["Simple", "Robust"]);
  return { ...common, kind: "distribution", column, reference, maxDistance, method };
}

function parseOfRows(reader: JsonReader, kind: Expectation["kind"], named: Common): Expectation {
  const mostly = isPresent(reader, "mostly") ? reader.field("mostly").number() : 1;
  if (!(mostly > 0 && mostly <= 1)) reader.field("mostly").fail(`must be in (0, 1], not ${mostly}`);
  const common = { ...named, mostly };
  if (kind === "unique") {
    const columns = reader.field("columns").items().map(text);
    if (columns.length === 0) reader.field("columns").fail("must name a column");
    return { ...common, kind, columns };
  }
  if (kind === "compare") {
    const operator = reader.field("operator").oneOf(operators);
    return { ...common, kind, left: text(reader.field("left")), operator, right: text(reader.field("right")) };
  }
  const column = text(reader.field("column"));
  switch (kind) {
    case "between":
      return { ...common, kind, column, ...bounds(reader, bound) };
    case "match":
      return { ...common, kind, column, ...pattern(reader) };
    case "oneOf": {
      const values = reader
        .field("values")
        .items()
        .map((value) => value.string());
      return { ...common, kind, column, values };
    }
    case "references":
      return { ...common, kind, column, reference: text(reader.field("reference")) };
    case "monotonic": {
      const direction = reader.field("direction").oneOf(["growing", "falling"]);
      return { ...common, kind, column, direction, strict: reader.field("strict").boolean() };
    }
    default:
      return { ...common, kind: "complete", column };
  }
}

function text(reader: JsonReader): string {
  const value = reader.string();
  return value === "" ? reader.fail("must not be empty") : value;
}

function bound(reader: JsonReader): number | string {
  if (typeof reader.value !== "string") return reader.number();
  if (Number.isNaN(Date.parse(reader.value)))
    reader.fail(`must be an ISO 8601 time, not ${JSON.stringify(reader.value)}`);
  return reader.value;
}

function bounds<Bound extends number | string>(
  reader: JsonReader,
  parse: (field: JsonReader) => Bound,
): { readonly min?: Bound; readonly max?: Bound } {
  const min = isPresent(reader, "min") ? parse(reader.field("min")) : undefined;
  const max = isPresent(reader, "max") ? parse(reader.field("max")) : undefined;
  if (min === undefined && max === undefined) reader.fail("must have min or max");
  if (min !== undefined && max !== undefined) {
    if (typeof min !== typeof max) reader.fail("must have min and max of one type");
    if (comparable(min) > comparable(max)) reader.fail(`must have min at most max, not ${min} and ${max}`);
  }
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

const comparable = (each: number | string): number => (typeof each === "string" ? Date.parse(each) : each);

function pattern(reader: JsonReader): { readonly pattern: string; readonly flags: string } {
  const source = reader.field("pattern").string();
  const flags = reader.field("flags").string();
  if (/[gy]/.test(flags)) reader.field("flags").fail(`must not have g or y, not ${JSON.stringify(flags)}`);
  try {
    new RegExp(source, flags);
  } catch (error) {
    reader.field("pattern").fail(`is no regular expression (${(error as Error).message})`);
  }
  return { pattern: source, flags };
}
