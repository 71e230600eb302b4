import { createManualClock } from "@millwright/contracts";
import type { Registry } from "@millwright/registry";
import { expect, test } from "vitest";
import { parseFilter } from "../src/search/filter.ts";
import { mlflowRuns } from "../src/search/grammar.ts";
import { openWorkshop, startMs } from "./workshop.ts";

const found = async (registry: Registry, filter: string): Promise<readonly string[]> =>
  (await registry.searchRuns({ filter, orderBy: ["name"] })).runs.map(({ name }) => name);

test("a filter has entities, operators, lists, numbers, OR and parentheses", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const sweep = await registry.startRun({ experiment: "late", name: "sweep" });
  const write = async (name: string, lr: string | number, losses: readonly number[], tags: Record<string, string>) => {
    const run = await registry.startRun({ experiment: "late", name, parentRunId: sweep.id, tags });
    run.logParams({ lr });
    run.logMetrics(losses.map((value, step) => ({ name: "val.loss", value, step })));
    await run.flush();
    return run.id;
  };
  const first = await write("a", 0.1, [3, 1, 2], { team: "Mill" });
  await write("b", "0.10", [Number.NaN], { team: "mill", "a b": "x" });
  await write("c", "auto", [5, Infinity], {});
  const cases: readonly (readonly [filter: string, names: readonly string[]])[] = [
    ["", ["a", "b", "c", "sweep"]],
    ["metrics.val.loss = 2", ["a"]],
    ["min_metrics.val.loss = 1 and max_metrics.`val.loss` = 3", ["a"]],
    ['last_metric."val.loss" > 1', ["a", "c"]],
    ["metrics.val.loss != 2", ["b", "c"]],
    ["metrics.val.loss = NaN", ["b"]],
    ["metrics.val.loss != nan", ["a", "c"]],
    ["metrics.val.loss >= inf", ["c"]],
    ["metrics.val.loss>-1 AND metrics.val.loss<1e9", ["a"]],
    ["params.lr = 0.1", ["a", "b"]],
    ["params.lr = '0.1'", ["a"]],
    ["params.lr != 0.1", ["c"]],
    ["params.lr < 1 or params.lr = 'auto'", ["a", "b", "c"]],
    ["tags.team LIKE 'm%'", ["b"]],
    ["tags.team ILIKE 'm%'", ["a", "b"]],
    ["tags.\"a b\" = 'x'", ["b"]],
    ["tags.team IN ('mill', 'other')", ["b"]],
    ["tags.team NOT IN ('mill',)", ["a"]],
    [`attributes.parent_run_id = '${sweep.id}'`, ["a", "b", "c"]],
    [`run_id IN ('${first}', 'none')`, ["a"]],
    ["(name = 'a' OR name = 'b') AND (status = 'running')", ["a", "b"]],
    ["experiment = 'late' and start_time > 0 and end_time > 0", []],
    ["datasets.name = 'x'", []],
  ];
  for (const [filter, names] of cases) expect(await found(registry, filter), filter).toEqual(names);
});

const wrongFilters: readonly (readonly [filter: string, message: string])[] = [
  ["metrics.a > 'x'", "Expected numeric value type for metric. Found 'x'"],
  ["metrics.a LIKE 'x'", "Invalid comparator 'LIKE' not one of"],
  ["metrics.a == 1", "Invalid comparator '==' not one of"],
  ["params.a > 'x'", "Invalid comparator '>' not one of"],
  ["params.a = foo", "Parameter value is either not quoted"],
  ["tags.a = 5", "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"],
  ["foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{'run_id'"],
  ["foo.a = 'x'", "Invalid entity type 'foo'."],
  ["metrics. > 1", "Invalid entity type 'metrics.'."],
  ["datasets.foo = 'x'", "Invalid dataset key 'foo' specified. Valid keys are"],
  ["start_time > 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'"],
  ["run_id IN ()", "expected a non-empty list of string values, but got empty list"],
  ["run_id IN ('a' 'b')", "but got ill-formed list"],
  ["run_id IN 'a'", "but got ill-formed list"],
  ["run_id = ('a')", "but got ill-formed list"],
  ["metrics.a > 1 metrics.b > 2", "Invalid clause(s) in filter string: 'metrics.b > 2'"],
  ["metrics.a > 1 AND", "Invalid clause(s) in filter string"],
  ["metrics.a >", "Invalid clause(s) in filter string"],
  ["(metrics.a > 1", "A parenthesis of the filter is not closed."],
  ["metrics.a > 1)", "Invalid clause(s) in filter string: ')'"],
  ["name = 'open", "Invalid clause(s) in filter string: ''open'"],
  ["name = 'a' ; drop table registry_runs", "Invalid clause(s) in filter string: '; drop table registry_runs'"],
  ["name = 'a\u0000'", "holds a character that no text can hold"],
  [`name = '${"x".repeat(70_000)}'`, "at most 65536 characters"],
  [`name LIKE '${"%".repeat(20_000)}'`, "at most 10000 characters"],
  [`${"(".repeat(60)}name = 'a'${")".repeat(60)}`, "nests at most 50 parentheses"],
  [Array.from({ length: 300 }, () => "name = 'a'").join(" AND "), "at most 200 comparisons"],
  [`run_id IN (${Array.from({ length: 1001 }, () => "'a'").join()})`, "at most 1000 values"],
];

