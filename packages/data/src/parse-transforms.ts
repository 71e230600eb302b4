import { dateParts } from "./encode-date-parts.ts";
import { transformsInvalid, versionUnsupported } from "./errors.ts";
import { createJsonReader, type JsonReader } from "./json-reader.ts";
import type { FittedStep, FittedTransforms, InputKind } from "./transform-plan.ts";
import { transformSchemaDigest } from "./transform-schema.ts";

/** Reads fitted transforms from JSON. Throws `DATA_TRANSFORMS_INVALID`, which names the path, and `DATA_VERSION_UNSUPPORTED`. */
export function parseTransforms(json: unknown): FittedTransforms {
  const reader = createJsonReader(json, "", (path, problem) =>
    transformsInvalid(path === "" ? "the whole" : path, problem),
  );
  const version = reader.object()["formatVersion"];
  if (version !== 1 && version !== 2) throw versionUnsupported("The transforms", version, "1 and 2");
  const steps = reader.field("steps").items().map(parseStep);
  if (version === 1) return { formatVersion: 1, steps };
  const schemaDigest = transformSchemaDigest(steps);
  if (reader.field("schemaDigest").string() !== schemaDigest)
    reader.field("schemaDigest").fail(`must be ${schemaDigest}, the digest of the columns that the steps read`);
  return { formatVersion: 2, schemaDigest, steps };
}

type Parser<Kind extends FittedStep["kind"]> = (
  reader: JsonReader,
  column: string,
) => Extract<FittedStep, { readonly kind: Kind }>;

const parsers: { readonly [Kind in FittedStep["kind"]]: Parser<Kind> } = {
  numeric: (reader, column) => ({
    kind: "numeric",
    column,
    input: parseNumeric(reader),
    fill: reader.field("fill").number(),
    missingIndicator: reader.field("missingIndicator").boolean(),
    log: reader.field("log").boolean(),
    offset: reader.field("offset").number(),
    divisor: positive(reader.field("divisor")),
  }),
  oneHot: (reader, column) => {
    const fill = reader.field("fill");
    return {
      kind: "oneHot",
      column,
      input: parseInput(reader),
      categories: parseCategories(reader),
      fill: fill.value === null ? null : fill.string(),
      other: reader.field("other").boolean(),
    };
  },
  hash: (reader, column) => ({
    kind: "hash",
    column,
    input: parseInput(reader),
    buckets: positive(reader.field("buckets")),
    seed: reader.field("seed").number(),
  }),
  cyclic: (reader, column) => ({
    kind: "cyclic",
    column,
    input: parseNumeric(reader),
    period: positive(reader.field("period")),
  }),
  bucket: (reader, column) => {
    const edges = numbersOf(reader.field("edges"));
    if (edges.some((edge, at) => at > 0 && edge <= (edges[at - 1] as number))) reader.field("edges").fail("must grow");
    return { kind: "bucket", column, input: parseNumeric(reader), edges };
  },
  target: (reader, column) => {
    const categories = parseCategories(reader);
    const values = numbersOf(reader.field("values"));
    if (values.length !== categories.length) reader.field("values").fail(`must have ${categories.length} items`);
    return {
      kind: "target",
      column,
      input: parseInput(reader),
      categories,
      values,
      unseen: reader.field("unseen").number(),
      missing: reader.field("missing").number(),
    };
  },
  ngram: (reader, column) => ({
    kind: "ngram",
    column,
    input: reader.field("input").oneOf(["text"]),
    buckets: positive(reader.field("buckets")),
    unit: reader.field("unit").oneOf(["word", "character"]),
    sizes: reader.field("sizes").items().map(positive),
    normalize: reader.field("normalize").boolean(),
    seed: reader.field("seed").number(),
  }),
  dateParts: (reader, column) => ({
    kind: "dateParts",
    column,
    input: reader.field("input").oneOf(["number"]),
    unit: reader.field("unit").oneOf(["day", "microsecond"]),
    parts: reader
      .field("parts")
      .items()
      .map((part) => part.oneOf(dateParts)),
    encoding: reader.field("encoding").oneOf(["cyclic", "number"]),
  }),
};

function parseStep(reader: JsonReader): FittedStep {
  const kind = reader.field("kind").oneOf(Object.keys(parsers) as FittedStep["kind"][]);
  return parsers[kind](reader, reader.field("column").string());
}

const numbersOf = (reader: JsonReader): readonly number[] => reader.items().map((item) => item.number());

const parseNumeric = (reader: JsonReader): "number" | "bool" => reader.field("input").oneOf(["number", "bool"]);

function parseCategories(reader: JsonReader): readonly string[] {
  const categories = reader
    .field("categories")
    .items()
    .map((category) => category.string());
  if (new Set(categories).size !== categories.length) reader.field("categories").fail("must not repeat a category");
  return categories;
}

const parseInput = (reader: JsonReader): InputKind => reader.field("input").oneOf(["number", "bool", "text"]);

function positive(reader: JsonReader): number {
  return reader.number() > 0 ? reader.number() : reader.fail("must be greater than 0");
}
