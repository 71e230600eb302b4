// The tables that all contenders read: mixed columns with 3 % nulls each, as Parquet and as an Arrow IPC stream. In every tenth column the current side is shifted by a tenth
// of a standard deviation. Made once and kept while the folder is there.
import { existsSync, renameSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { createIpcWriter } from "../../packages/data/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";

const batchRows = 8192;

/** The kind of the column at a place: three of five are numbers. */
export const kindOf = (at) => ["normal", "heavy", "integer", "few", "many"][at % 5];
export const isCategory = (at) => at % 5 >= 3;
export const nameOf = (at) => `c${at}_${kindOf(at)}`;

/** A uniform number in (0, 1) of a row and a column, the same on every machine. */
const uniform = (at, salt) => `((hash(i * 4099 + ${at}, ${salt}) % 1000003) + 0.5) / 1000004`;

function expressionOf(at, side) {
  const salt = side === "reference" ? 1 : 2;
  const shift = side === "current" && at % 10 === 0 ? 0.1 : 0;
  const u = uniform(at, salt);
  const normal = `sqrt(-2 * ln(${u})) * cos(2 * pi() * ${uniform(at, salt + 10)})`;
  const value = {
    normal: `${normal} + ${shift}`,
    heavy: `exp(1.2 * (${normal}) + ${shift})`,
    integer: `CAST(floor(1000 * ${u}) AS INTEGER)`,
    few: `'level-' || CAST(floor(20 * (${u}) * (${u})) AS INTEGER)`,
    many: `'category-' || CAST(floor(200 * (${u}) * (${u})) AS INTEGER)`,
  }[kindOf(at)];
  return `CASE WHEN ${uniform(at, salt + 20)} < 0.03 THEN NULL ELSE ${value} END AS ${nameOf(at)}`;
}

/** @returns the paths of both sides in both formats. */
export async function makeTables(folder, rows, columns) {
  const paths = {};
  for (const side of ["reference", "current"]) {
    const base = join(folder, `${side}-${rows}x${columns}`);
    paths[side] = { parquet: `${base}.parquet`, arrow: `${base}.arrows` };
    if (existsSync(paths[side].arrow)) continue;
    const duckdb = await openDuckDb({ memoryLimitBytes: 4 * 2 ** 30 });
    const expressions = Array.from({ length: columns }, (_, at) => expressionOf(at, side));
    await duckdb.writeParquet(`SELECT ${expressions.join(", ")} FROM range(${rows}) AS r(i)`, paths[side].parquet);
    const dataset = await duckdb.scan(paths[side].parquet);
    const write = createIpcWriter(dataset.schema.map(({ name, type }) => ({ name, type })));
    const file = await open(`${base}.part`, "w");
    // Of each stream but the first the schema's message goes, and of each but the last the end.
    let head;
    for await (const batch of dataset.batches({ batchRows })) {
      const bytes = write(batch);
      const schemaEnd = 8 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(4, true);
      await file.write(bytes.subarray(head === undefined ? 0 : schemaEnd, bytes.length - 8));
      head = true;
    }
    await file.write(Buffer.from([255, 255, 255, 255, 0, 0, 0, 0]));
    await file.close();
    await duckdb[Symbol.asyncDispose]();
    renameSync(`${base}.part`, paths[side].arrow);
  }
  return paths;
}
