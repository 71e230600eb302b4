import { readFileSync } from "node:fs";
import {
  type DatasetRef,
  type JobHistory,
  type MillwrightEvent,
  type ModelManifest,
  digestOf,
  featureViewRef,
  jsonSchemas,
  modelRef,
  modelVersionRef,
  parseDatasetRef,
  parseDigest,
  parseEvent,
  parseJobHistory,
  parseJobId,
  parseModelManifest,
  parseModelRef,
  parseRunId,
  parseTrialId,
} from "@millwright/contracts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, expectTypeOf, test } from "vitest";

const golden = (name: string): never =>
  JSON.parse(readFileSync(new URL(`./golden/${name}.json`, import.meta.url), "utf8")) as never;

/** Each persisted format: its parser, its JSON Schema and the files of every version there was. */
const formats = [
  { name: "model manifest", parse: parseModelManifest, schema: jsonSchemas.modelManifest, files: ["model-manifest-1"] },
  { name: "dataset reference", parse: parseDatasetRef, schema: jsonSchemas.datasetRef, files: ["dataset-ref-1"] },
  { name: "event", parse: parseEvent, schema: jsonSchemas.event, files: ["event-1"] },
  { name: "job history", parse: parseJobHistory, schema: jsonSchemas.jobHistory, files: ["job-history-1"] },
] as const;

/** The value with one member set, by path; `undefined` takes it away. */
function changed(value: object, path: readonly (string | number)[], member: unknown): unknown {
  const copy = structuredClone(value);
  const last = path.at(-1) as string;
  const holder = path.slice(0, -1).reduce<Record<string, never>>((inner, key) => inner[key] as never, copy as never);
  if (member === undefined) delete holder[last];
  else holder[last] = member as never;
  return copy;
}

/** Wrong values with the place the message names. */
const wrong: readonly (readonly [number, readonly (string | number)[], unknown, string])[] = [
  [0, ["name"], undefined, "$.name"],
  [0, ["name"], "", "$.name"],
  [0, ["formatVersion"], "1", "$.formatVersion"],
  [0, ["formatVersion"], 0, "$.formatVersion"],
  [0, ["unknown"], 1, "$"],
  [0, ["files", 0, "digest"], "sha256:ABC", "$.files[0].digest"],
  [0, ["files", 0, "path"], "../escape", "$.files[0].path"],
  [0, ["files", 0, "path"], "a/../../escape", "$.files[0].path"],
  [0, ["files", 0, "path"], "/etc/passwd", "$.files[0].path"],
  [0, ["files", 0, "path"], "C:evil", "$.files[0].path"],
  [0, ["files", 0, "path"], "a\\b", "$.files[0].path"],
  [0, ["files", 0, "path"], "a//b", "$.files[0].path"],
  [0, ["files", 0, "sizeBytes"], -1, "$.files[0].sizeBytes"],
  [0, ["signature", "inputs", 0, "dtype"], "float16", "$.signature.inputs[0].dtype"],
  [0, ["signature", "inputs", 0, "shape"], [1.5], "$.signature.inputs[0].shape[0]"],
  [0, ["golden", 0, "inputs", "features", "data"], [null], "$.golden[0].inputs.features.data[0]"],
  [0, ["provenance", "metrics", "logLoss"], "low", "$.provenance.metrics.logLoss"],
  [0, ["provenance", "datasets", "train"], "train.parquet", "$.provenance.datasets.train"],
  [1, ["parts", 0, "format"], "xlsx", "$.parts[0].format"],
  [1, ["schema", 0, "type"], "decimal", "$.schema[0].type"],
  [1, ["digest"], undefined, "$.digest"],
  [2, ["specversion"], "0.3", "$.specversion"],
  [2, ["type"], "nonsense.happened", "$.type"],
  [2, ["type"], "model.", "$.type"],
  [2, ["time"], "yesterday", "$.time"],
  [2, ["data"], [], "$.data"],
  [2, ["data", "from", 0, "kind"], "rumour", "$.data.from[0].kind"],
  [3, [1, "state"], "dreaming", "$[1].state"],
  [3, [0], undefined, "$[0]"],
];

