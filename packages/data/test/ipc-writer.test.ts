import { type Batch, type ColumnType, createRandom } from "@millwright/contracts";
import { tableFromIPC } from "apache-arrow";
import { expect, test } from "vitest";
import { batchOf, column, createIpcWriter, fromIpc, schemaOf, sliceBatch, toArray, toIpc } from "../src/index.ts";

const random = createRandom(3);
const cells: Readonly<Record<Exclude<ColumnType, "list" | "dictionary">, () => number | bigint | boolean | string>> = {
  int8: () => random.integer(256) - 128,
  int16: () => random.integer(1000),
  int32: () => -random.integer(2 ** 31),
  int64: () => BigInt(random.integer(2 ** 31)) * -(2n ** 31n),
  uint8: () => random.integer(256),
  uint16: () => random.integer(2 ** 16),
  uint32: () => random.integer(2 ** 32 - 1),
  uint64: () => BigInt(random.integer(2 ** 31)) * 2n ** 32n,
  float32: () => Math.fround(random.normal()),
  float64: () => random.normal(),
  date: () => random.integer(20_000),
  timestamp: () => BigInt(random.integer(2 ** 31)) * 1_000_000n,
  bool: () => random.next() < 0.5,
  utf8: () => "ü€😀x".repeat(random.integer(4)),
  binary: () => "bytes",
};

/** Every type twice: without nulls, and with some. */
function rows(length: number): Batch {
  const columns = Object.entries(cells).flatMap(([type, cell]) =>
    [0, 0.3].map((nulls) => {
      const values = Array.from({ length }, () => {
        if (random.next() < nulls) return null;
        return type === "binary" ? new TextEncoder().encode(String(cell())) : cell();
      });
      return [`${type} ${nulls}`, column(type as ColumnType, values)] as const;
    }),
  );
  return batchOf(Object.fromEntries(columns));
}
const plain = ({ columns }: Batch) =>
  Object.fromEntries(Object.entries(columns).map(([name, each]) => [name, [each.type, toArray(each)]]));

test("a writer of one schema writes streams that are read as those of toIpc are, by us and by apache-arrow", () => {
  const write = createIpcWriter(schemaOf(rows(1)));
  for (const length of [0, 1, 7, 8, 9, 100]) {
    const batch = rows(length);
    const stream = write(batch);
    expect(stream.length % 8).toBe(0);
    const [read] = fromIpc(stream);
    expect(read?.length).toBe(length);
    expect(plain(read!)).toEqual(plain(batch));
    const [table, other] = [tableFromIPC(stream), tableFromIPC(toIpc(batch))];
    expect(String(table.schema)).toBe(String(other.schema));
    expect(table.toString()).toBe(other.toString());
    expect(table.getChild("utf8 0.3")?.nullCount).toBe(other.getChild("utf8 0.3")?.nullCount);
  }
});

test("a writer takes batches that are parts of others, keeps those with lists, and refuses those of another schema", () => {
  const batch = rows(100);
  const write = createIpcWriter(schemaOf(batch));
  const part = sliceBatch(batch, 16, 50);
  expect(plain(fromIpc(write(part))[0]!)).toEqual(plain(part));
  const lists = batchOf({
    a: column("list", [[1, 2], null], { items: "float64" }),
    b: column("dictionary", ["x", "y"]),
  });
  expect(plain(fromIpc(createIpcWriter(schemaOf(lists))(lists))[0]!)).toEqual(plain(lists));
  expect(() => write(lists)).toThrow(expect.objectContaining({ code: "DATA_SCHEMA_MISMATCH" }) as Error);
  const other = createIpcWriter([{ name: "a", type: "float64" }]);
  expect(() => other(batchOf({ a: Int32Array.of(1) }))).toThrow("int32");
});
