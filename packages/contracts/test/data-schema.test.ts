import {
  binary,
  bool,
  columnKinds,
  date,
  defineSchema,
  dictionary,
  float32,
  float64,
  hasCode,
  int32,
  int64,
  int8,
  list,
  openInferenceTensors,
  parseRow,
  rowJsonSchema,
  type RowOf,
  sageMakerFeatures,
  timestamp,
  uint64,
  utf8,
} from "@millwright/contracts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, expectTypeOf, test } from "vitest";
import { typeErrors } from "./type-check.ts";

const flights = defineSchema({
  flight: int64(),
  carrier: dictionary({ values: ["AA", "UA"] }),
  origin: utf8({ nullable: true }),
  distance: float64({ minimum: 0, unit: "mile", description: "Great circle." }),
  delay: float32({ nullable: true }),
  seats: int32({ maximum: 900 }),
  gate: int8({ kind: "categorical" }),
  ticket: uint64(),
  diverted: bool(),
  day: date(),
  departed: timestamp(),
  photo: binary({ nullable: true }),
  stops: list("utf8"),
  note: utf8({ kind: "text" }),
});

/** As JSON carries a good row. */
const good = {
  flight: "9223372036854775807",
  carrier: "AA",
  origin: "JFK",
  distance: 2475,
  delay: -3.5,
  seats: 180,
  gate: 12,
  ticket: 7,
  diverted: false,
  day: "2024-05-01",
  departed: "2024-05-01T12:00:00.250Z",
  photo: "AAEC",
  stops: ["ORD"],
  note: "on time",
};

/** Rows that are wrong in one field. Each is wrong for the validator in memory and for the JSON Schema. */
const wrong: readonly (readonly [string, unknown])[] = [
  ["flight", "9223372036854775808n"],
  ["flight", 1.5],
  ["flight", 2 ** 53],
  ["carrier", "ZZ"],
  ["carrier", null],
  ["origin", 3],
  ["distance", "far"],
  ["distance", -1],
  ["distance", "-Infinity"],
  ["delay", true],
  ["delay", 3.5e38],
  ["seats", 901],
  ["seats", 1.5],
  ["seats", "12"],
  ["gate", 128],
  ["ticket", -1],
  ["ticket", "-1"],
  ["diverted", 0],
  ["day", "2024-13-01"],
  ["departed", "2024-05-01T12:00:00"],
  ["departed", "2024-05-01T12:00:00+02:00"],
  ["photo", "not base64!"],
  ["stops", "ORD"],
  ["stops", [1]],
  ["note", undefined],
  ["unknown", 1],
];

const program = (row: string): string => `
import { bool, defineSchema, float64, int64, dictionary, utf8, type RowOf } from "@millwright/contracts";
const schema = defineSchema({ distance: float64(), seats: int64(), carrier: dictionary({ values: ["AA", "UA"] }), origin: utf8({ nullable: true }), late: bool() });
export const row: RowOf<typeof schema> = ${row};
`;

