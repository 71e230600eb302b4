// A slow exact join: for each label of the sample every row of its entity is looked at.
import { toArray } from "../../packages/data/dist/index.js";
import { FEATURES, VIEWS } from "./generate.mjs";

const DAY_US = 86_400_000_000n;

async function rowsOf(duckdb, sql) {
  const rows = [];
  for await (const batch of duckdb.query(sql)) {
    const columns = Object.entries(batch.columns).map(([name, column]) => [name, toArray(column)]);
    for (let row = 0; row < batch.length; row++) {
      rows.push(Object.fromEntries(columns.map(([name, values]) => [name, values[row]])));
    }
  }
  return rows;
}

/** The right answers: by label number one text of all features. */
export async function expectedAnswers(duckdb, { views, labels }) {
  const wanted = await rowsOf(duckdb, `SELECT number, id, ts FROM read_parquet('${labels[0]}') ORDER BY number`);
  const answers = wanted.map(() => []);
  for (const [index, { ttlDays }] of VIEWS.entries()) {
    const rows = await rowsOf(
      duckdb,
      `SELECT * FROM read_parquet('${views[index]}') WHERE id IN (SELECT id FROM read_parquet('${labels[0]}'))`,
    );
    const byEntity = Map.groupBy === undefined ? groupBy(rows) : Map.groupBy(rows, ({ id }) => id);
    for (const [place, { id, ts }] of wanted.entries()) {
      let best;
      for (const row of byEntity.get(id) ?? []) {
        if (row.event_ts > ts || (ttlDays !== undefined && ts - row.event_ts >= BigInt(ttlDays) * DAY_US)) continue;
        const isLater = best === undefined || row.event_ts > best.event_ts;
        if (isLater || (row.event_ts === best.event_ts && row.created_ts > best.created_ts)) best = row;
      }
      answers[place].push(...FEATURES.map((name) => best?.[name] ?? null));
    }
  }
  return answers.map((values) => values.map(String).join("|"));
}

function groupBy(rows) {
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(row.id)) groups.set(row.id, []);
    groups.get(row.id).push(row);
  }
  return groups;
}

/** How many of a program's answers differ. @param path What it wrote: `number`, and `<view>__<feature>` for all. */
export async function countDifferent(duckdb, path, expected) {
  const columns = VIEWS.flatMap(({ name }) => FEATURES.map((feature) => `"${name}__${feature}"`));
  const rows = await rowsOf(
    duckdb,
    `SELECT number, ${columns.join(", ")} FROM read_parquet('${path}') ORDER BY number`,
  );
  if (rows.length !== expected.length) return expected.length;
  const plain = (value) => (typeof value === "number" && Number.isNaN(value) ? null : value);
  const textOf = (row) => columns.map((name) => String(plain(row[name.slice(1, -1)]))).join("|");
  return rows.filter((row, index) => textOf(row) !== expected[index]).length;
}
