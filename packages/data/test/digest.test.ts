import { createHash } from "node:crypto";
import { createRandom, type Batch, type Column } from "@millwright/contracts";
import { expect, test } from "vitest";
import { textColumn } from "../src/column.ts";
import { batchOf, column, createBatchDigester, datasetOf, digestBatches, schemaOf, sliceBatch } from "../src/index.ts";
import { allTypes } from "./batches.ts";

const digestOf = (batches: readonly Batch[]): Promise<string> => digestBatches(schemaOf(batches[0]!), batches);
const one = (each: Column): Promise<string> => digestOf([batchOf({ a: each })]);

test("the digest does not depend on how rows fall into batches", async () => {
  const { batch } = allTypes(103);
  const whole = await digestOf([batch]);
  const random = createRandom(7);
  for (let round = 0; round < 20; round += 1) {
    const parts: Batch[] = [];
    for (let start = 0; start < batch.length;) {
      const end = Math.min(batch.length, start + random.integer(20));
      parts.push(sliceBatch(batch, start, end));
      start = end;
    }
    expect(await digestOf(parts)).toBe(whole);
  }
  expect(await datasetOf([batch]).digest()).toBe(whole);
});

test("what lies under nulls, after the rows and after the bits leaves no trace", async () => {
  const clean: Column = { type: "int32", length: 3, values: Int32Array.of(1, 0, 3), validity: Uint8Array.of(0b101) };
  const dirty: Column = {
    type: "int32",
    length: 3,
    values: Int32Array.of(1, 77, 3, 99),
    validity: Uint8Array.of(0b11111101),
  };
  expect(await one(dirty)).toBe(await one(clean));
  const text: Column = {
    type: "utf8",
    length: 2,
    offsets: Int32Array.of(0, 1, 1),
    values: Uint8Array.of(65),
    validity: Uint8Array.of(0b01),
  };
  const garbage: Column = {
    type: "utf8",
    length: 2,
    offsets: Int32Array.of(1, 2, 3),
    values: Uint8Array.of(64, 65, 66),
    validity: Uint8Array.of(0b01),
  };
  expect(await one(garbage)).toBe(await one(text));
  const bools: Column = { type: "bool", length: 2, values: Uint8Array.of(0b01), validity: Uint8Array.of(0b01) };
  expect(await one({ ...bools, values: Uint8Array.of(0b11111111) })).toBe(await one(bools));
  expect(await one({ type: "int32", length: 1, values: Int32Array.of(4), validity: Uint8Array.of(1) })).toBe(
    await one(column("int32", [4])),
  );
  const list: Column = {
    type: "list",
    length: 2,
    offsets: Int32Array.of(0, 2, 3),
    values: column("int8", [1, 2, 3]),
    validity: Uint8Array.of(0b10),
  };
  expect(await one(list)).toBe(await one(column("list", [null, [3]], { items: "int8" })));
});

test("text is the same content as a dictionary, and every NaN the same", async () => {
  const texts = ["a", null, "b", "a"];
  expect(await one(column("dictionary", texts))).toBe(await one(column("utf8", texts)));
  const odd = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer);
  expect(await one({ type: "float64", length: 1, values: odd })).toBe(await one(column("float64", [Number.NaN])));
});

test("any other difference shows", async () => {
  const differing: readonly Column[] = [
    column("int32", [1, 2]),
    column("int32", [2, 1]),
    column("int32", [1, 2, 0]),
    column("int32", [1, null]),
    column("int32", [null, 1]),
    column("int32", [1, 0]),
    column("uint32", [1, 2]),
    column("float64", [0]),
    column("float64", [-0]),
    column("utf8", ["ab", "c"]),
    column("utf8", ["a", "bc"]),
    column("utf8", ["a", "bc", ""]),
    column("utf8", ["a", "bc", null]),
    column("binary", [Uint8Array.of(97), Uint8Array.of(98, 99)]),
    column("list", [[1], [2, 3]], { items: "int32" }),
    column("list", [[1, 2], [3]], { items: "int32" }),
    column("list", [[1, 2], [null]], { items: "int32" }),
  ];
  const digests = await Promise.all(differing.map(one));
  expect(new Set(digests).size).toBe(differing.length);
  expect(await digestOf([batchOf({ b: [1] })])).not.toBe(await digestOf([batchOf({ a: [1] })]));
});

test("the digest is that of a second implementation, written down here", async () => {
  const sha = (...parts: readonly (string | Uint8Array)[]): Buffer => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const nulls = new Uint8Array(Float64Array.of(1).buffer);
  const values = new Uint8Array(Int32Array.of(7, 0, -1).buffer);
  const columnDigest = sha(sha(values), sha(), sha(nulls), "").toString("hex");
  const wanted = sha(JSON.stringify(["millwright-columns-1", 3, [["n", "int32", columnDigest]]])).toString("hex");
  expect(await digestOf([batchOf({ n: column("int32", [7, null, -1]) })])).toBe(`sha256:${wanted}`);
});

test("a column whose memory is shorter than its length is refused, and leaves the digest as it was", () => {
  const good = batchOf({ a: column("int32", [1, 2, 3]) });
  const digester = createBatchDigester(schemaOf(good));
  digester.update(good);
  const length = 3;
  const short: readonly (readonly [Column, RegExp])[] = [
    [{ type: "int32", length: 2 ** 53, values: Int32Array.of(1) }, /length .* is 9007199254740992/],
    [{ type: "int32", length: -1, values: Int32Array.of(1) }, /length .* is -1/],
    [{ type: "float64", length: 2 ** 40, values: Float64Array.of(1, 2) }, /values .* have 2 elements/],
    [{ type: "int32", length, values: Int32Array.of(1, 2, 3), validity: new Uint8Array(0) }, /validity/],
    [{ type: "bool", length: 9, values: Uint8Array.of(1) }, /values/],
    [{ type: "utf8", length, values: Uint8Array.of(65), offsets: Int32Array.of(0, 1) }, /offsets .* have 2 elements/],
    [
      { type: "utf8", length: 1, values: Uint8Array.of(65), offsets: Int32Array.of(0, 2 ** 31 - 1) },
      /offset 2147483647/,
    ],
    [{ type: "binary", length: 2, values: Uint8Array.of(65), offsets: Int32Array.of(0, 1, 0) }, /offset 0 at row 2/],
    [
      { type: "list", length: 1, offsets: Int32Array.of(0, 5), values: column("int32", [1, 2]) },
      /offset 5 .* outside 0 to 2/,
    ],
    [
      {
        type: "dictionary",
        length: 1,
        values: Int32Array.of(0),
        dictionary: { ...textColumn(["a"]), length: 2 ** 40 },
      },
      /a\.dictionary/,
    ],
  ];
  for (const [each, message] of short) {
    const update = (): void =>
      createBatchDigester([{ name: "a", type: each.type }]).update({ length: each.length, columns: { a: each } });
    expect(update).toThrow(RangeError);
    expect(update).toThrow(message);
  }
  const huge = { length: 3, columns: { a: { type: "int32", length: 2 ** 53, values: Int32Array.of(1) } as Column } };
  expect(() => digester.update(huge)).toThrow(RangeError);
  expect(() => digester.update({ length: 4, columns: good.columns })).toThrow(/has 3 rows, where 4 are needed/);
  expect(() => digester.update({ length: 3, columns: { a: {} as Column } })).toThrow(TypeError);
  const other = createBatchDigester(schemaOf(good));
  other.update(good);
  expect(digester.digest()).toBe(other.digest());
});
