import { createRandom, type Batch, type ColumnType } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  column,
  createSchemaObserver,
  datasetOf,
  fieldsOf,
  inferSchema,
  mergeSchemaEvidence,
  schemaFromEvidence,
  schemaOf,
  sliceBatch,
  type InferredColumn,
  type SchemaEvidence,
} from "../src/index.ts";

/** The columns of a CSV text as a reader that types nothing gives them. */
function readCsv(csv: string): Batch {
  const [header, ...lines] = csv.trimEnd().split("\n");
  const cells = lines.map((line) => line.split(","));
  const names = header!.split(",");
  return batchOf(
    Object.fromEntries(
      names.map((name, index) => [
        name,
        column(
          "utf8",
          cells.map((row) => row[index] ?? null),
        ),
      ]),
    ),
  );
}

test("DQ-3: in a file with 0.1 % bad integers, Integral is inferred and the bad rows are listed exactly", async () => {
  const random = createRandom(21);
  const rows = 20_000;
  const bad = new Map<number, string>();
  const faults = ["12x", "1.5", "true", "2013-01-01", "0042", "99999999999999999999", " 7", "n/a"];
  while (bad.size < rows / 1000) bad.set(random.integer(rows), faults[bad.size % faults.length]!);
  const empty = new Set<number>();
  while (empty.size < 30) {
    const row = random.integer(rows);
    if (!bad.has(row)) empty.add(row);
  }
  const lines = Array.from({ length: rows }, (_, row) => {
    const count = bad.get(row) ?? (empty.has(row) ? "" : String(random.integer(5000) - 100));
    return `${row},${count},${["EWR", "JFK", "LGA"][row % 3]},${(row / 8).toFixed(3)},N${row}`;
  });
  const batch = readCsv(`row,count,origin,distance,tail\n${lines.join("\n")}\n`);
  const inferred = await inferSchema(datasetOf([sliceBatch(batch, 0, 7000), sliceBatch(batch, 7000)]));
  const [row, count, origin, distance, tail] = inferred.columns as [
    InferredColumn,
    InferredColumn,
    InferredColumn,
    InferredColumn,
    InferredColumn,
  ];
  expect(count).toMatchObject({ inferredType: "Integral", type: "int64", nullable: true, missing: 30, count: 19_970 });
  expect(count.contradictions).toEqual({
    count: 20,
    rows: [...bad.keys()].sort((a, b) => a - b),
    complete: true,
  });
  expect(count.missingRows).toEqual([...empty].sort((a, b) => a - b));
  expect(count.domain).toEqual({ min: -100, max: 4899 });
  expect(count.confidence).toBeGreaterThan(0.998);
  expect(count.confidence).toBeLessThan(0.999);
  expect(row).toMatchObject({ inferredType: "Integral", nullable: false, contradictions: { count: 0 } });
  expect(origin).toMatchObject({ inferredType: "String", type: "utf8", domain: { values: ["EWR", "JFK", "LGA"] } });
  expect(distance).toMatchObject({ inferredType: "Fractional", type: "float64", domain: { min: 0, max: 2499.875 } });
  expect(tail.domain).toBeUndefined();
  expect(fieldsOf(inferred)[1]).toEqual({ name: "count", type: "int64", nullable: true });
  expect(JSON.parse(JSON.stringify(inferred))).toEqual(inferred);
});

const inferOne = async (values: readonly (string | null)[], options = {}): Promise<InferredColumn> =>
  (await inferSchema(datasetOf([batchOf({ x: column("utf8", values) })]), options)).columns[0]!;

