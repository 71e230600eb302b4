// Writes and batch rows of `openPostgres` against the same in bare `pg`, on a server that the caller has started.
// node benchmarks/storage/postgres.mjs postgres://user@127.0.0.1:5432/database [rounds]
import { createRequire } from "node:module";
import { openPostgres } from "../../packages/storage/dist/index.js";

const require = createRequire(new URL("../../packages/storage/package.json", import.meta.url));
const pg = require("pg");
const [, , connectionString, rounds = "6"] = process.argv;
const pool = new pg.Pool({ connectionString, max: 10 });
const database = await openPostgres({ pool, schema: "benchmark" });
await database.migrate("benchmark", [
  {
    name: "001",
    up: (sql) =>
      sql.schema
        .createTable("points")
        .addColumn("series", "integer")
        .addColumn("step", "integer")
        .addColumn("value", "real")
        .execute(),
    down: (sql) => sql.schema.dropTable("points").execute(),
  },
]);

const writes = 200;
const batchRows = 100_000;
const rows = Array.from({ length: batchRows }, (_, step) => [step % 50, step, step / 7]);
const insert = "insert into benchmark.points (series, step, value) values ";

async function bareWrite(index) {
  const client = await pool.connect();
  await client.query("begin");
  await client.query(`${insert}($1, $2, $3)`, [1, index, 0.5]);
  await client.query("commit");
  client.release();
}

const manyRows = (count) =>
  Array.from({ length: count }, (_, row) => `($${row * 3 + 1}, $${row * 3 + 2}, $${row * 3 + 3})`).join(",");

async function bareRows() {
  const client = await pool.connect();
  await client.query("begin");
  const text = insert + manyRows(1000);
  for (let start = 0; start < batchRows; start += 1000)
    await client.query(text, rows.slice(start, start + 1000).flat());
  await client.query("commit");
  client.release();
}

const ourWrite = (step) =>
  database.write(({ sql }) => sql.insertInto("points").values({ series: 1, step, value: 0.5 }).execute());
const ourBatch = (step) => database.writeBatch([{ sql: `${insert}(?, ?, ?)`, parameters: [1, step, 0.5] }]);
const ourRows = () => database.writeBatch([{ sql: `${insert}(?, ?, ?)`, rows }]);

const oneAfterAnother = (call) => async () => {
  for (let index = 0; index < writes; index += 1) await call(index);
};
const together = (call) => () => Promise.all(Array.from({ length: writes }, (_, index) => call(index)));

const tasks = [
  ["write, one after another", writes, oneAfterAnother(ourWrite), oneAfterAnother(bareWrite)],
  ["writeBatch, one after another", writes, oneAfterAnother(ourBatch), oneAfterAnother(bareWrite)],
  ["write, together", writes, together(ourWrite), together(bareWrite)],
  ["writeBatch, together", writes, together(ourBatch), together(bareWrite)],
  ["writeBatch, 100,000 rows", batchRows, ourRows, bareRows],
];

async function timed(work) {
  await database.writeBatch([{ sql: "truncate benchmark.points" }]);
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await work();
  const wallMs = Number(process.hrtime.bigint() - start) / 1e6;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

for (const [name, count, ours, bare] of tasks) {
  const found = { ours: [], bare: [] };
  await timed(ours);
  await timed(bare);
  for (let round = 0; round < Number(rounds); round += 1) {
    const order = round % 2 === 0 ? ["ours", "bare"] : ["bare", "ours"];
    for (const side of order) found[side].push(await timed(side === "ours" ? ours : bare));
  }
  const per = (side, of) => median(found[side].map((each) => each[of]));
  const rate = (side) => Math.round((count / per(side, "wallMs")) * 1000);
  const cpu = (side) => ((per(side, "cpuMs") / count) * 1000).toFixed(1);
  console.log(
    `| ${name} | ${rate("ours")} | ${rate("bare")} | ${(per("bare", "wallMs") / per("ours", "wallMs")).toFixed(2)} | ${cpu("ours")} | ${cpu("bare")} |`,
  );
}
await database[Symbol.asyncDispose]();
await pool.end();
