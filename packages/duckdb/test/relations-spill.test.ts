import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { type DuckDb, identifier, openDuckDb } from "../src/index.ts";
import { temporaryDirectory } from "./rows.ts";

/** Walks a dataset, and tells what DuckDB had on disk for it meanwhile. */
async function spilledBy(
  duckdb: DuckDb,
  dataset: Dataset,
  check: (rows: readonly (readonly unknown[])[], length: number) => void,
): Promise<{ readonly bytes: number; readonly files: ReadonlySet<string> }> {
  const files = new Set<string>();
  let bytes = 0;
  for await (const { columns, length } of dataset.batches({ batchRows: 100_000 })) {
    for await (const found of duckdb.query("SELECT path, size FROM duckdb_temporary_files()")) {
      for (const path of toArray(found.columns["path"]!)) files.add(path as string);
      bytes = Math.max(
        bytes,
        toArray(found.columns["size"]!).reduce<number>((sum, size) => sum + Number(size), 0),
      );
    }
    check(Object.values(columns).map(toArray), length);
  }
  return { bytes, files };
}

test(
  "DQ-14: joins, groups and windows beyond the memory limit spill to disk, and every row is right",
  { timeout: 300_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const spillDirectory = join(directory.path, "spill");
    await using duckdb = await openDuckDb({ memoryLimitBytes: 96 * 2 ** 20, spillDirectory, threads: 2 });
    const rows = 2_000_000;
    // 2 million times 48 bytes are more than the limit; each side comes in an order of its own.
    const side = (name: string, factor: number): Promise<Dataset> =>
      duckdb.asDataset(
        `SELECT id, id % 64 AS part, md5(id::VARCHAR) AS ${identifier(name)} FROM (SELECT (range * ${factor}) % ${rows} AS id FROM range(${rows}))`,
      );
    const fail = (row: number): never => {
      throw new Error(`row ${row} is wrong`);
    };

    let joinedRows = 0;
    const joined = await duckdb.join(await side("a", 7_919), await side("b", 104_729), { on: ["id"] });
    const joining = await spilledBy(duckdb, joined, ([ids, , a, , b], length) => {
      for (let row = 0; row < length; row += 1) if (a![row] !== b![row] || ids![row] === null) fail(joinedRows + row);
      joinedRows += length;
    });
    expect(joined.schema.map(({ name }) => name)).toEqual(["id", "part", "a", "part_right", "b"]);

    const groups = new Set<string>();
    const grouped = await duckdb.groupBy(await side("a", 7_919), {
      by: ["a"],
      aggregates: { id: { kind: "max", column: "id" }, rows: { kind: "rows" } },
    });
    const grouping = await spilledBy(duckdb, grouped, ([a, , counts], length) => {
      for (let row = 0; row < length; row += 1) if (counts![row] !== 1n) fail(groups.size + row);
      for (const each of a!) groups.add(each as string);
    });

    let windowRows = 0;
    const windowed = await duckdb.window(await side("a", 7_919), {
      partitionBy: ["part"],
      orderBy: ["id"],
      columns: {
        idBefore: { kind: "lag", column: "id" },
        before: { kind: "lag", column: "a" },
        at: { kind: "rowNumber" },
      },
    });
    const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
    const ranking = await spilledBy(duckdb, windowed, ([ids, , , idBefore, before, at], length) => {
      for (let row = 0; row < length; row += 1) {
        const id = Number(ids![row]);
        const wanted = id < 64 ? null : id - 64;
        const text = id % 97 === 0 ? (wanted === null ? null : md5(String(wanted))) : before![row];
        const found = idBefore![row] === null ? null : Number(idBefore![row]);
        if (found !== wanted || before![row] !== text || Number(at![row]) !== Math.floor(id / 64) + 1)
          fail(windowRows + row);
      }
      windowRows += length;
    });

    expect([joinedRows, groups.size, windowRows]).toEqual([rows, rows, rows]);
    for (const { bytes, files } of [joining, grouping, ranking]) {
      expect(bytes).toBeGreaterThan(2 ** 20);
      expect([...files].filter((path) => !path.startsWith(spillDirectory))).toEqual([]);
    }
  },
);
