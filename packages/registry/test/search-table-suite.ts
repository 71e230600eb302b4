import { createRandom, type ManualClock, type Random } from "@millwright/contracts";
import type { Registry } from "@millwright/registry";
import { expect } from "vitest";
import {
  type ModelComparison,
  type ModelCondition,
  type ModelOrder,
  type ModelRun,
  holds,
  sortRuns,
  valueOf,
  writeCondition,
  writeOrder,
} from "./search-model.ts";
import { startMs } from "./workshop.ts";

const pick = <Value>(values: readonly Value[], random: Random): Value => values[random.integer(values.length)] as Value;

const metricNames = ["loss", "val.loss", "a b", "Ünïcode ☃", `quo"te's`];
const metricValues = [0, -0, 0.5, 1, 1.5, -2, Infinity, -Infinity, Number.NaN, 1e300, 5e-324];
const paramNames = ["lr", "model.layers", "optimizer", "`tick`"];
const paramValues = [
  "adam",
  "ADAM",
  "Straße",
  "straSSe",
  "it's",
  `say "hi"`,
  "100%",
  "a_b",
  "a*b[c]?",
  "0.1",
  " 7 ",
  "",
  "NaN",
  "日本語",
  "💥",
];
const paramNumbers = [0.1, 0.01, 7, -0, 1e21, Number.NaN, Infinity];
const tagNames = ["team", "mlflow.note.content", "x; drop table registry_runs"];
const injections = [
  "' or 1=1 --",
  `'; drop table registry_runs; --`,
  `" or ""="`,
  "\\' or 1=1",
  "%' escape '%",
  "${1+1}",
  "?1",
  "$1",
];
const tagValues = ["mill", "Mill", "MILL", "ürban", "ÜRBAN", ...injections, "x".repeat(300), `${"x".repeat(300)}y`];
const names = ["first", "First", "second", "a%b", "__proto__", "it's"];

/** Runs with whatever may go wrong, written through the registry, and what the naive filter knows of them. */
async function writeRuns(registry: Pick<Registry, "startRun">, clock: ManualClock, count: number, random: Random) {
  const runs: ModelRun[] = [];
  for (let index = 0; index < count; index += 1) {
    const some = <Value>(keys: readonly string[], make: () => Value): Map<string, Value> =>
      new Map(keys.filter(() => random.integer(10) < 6).map((key) => [key, make()]));
    const metrics = some(metricNames, () =>
      Array.from({ length: 1 + random.integer(3) }, () => pick(metricValues, random)),
    );
    const params = some<string | number>(paramNames, () =>
      pick<string | number>([...paramValues, ...paramNumbers], random),
    );
    const tags = some(tagNames, () => pick(tagValues, random));
    const name = pick(names, random);
    const startedBy = random.integer(2) === 0 ? undefined : pick(["ann", "Bob"], random);
    const run = await registry.startRun({ experiment: "late", name, tags: Object.fromEntries(tags), by: startedBy });
    run.logParams(Object.fromEntries(params));
    for (const [metric, values] of metrics)
      run.logMetrics(values.map((value, step) => ({ name: metric, value, step })));
    const status = pick(["running", "finished", "failed"] as const, random);
    const startedMs = clock.nowMs();
    if (random.integer(3) > 0) await clock.advance(random.integer(3));
    await (status === "running" ? run.flush() : run.end(status));
    const endedMs = status === "running" ? undefined : clock.nowMs();
    runs.push({ id: run.id, name, status, startedMs, endedMs, startedBy, metrics, params, tags });
  }
  return runs;
}

const entities = [
  "metrics",
  "metrics",
  "min_metrics",
  "max_metrics",
  "params",
  "params",
  "tags",
  "attributes",
] as const;
const textAttributes = ["run_id", "run_name", "status", "user_id"];
const numeric = ["=", "!=", "<", "<=", ">", ">="];

function keyOf(entity: ModelComparison["entity"], random: Random): string {
  if (entity === "params") return pick([...paramNames, "absent"], random);
  if (entity === "tags") return pick([...tagNames, "absent"], random);
  if (entity === "attributes") return pick([...textAttributes, "start_time", "end_time"], random);
  return pick([...metricNames, "absent"], random);
}