describe("a schema declared once", () => {
  test("CT-1: gives a static type, a validator, a JSON Schema, SageMaker features, inference tensors and column kinds that agree", async () => {
    // The static type: tsc itself refuses the wrong rows, and only these.
    const fields = { distance: "1.5", seats: "12n", carrier: '"AA"', origin: "null", late: "true" };
    const row = (changes: Partial<typeof fields>): string =>
      `{ ${Object.entries({ ...fields, ...changes })
        .map(([name, text]) => `${name}: ${text}`)
        .join(", ")} }`;
    const wrongRows = [
      { distance: '"far"' },
      { seats: "12.5" },
      { carrier: '"ZZ"' },
      { origin: "3" },
      { late: "null" },
    ];
    const [none, ...each] = await typeErrors([{}, ...wrongRows].map((changes) => program(row(changes))));
    expect(none).toEqual([]);
    expect(each).toEqual(wrongRows.map(() => [expect.stringMatching(/TS2322$/)]));

    // The validator refuses the same, and the JSON Schema does in the eyes of an independent validator.
    const validate = new Ajv2020({ strict: true, allErrors: true }).compile(rowJsonSchema(flights));
    const accepts = (value: unknown): boolean => flights["~standard"].validate(value).issues === undefined;
    expect(validate(good)).toBe(true);
    expect(accepts(good)).toBe(true);
    for (const [name, value] of wrong) {
      const changed = { ...good, [name]: value };
      expect([name, value, accepts(changed)]).toEqual([name, value, false]);
      expect([name, value, validate(changed)]).toEqual([name, value, false]);
    }
    const names = Object.keys(flights.declarations);
    expect(sageMakerFeatures(flights).map(({ FeatureName }) => FeatureName)).toEqual(names);
    expect(openInferenceTensors(flights).map(({ name }) => name)).toEqual(names);
    expect(Object.keys(columnKinds(flights))).toEqual(names);
    expect(flights.fields.map(({ name }) => name)).toEqual(names);
  }, 600_000);

  test("reads a row from JSON into memory exactly", () => {
    expect(parseRow(flights, good)).toEqual({
      ...good,
      flight: 9_223_372_036_854_775_807n,
      ticket: 7n,
      day: 19_844,
      departed: 1_714_564_800_250_000n,
      photo: Uint8Array.of(0, 1, 2),
    });
    const { origin: _origin, photo: _photo, ...rest } = good;
    const sparse = parseRow(flights, { ...rest, delay: "NaN", distance: "Infinity" });
    expect([sparse.origin, sparse.photo, sparse.delay, sparse.distance]).toEqual([null, null, Number.NaN, Infinity]);
  });

  test("has the types of its rows", () => {
    type Row = RowOf<typeof flights>;
    expectTypeOf<Row["flight"]>().toEqualTypeOf<bigint>();
    expectTypeOf<Row["carrier"]>().toEqualTypeOf<"AA" | "UA">();
    expectTypeOf<Row["origin"]>().toEqualTypeOf<string | null>();
    expectTypeOf<Row["distance"]>().toEqualTypeOf<number>();
    const perhaps = defineSchema({ a: utf8({ nullable: process.argv.length > 0 }), b: utf8({ unit: "x" }), c: utf8() });
    expectTypeOf<RowOf<typeof perhaps>>().toEqualTypeOf<{
      readonly a: string | null;
      readonly b: string;
      readonly c: string;
    }>();
    expectTypeOf<Row["stops"]>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<Row["photo"]>().toEqualTypeOf<Uint8Array | null>();
  });

  test("names the field that is wrong, its value and what was expected", () => {
    const error = (() => {
      try {
        return parseRow(flights, { ...good, seats: 901 });
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(hasCode(error, "CONTRACTS_VALUE_INVALID")).toBe(true);
    expect(String(error)).toContain("invalid at $.seats: expected an integer of at most 900, not 901.");
    expect(() => parseRow(flights, null)).toThrow("invalid at $: expected an object, not null.");
  });

  test("is a Standard Schema that tells every issue with its path", () => {
    const result = flights["~standard"].validate({ ...good, seats: "many", stops: [1], extra: 1 });
    expect(result.issues?.map(({ path }) => path)).toEqual([["seats"], ["stops"], ["extra"]]);
  });

  test("becomes SageMaker features", () => {
    const types = Object.fromEntries(sageMakerFeatures(flights).map((feature) => [feature.FeatureName, feature]));
    expect(types["flight"]).toEqual({ FeatureName: "flight", FeatureType: "Integral" });
    expect(types["distance"]).toEqual({ FeatureName: "distance", FeatureType: "Fractional" });
    expect(types["carrier"]).toEqual({ FeatureName: "carrier", FeatureType: "String" });
    expect(types["departed"]).toEqual({ FeatureName: "departed", FeatureType: "String" });
    expect(types["stops"]).toEqual({ FeatureName: "stops", FeatureType: "String", CollectionType: "List" });
    expect(() => sageMakerFeatures(defineSchema({ is_deleted: bool() }))).toThrow("keeps this name");
    expect(() => sageMakerFeatures(defineSchema({ späť: bool() }))).toThrow("SageMaker takes letters");
  });

  test("becomes inputs of the Open Inference Protocol", () => {
    const tensors = Object.fromEntries(openInferenceTensors(flights).map(({ name, ...tensor }) => [name, tensor]));
    expect(tensors["flight"]).toEqual({ datatype: "INT64", shape: [-1] });
    expect(tensors["distance"]).toEqual({ datatype: "FP64", shape: [-1] });
    expect(tensors["delay"]).toEqual({ datatype: "FP32", shape: [-1] });
    expect(tensors["diverted"]).toEqual({ datatype: "BOOL", shape: [-1] });
    expect(tensors["carrier"]).toEqual({ datatype: "BYTES", shape: [-1] });
    expect(tensors["departed"]).toEqual({ datatype: "INT64", shape: [-1] });
    expect(tensors["stops"]).toEqual({ datatype: "BYTES", shape: [-1, -1] });
  });

  test("tells the kind of each column, as declared or by its type", () => {
    expect(columnKinds(flights)).toMatchObject({
      distance: "numeric",
      gate: "categorical",
      carrier: "categorical",
      diverted: "categorical",
      departed: "time",
      day: "time",
      note: "text",
      photo: "opaque",
    });
  });

  test("has the fields of columns, and a digest that follows every word of it", () => {
    expect(flights.fields[0]).toEqual({ name: "flight", type: "int64", nullable: false });
    expect(flights.fields[12]).toEqual({ name: "stops", type: "list", items: "utf8", nullable: false });
    const one = defineSchema({ a: utf8(), b: utf8() });
    expect(defineSchema({ a: utf8(), b: utf8() }).digest).toBe(one.digest);
    expect(defineSchema({ b: utf8(), a: utf8() }).digest).not.toBe(one.digest);
    expect(defineSchema({ a: utf8(), b: utf8({ nullable: true }) }).digest).not.toBe(one.digest);
  });

  test("refuses declarations that cannot hold", () => {
    const code = expect.objectContaining({ code: "CONTRACTS_SCHEMA_INVALID" });
    expect(() => defineSchema({ "": utf8() })).toThrow(code);
    expect(() => defineSchema({ 7: utf8() })).toThrow(code);
    expect(() => defineSchema({ a: float64({ minimum: 2, maximum: 1 }) })).toThrow(code);
    expect(() => defineSchema({ a: dictionary({ values: [] }) })).toThrow(code);
    expect(() => defineSchema({ a: dictionary({ values: ["x", "x"] }) })).toThrow(code);
  });
});