test("a filter or an order that cannot be understood is refused with what is wrong with it", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const refusal = (message: string) => ({
    code: "REGISTRY_QUERY_INVALID",
    message: expect.stringContaining(message) as string,
  });
  for (const [filter, message] of wrongFilters)
    await expect(registry.searchRuns({ filter }), filter).rejects.toMatchObject(refusal(message));
  const wrongOrders: readonly (readonly [readonly string[], string])[] = [
    [["metrics.a sideways"], "Invalid ordering key in order_by clause 'metrics.a sideways'."],
    [["metrics.a desc asc"], "Invalid order_by clause 'metrics.a desc asc'. Could not be parsed."],
    [[""], "Invalid order_by clause ''. Could not be parsed."],
    [["foo"], "Invalid attribute key 'foo' specified."],
    [["datasets.name"], "Invalid order_by entity type 'dataset'"],
    [["metrics.a", "metric.`a` DESC"], "`order_by` contains duplicate fields"],
    [Array.from({ length: 11 }, (_, index) => `metrics.a${index}`), "at most 10 fields"],
  ];
  for (const [orderBy, message] of wrongOrders)
    await expect(registry.searchRuns({ orderBy }), orderBy[0]).rejects.toMatchObject(refusal(message));
  for (const limit of [0, -1, 1.5, 50_001, Number.NaN])
    await expect(registry.searchRuns({ limit })).rejects.toMatchObject(refusal("an integer from 1 to 50000"));
  await expect(registry.searchRuns({ view: "gone" as "all" })).rejects.toMatchObject(refusal('not "gone"'));
});

test("MLflow's language refuses what an MLflow server refuses", () => {
  const refused: readonly (readonly [filter: string, message: string])[] = [
    ["metrics.a > 1 OR metrics.b > 2", "Invalid clause(s) in filter string: 'OR'"],
    ["(metrics.a > 1)", "Invalid clause(s) in filter string: '(metrics.a > 1)'"],
    ["metrics.a > inf", "Expected numeric value type for metric. Found inf"],
    [`metrics.a > "x"`, `Expected numeric value type for metric. Found "x"`],
    ["params.a = 0.1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 0.1"],
    ["tags.a IN ('x')", "Invalid comparator 'IN' not one of"],
    ["run_name IN ('x')", "Only the 'run_id' attribute supports comparison with a list"],
    [
      "min_metrics.a > 1",
      "Invalid entity type 'min_metrics'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
    ],
    ["parent_run_id = 'x'", "Invalid attribute key 'parent_run_id' specified."],
  ];
  for (const [filter, message] of refused) expect(() => parseFilter(filter, mlflowRuns), filter).toThrow(message);
  expect(parseFilter("attr.`Run name` ilike 'A' and dataset.name not in ('d') AND created<5", mlflowRuns)).toEqual({
    kind: "and",
    conditions: [
      { kind: "comparison", entity: "attribute", key: "run_name", operator: "ILIKE", value: "A" },
      { kind: "comparison", entity: "dataset", key: "name", operator: "NOT IN", value: ["d"] },
      { kind: "comparison", entity: "attribute", key: "start_time", operator: "<", value: 5 },
    ],
  });
});

test("pages go on where they ended while runs are written, and a token serves its own query alone", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const write = async (value: number | undefined): Promise<string> => {
    await clock.advance(1);
    const run = await registry.startRun({ experiment: "late" });
    if (value !== undefined) run.logMetrics([{ name: "loss", value, step: 0 }]);
    await run.flush();
    return run.id;
  };
  const values = [5, 3, Number.NaN, 4, 4, undefined, 1, Number.NaN, undefined, 2];
  const before: string[] = [];
  for (const value of values) before.push(await write(value));
  const query = { orderBy: ["metrics.loss DESC"], limit: 2 } as const;
  const given: string[] = [];
  let page = await registry.searchRuns(query);
  for (;;) {
    given.push(...page.runs.map(({ id }) => id));
    if (page.nextPageToken === undefined) break;
    // Before, at and behind where the page ended.
    for (const value of [9, 3.5, 0]) await write(value);
    page = await registry.searchRuns({ ...query, limit: 3, pageToken: page.nextPageToken });
  }
  expect(new Set(given).size).toBe(given.length);
  expect(given.filter((id) => before.includes(id)).map((id) => values[before.indexOf(id)])).toEqual([
    5,
    4,
    4,
    3,
    2,
    1,
    Number.NaN,
    Number.NaN,
    undefined,
    undefined,
  ]);
  const { nextPageToken: pageToken = "" } = await registry.searchRuns(query);
  const wrong = { code: "REGISTRY_PAGE_TOKEN_INVALID" };
  await expect(registry.searchRuns({ ...query, filter: "metrics.loss > 0", pageToken })).rejects.toMatchObject(wrong);
  await expect(registry.searchRuns({ ...query, view: "all", pageToken })).rejects.toMatchObject(wrong);
  await expect(registry.searchRuns({ limit: 2, pageToken })).rejects.toMatchObject(wrong);
  const forge = (change: (content: unknown[]) => unknown): string =>
    Buffer.from(
      JSON.stringify(change(JSON.parse(Buffer.from(pageToken, "base64url").toString()) as unknown[])),
    ).toString("base64url");
  const forged = [
    "",
    "garbage!",
    "a",
    forge(() => ({})),
    forge(([digest]) => [digest, 7, []]),
    forge(([digest]) => [digest, 0, ["' or 1=1", "x", "y"]]),
    forge(([digest]) => [digest, 0, [{ $number: "NaN" }, 1, "y"]]),
    forge(([digest]) => [digest, 0, [1, 1.5, "y"]]),
    forge(([digest, segment, keys]) => [digest, segment, [...(keys as unknown[]), 1]]),
    "x".repeat(200_000),
  ];
  for (const token of forged)
    await expect(registry.searchRuns({ ...query, pageToken: token })).rejects.toMatchObject(wrong);
});
