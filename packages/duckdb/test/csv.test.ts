import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MillwrightError } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openDuckDb, type DuckDb } from "../src/index.ts";
import type { ScanOptions } from "../src/files.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

async function rowsOf(duckdb: DuckDb, path: string, text: string, options?: ScanOptions): Promise<unknown> {
  await writeFile(path, text);
  return columnsOf((await duckdb.scan(path, options)).batches());
}

test("a row of too few or too many values is an error that names the file, never another shape of the table", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const ragged = [
    "a,b\n1,2\n3\n4,5,6,7\n",
    "a,b\n1,2\n3\n4,5\n",
    "a,b\n1,2\n3,4,5\n",
    'a,b\n1,"x\n3,4\n',
    "# made by hand\na,b\n1,2\n",
  ];
  for (const [index, text] of ragged.entries()) {
    const path = join(directory.path, `ragged-${index}.csv`);
    const schema = [{ name: "a", type: "int32" } as const, { name: "b", type: "int32" } as const];
    for (const options of [{}, { schema }]) {
      await expect(rowsOf(duckdb, path, text, options), text).rejects.toMatchObject({
        code: "DUCKDB_FILE_CORRUPT",
        category: "data",
        message: expect.stringContaining(path),
      });
    }
  }
});

test("a short row far down is told with its line and its file, also among several files", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const [good, bad] = [join(directory.path, "good.csv"), join(directory.path, "bad.csv")];
  await writeFile(good, "a,b\n1,2\n");
  await writeFile(bad, `a,b\n${"1,2\n".repeat(30_000)}3\n`);
  const read = async (): Promise<unknown> => columnsOf((await duckdb.scan([good, bad])).batches());
  const error = await read().then(
    () => undefined,
    (thrown: unknown) => thrown as MillwrightError,
  );
  expect(error?.code).toBe("DUCKDB_FILE_CORRUPT");
  expect(error?.message).toContain("Line: 30002");
  expect(error?.message).toContain(bad);
  expect(error?.message).not.toContain("strict_mode");
});

test("the delimiter goes by the ending, the first line names the columns, quotes are doubled within quotes", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = (name: string): string => join(directory.path, name);
  const quoted = 'a,b\r\n1,"x\ny"\r\n2,"say ""so"", \'now\'"\r\n';
  expect(await rowsOf(duckdb, path("a.csv"), quoted)).toEqual({ a: [1n, 2n], b: ["x\ny", "say \"so\", 'now'"] });
  expect(await rowsOf(duckdb, path("a.tsv"), "a\tb\n1\tx,y\n")).toEqual({ a: [1n], b: ["x,y"] });
  expect(await rowsOf(duckdb, path("text.csv"), "x,y\nz,w\n")).toEqual({ x: ["z"], y: ["w"] });
  expect(await rowsOf(duckdb, path("hash.csv"), "a,b\n#1,2\n3,4\n")).toEqual({ a: ["#1", "3"], b: [2n, 4n] });
});

test("the caller may say otherwise", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "other.csv");
  const options = { delimiter: ";", quote: "'", header: false, nullText: "-" };
  expect(await rowsOf(duckdb, path, "1;'x;y'\n-;z\n", options)).toEqual({ column0: [1n, null], column1: ["x;y", "z"] });
  expect(await rowsOf(duckdb, path, 'a,b\n1,5" pipe\n', { quote: "" })).toEqual({ a: [1n], b: ['5" pipe'] });
});