test("each type is told from texts, and what would not read the same stays text", async () => {
  const typeOf = async (...values: string[]): Promise<string> => (await inferOne(values)).inferredType;
  expect(await typeOf("1", "-2", "+3", "9223372036854775807", "-9223372036854775808")).toBe("Integral");
  expect(await typeOf("9223372036854775808", "-9223372036854775809")).toBe("String");
  expect(await typeOf("00501", "07030")).toBe("String");
  expect(await typeOf("1", "2.5", ".5", "3.", "1e5", "-1.5E-3", "NaN", "inf", "-Infinity")).toBe("Fractional");
  expect(await typeOf("1.2.3", "1e", "--1", "0x10")).toBe("String");
  expect(await typeOf("true", "FALSE")).toBe("Boolean");
  expect(await typeOf("2024-02-29", "2013-12-31")).toBe("Date");
  expect(await typeOf("2023-02-29", "2013-13-01", "2013-00-10", "2013-01-32")).toBe("String");
  expect(
    await typeOf("2024-02-29T10:00:00Z", "2013-01-01 05:15", "2013-01-01T05:15:00.123456+05:30", "2013-01-01"),
  ).toBe("Timestamp");
  expect(await typeOf("2024-02-30T10:00:00Z", "2024-02-01T24:00:00Z")).toBe("String");
  expect(await inferOne(["", null, ""])).toMatchObject({ inferredType: "Unknown", confidence: 0, missing: 3 });
  expect(await inferOne(["NA", "1", "?"], { nullTexts: ["NA", "?"] })).toMatchObject({
    inferredType: "Integral",
    missingRows: [0, 2],
  });
});

test("columns with a type keep it", async () => {
  const types: readonly (readonly [ColumnType, string])[] = [
    ["int8", "Integral"],
    ["uint64", "Integral"],
    ["float32", "Fractional"],
    ["bool", "Boolean"],
    ["date", "Date"],
    ["timestamp", "Timestamp"],
    ["binary", "Unknown"],
  ];
  const batch = batchOf(Object.fromEntries(types.map(([type]) => [type, column(type, [null, null])])));
  const { columns } = await inferSchema(datasetOf([batch]));
  expect(columns.map(({ type, inferredType }) => [type, inferredType])).toEqual(types);
  expect(columns[0]).toMatchObject({ confidence: 1, missing: 2, nullable: true });
});

test("the share that decides can be set, and confidence is Wilson's lower bound", async () => {
  const values = Array.from({ length: 1000 }, (_, row) => (row % 400 === 7 ? "x" : String(row)));
  // Three of a thousand contradict: the interval of 3 in 1,000 is [0.0010208, 0.0087830].
  expect((await inferOne(values)).confidence).toBeCloseTo(1 - 0.008783, 6);
  expect(await inferOne(values, { minShare: 0.998 })).toMatchObject({ inferredType: "String" });
  const all = await inferOne(["1", "2"]);
  expect(all.confidence).toBeCloseTo(2 / (2 + 1.959963984540054 ** 2), 12);
  await expect(inferOne(["1"], { minShare: 0.5 })).rejects.toThrow(RangeError);
  await expect(inferOne(["1"], { maxRows: -1 })).rejects.toThrow("maxRows must be an integer from 0, not -1.");
});

test("evidence is bounded, says so, and merges to that of one look at all rows", () => {
  const random = createRandom(5);
  const values = Array.from({ length: 3000 }, () =>
    random.next() < 0.005 ? "bad" : random.next() < 0.01 ? "" : String(random.integer(60)),
  );
  const batch = batchOf({ x: column("utf8", values), y: column("float64", [...values.keys()]) });
  for (const limits of [{}, { maxRows: 5, maxTexts: 20 }]) {
    const look = (from: number, to: number): SchemaEvidence => {
      const observer = createSchemaObserver(schemaOf(batch), limits);
      observer.update(sliceBatch(batch, from, to));
      return structuredClone(observer.evidence());
    };
    const single = look(0, 3000);
    const parts = Array.from({ length: 64 }, (_, index) =>
      look(Math.floor((index * 3000) / 64), Math.floor(((index + 1) * 3000) / 64)),
    );
    expect(mergeSchemaEvidence(parts[0]!, ...parts.slice(1))).toEqual(single);
    expect(parts.reduceRight((later, earlier) => mergeSchemaEvidence(earlier, later))).toEqual(single);
    const { contradictions } = schemaFromEvidence(single).columns[0]!;
    const rows = [...values.keys()].filter((row) => values[row] === "bad");
    expect(contradictions).toEqual({
      count: rows.length,
      rows: rows.slice(0, limits.maxRows ?? 10_000),
      complete: limits.maxRows === undefined,
    });
    expect(single.columns["x"]!.texts === undefined).toBe(limits.maxTexts !== undefined);
  }
  const other = createSchemaObserver([{ name: "z", type: "utf8" }]).evidence();
  expect(() => mergeSchemaEvidence(other, createSchemaObserver(schemaOf(batch)).evidence())).toThrow("z");
});