/** A value that stands in some run, and often a little beside it. */
function comparisonOf(runs: readonly ModelRun[], random: Random): ModelComparison {
  const entity = pick(entities, random);
  const key = keyOf(entity, random);
  const known = valueOf(pick(runs, random), { entity, key });
  const isTime = key === "start_time" || key === "end_time";
  const isNumber = entity.endsWith("metrics") || (entity === "attributes" && isTime);
  if (isNumber || (entity === "params" && random.integer(2) === 0)) {
    const value = isTime
      ? Number(known ?? startMs) + pick([0, 0.5, 1, -1, 1e20, -1e20], random)
      : pick([...(entity === "params" ? [0.1, 0.01, 7, -0, 1e21] : metricValues)], random);
    return { entity, key, operator: pick(numeric, random), value };
  }
  const text = String(known ?? pick([...paramValues, ...injections], random));
  const operator = pick(["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"], random);
  if (operator.endsWith("IN")) return { entity, key, operator, value: [text, pick(tagValues, random)] };
  if (!operator.endsWith("LIKE")) return { entity, key, operator, value: text };
  const characters = Array.from(text);
  const cut = random.integer(characters.length + 1);
  const swap = random.integer(2) === 0 ? text.toUpperCase() : text;
  const patterns = [
    `${characters.slice(0, cut).join("")}%`,
    `%${characters.slice(cut).join("")}`,
    swap,
    `_${characters.slice(1).join("")}`,
    `%${characters[cut] ?? ""}%`,
  ];
  return { entity, key, operator, value: pick(patterns, random) };
}

function conditionOf(runs: readonly ModelRun[], random: Random, depth = 0): ModelCondition {
  if (depth > 2 || random.integer(3) === 0) return comparisonOf(runs, random);
  const of = Array.from({ length: 2 + random.integer(2) }, () => conditionOf(runs, random, depth + 1));
  return { join: random.integer(3) === 0 ? "OR" : "AND", of };
}

function ordersOf(random: Random): readonly ModelOrder[] {
  const orders = Array.from({ length: random.integer(4) }, () => {
    const entity = pick(entities, random);
    return { entity, key: keyOf(entity, random), isDescending: random.integer(2) === 0 };
  });
  return orders.filter(
    ({ entity, key }, index) => orders.findIndex((each) => each.entity === entity && each.key === key) === index,
  );
}

/** 200 queries against the naive filter, page by page. @param clock The registry's. */
export async function checkSearchTable(
  registry: Pick<Registry, "startRun" | "searchRuns">,
  clock: ManualClock,
  limits: readonly number[] = [1, 3, 7, 1000],
): Promise<void> {
  const random = createRandom(4);
  const runs = await writeRuns(registry, clock, 80, random.fork("runs"));
  let matched = 0;
  let pages = 0;
  for (let query = 0; query < 200; query += 1) {
    const condition = query === 0 ? undefined : conditionOf(runs, random);
    const orders = ordersOf(random);
    const filter = condition === undefined ? "" : writeCondition(condition, random);
    const orderBy = orders.map((order) => writeOrder(order, random));
    const expected = sortRuns(condition === undefined ? runs : runs.filter((run) => holds(run, condition)), orders);
    const limit = pick(limits, random);
    const found: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await registry.searchRuns({ filter, orderBy, limit, pageToken });
      expect(page.runs.length).toBeLessThanOrEqual(limit);
      found.push(...page.runs.map(({ id }) => id));
      pageToken = page.nextPageToken;
      pages += 1;
    } while (pageToken !== undefined);
    expect(found, `${filter} | ${orderBy.join(", ")} | ${limit}`).toEqual(expected.map(({ id }) => id));
    matched += found.length;
  }
  // The table is about something: queries that find all, or nothing, would pass whatever the filter is.
  expect(matched).toBeGreaterThan(1000);
  expect(pages).toBeGreaterThan(limits.includes(1) ? 500 : 220);
}