describe("parsers of what outlives the process", () => {
  for (const { name, parse, schema, files } of formats) {
    test(`${name}: every released version is read as it is, by the parser and by its JSON Schema`, () => {
      const validate = new Ajv2020({ strict: true, strictTypes: false, strictTuples: false }).compile(schema);
      for (const file of files) {
        expect(parse(golden(file))).toEqual(golden(file));
        expect([file, validate(golden(file)), validate.errors]).toEqual([file, true, null]);
      }
    });
  }

  test("what is wrong is refused by the parser, which names the place, and by the JSON Schema", () => {
    const validators = formats.map(({ schema }) =>
      new Ajv2020({ strictTypes: false, strictTuples: false }).compile(schema),
    );
    for (const [index, path, member, place] of wrong) {
      const { parse, files } = formats[index] as (typeof formats)[0];
      const value = changed(golden(files[0]), path, member);
      const refusal = expect.objectContaining({
        code: "CONTRACTS_VALUE_INVALID",
        message: expect.stringContaining(`at ${place}:`),
      });
      expect(() => parse(value), place).toThrow(refusal as never);
      expect([place, member, validators[index]?.(value)]).toEqual([place, member, false]);
    }
  });

  test("the message names the offending value", () => {
    const value = changed(golden("model-manifest-1"), ["files", 0, "sizeBytes"], "large");
    expect(() => parseModelManifest(value)).toThrow(
      'The model manifest is invalid at $.files[0].sizeBytes: expected number, not "large".',
    );
    expect(() => parseModelManifest(null)).toThrow("invalid at $: expected object, not null.");
  });

  test("a format of the future is refused as such, whatever else it holds", () => {
    const refusal = expect.objectContaining({ code: "CONTRACTS_FORMAT_UNSUPPORTED" });
    expect(() => parseModelManifest({ formatVersion: 2, nobody: "knows" })).toThrow(refusal as never);
    expect(() => parseDatasetRef({ ...(golden("dataset-ref-1") as object), formatVersion: 7 })).toThrow(
      "The dataset reference has formatVersion 7; the newest known is 1.",
    );
  });

  test("members an event does not know are left out, those of its data are kept", () => {
    const event = parseEvent({ ...(golden("event-1") as object), dataschema: "https://example.org" });
    expect(event).toEqual(golden("event-1"));
    expect(event.data["by"]).toBe("ann");
  });

  test("the parsers give the interfaces, not types of their own", () => {
    expectTypeOf(parseModelManifest).returns.toEqualTypeOf<ModelManifest>();
    expectTypeOf(parseDatasetRef).returns.toEqualTypeOf<DatasetRef>();
    expectTypeOf(parseEvent).returns.toEqualTypeOf<MillwrightEvent>();
    expectTypeOf(parseJobHistory).returns.toEqualTypeOf<JobHistory>();
  });
});

describe("ids and references", () => {
  const refusal = expect.objectContaining({ code: "CONTRACTS_VALUE_INVALID" }) as never;

  test("ids are taken as they are, or refused", () => {
    for (const parse of [parseRunId, parseTrialId, parseJobId]) {
      expect(parse("018f3a3c-0000-7000-8000-000000000001")).toBe("018f3a3c-0000-7000-8000-000000000001");
      for (const text of ["", "../escape", "a b", "a/b", ".hidden", "é", "x".repeat(129), 7, null]) {
        expect(() => parse(text)).toThrow(refusal);
      }
    }
  });

  test("digests are lower-case SHA-256", () => {
    expect(parseDigest(digestOf("abc"))).toBe(digestOf("abc"));
    for (const text of ["abc", digestOf("abc").toUpperCase(), `${digestOf("abc")}0`, "md5:1", 7]) {
      expect(() => parseDigest(text)).toThrow(refusal);
    }
  });

  test("a model reference is a version or an alias", () => {
    expect(parseModelRef("late/3")).toEqual({ name: "late", version: 3 });
    expect(parseModelRef("late.v2_x-y@champion")).toEqual({ name: "late.v2_x-y", alias: "champion" });
    for (const text of [
      "late",
      "late/0",
      "late/03",
      "late/-1",
      "late/1.5",
      "late/",
      "late@",
      "late@3",
      "@x",
      "/3",
      "a/b/3",
      "a@b@c",
      "",
    ]) {
      expect(() => parseModelRef(text), text).toThrow(refusal);
    }
    expect(modelRef("late@champion")).toBe("late@champion");
    expect(modelVersionRef("late", 3)).toBe("late/3");
    expect(() => modelVersionRef("late", 0)).toThrow(refusal);
    expect(featureViewRef("flights", digestOf("abc"))).toBe(`flights#${digestOf("abc")}`);
    expect(() => featureViewRef("fli#ghts", digestOf("abc"))).toThrow(refusal);
  });
});
