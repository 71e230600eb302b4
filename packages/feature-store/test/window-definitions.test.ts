import { createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, expectTypeOf, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  distinct,
  first,
  hours,
  last,
  lastValue,
  max,
  mean,
  openFeatureStore,
  quantile,
  session,
  sliding,
  sum,
  tumbling,
  type Aggregate,
  type FeatureService,
} from "../src/index.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";
import { START_MS, timestamps } from "./window-oracle.ts";

const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const source = {
  name: "clicks",
  entity: user,
  eventTime: "at",
  inputs: { ms: "float64", page: "utf8", id: "int64" },
} as const;

test("windows and aggregates that cannot be are refused with the value and the mend", () => {
  const refused: readonly (readonly [Aggregate<"ms" | "page">, string])[] = [
    [count(0), 'the window of "x" is 0 ms'],
    [count(sliding(hours(1), { slideMs: 0 })), 'slideMs of "x" is 0'],
    [count(sliding(hours(1), { slideMs: 0.0001 })), 'slideMs of "x" is 0.0001'],
    [count(sliding(-1, { slideMs: 1 })), "is -1 ms"],
    [count(tumbling(Number.NaN)), "is NaN ms"],
    [count(tumbling(hours(1), { offsetMs: Number.POSITIVE_INFINITY })), 'offsetMs of "x" is Infinity'],
    [count(tumbling(hours(1), { which: "next" as "last" })), "asks for the next window"],
    [count(session(0)), 'gapMs of "x" is 0'],
    [count(session(hours(2), { longestMs: hours(1) })), "less than its gap"],
    [sum("page", hours(1)), 'is the sum of the text "page"'],
    [quantile("page", 0.5, hours(1)), "Of a text there are distinct, first, last, firstValue, lastValue"],
    [last("ms", 0, hours(1)), '"x" has 0 values'],
    [first("ms", 1.5, hours(1)), '"x" has 1.5 values'],
    [quantile("ms", 1.01, hours(1)), "the share 1.01"],
    [quantile("ms", Number.NaN, hours(1)), "the share NaN"],
    [distinct("ms", hours(1), { approximate: true }), "approximate in a window without tiles"],
    [distinct("page", session(hours(1)), { approximate: true }), "Use `sliding` with `slideMs`, or `tumbling`"],
  ];
  for (const [aggregate, message] of refused) {
    expect(() => defineFeatureView({ ...source, aggregates: { x: aggregate } }), message).toThrow(
      expect.objectContaining({
        code: "FEATURE_STORE_DEFINITION_INVALID",
        message: expect.stringContaining(message) as string,
      }),
    );
  }
  const retracted = { ...source, retracted: "gone", aggregates: { x: count(1) } };
  expect(() => defineFeatureView({ ...retracted, features: { plan: "utf8" } })).toThrow("retractions and features");
  expect(() => defineFeatureView({ ...retracted, retracted: "at" })).toThrow("two roles");
  // @ts-expect-error: an aggregate is of an input of the view
  expect(() => defineFeatureView({ ...source, aggregates: { x: last("other", 2, hours(1)) } })).toThrow("Declare it");
});

test("a service tells the types of its aggregates, and its digest changes with any of their windows", () => {
  const serviceOf = <const Aggregates extends Readonly<Record<string, Aggregate<"ms" | "page" | "id">>>>(
    aggregates: Aggregates,
  ) => defineFeatureService({ name: "s", views: [defineFeatureView({ ...source, aggregates })] });
  const service = serviceOf({
    most: max("ms", hours(1)),
    pages: distinct("page", days(1)),
    page: lastValue("page", days(1)),
    newest: last("ms", 3, days(1)),
    id: lastValue("id", days(1)),
  });
  expect(service.features).toEqual([
    { name: "clicks__most", type: "float64" },
    { name: "clicks__pages", type: "int32" },
    { name: "clicks__page", type: "utf8" },
    { name: "clicks__newest", type: "list", items: "float64" },
    { name: "clicks__id", type: "int64" },
  ]);
  expectTypeOf(service).toEqualTypeOf<
    FeatureService<"clicks__most" | "clicks__pages" | "clicks__page" | "clicks__newest" | "clicks__id">
  >();
  const day = days(1);
  const variants: readonly Aggregate<"ms">[] = [
    mean("ms", day),
    mean("ms", sliding(day, { slideMs: hours(1) })),
    mean("ms", sliding(day, { slideMs: hours(2) })),
    mean("ms", tumbling(day)),
    mean("ms", tumbling(day, { offsetMs: 1 })),
    mean("ms", tumbling(day, { which: "current" })),
    mean("ms", session(hours(1))),
    mean("ms", session(hours(2))),
    quantile("ms", 0.5, tumbling(day)),
    quantile("ms", 0.9, tumbling(day)),
    quantile("ms", 0.9, tumbling(day), { approximate: true }),
    last("ms", 1, day),
    last("ms", 2, day),
  ];
  expect(new Set(variants.map((x) => serviceOf({ x }).digest)).size).toBe(variants.length);
  expect(serviceOf({ x: mean("ms", day) }).digest).toBe(serviceOf({ x: mean("ms", 86_400_000) }).digest);
});

test("sketches in tiles: near the exact answer, online as offline to the bit", async () => {
  await using directory = await temporaryDirectory();
  const window = sliding(hours(12), { slideMs: hours(1) });
  const view = defineFeatureView({
    ...source,
    aggregates: {
      ids: distinct("id", window),
      about_ids: distinct("id", window, { approximate: true }),
      pages: distinct("page", window),
      about_pages: distinct("page", window, { approximate: true }),
      median: quantile("ms", 0.5, window),
      about_median: quantile("ms", 0.5, window, { approximate: true }),
      about_q99: quantile("ms", 0.99, window, { approximate: true }),
      q99: quantile("ms", 0.99, window),
    },
  });
  const service = defineFeatureService({ name: "s", views: [view] });
  await using store = await openFeatureStore({
    history: directory.path,
    services: [service],
    online: openMemoryOnlineStore(),
    latenessMs: hours(1),
  });
  const random = createRandom(8);
  const rows = Array.from({ length: 20_000 }, (_, index) => ({
    atMs: START_MS + index * 3000 + random.integer(600_000),
    ms: Math.exp(random.normal()) * 100,
    page: `page ${random.integer(3000)}`,
    id: random.integer(2 ** 31) % 9000,
  }));
  const batch = batchOf({
    user: column(
      "utf8",
      rows.map(() => "ann"),
    ),
    at: timestamps(rows.map((row) => row.atMs)),
    ms: column(
      "float64",
      rows.map((row) => row.ms),
    ),
    page: column(
      "utf8",
      rows.map((row) => row.page),
    ),
    id: column(
      "int64",
      rows.map((row) => BigInt(row.id)),
    ),
  });
  await store.ingest(view, batches(batch));
  await store.push(view, batch);
  const times = [0, 17, 61, 90].map((minutes) => rows.at(-1)!.atMs + minutes * 60_000);
  const online: Record<string, unknown[]> = {};
  const ann = batchOf({ user: column("utf8", ["ann"]) });
  for (const timeMs of times) {
    const { features } = await store.read("s", { entities: ann, timeMs });
    for (const [name, values] of Object.entries(columnsOf(features))) (online[name] ??= []).push(...values);
  }
  const labels = batchOf({
    user: column(
      "utf8",
      Array.from(times, () => "ann"),
    ),
    time: timestamps(times),
  });
  const offline = await columnsOfDataset(await store.history("s", { labels, labelTime: "time" }));
  for (const { name } of service.features) expect(online[name]).toEqual(offline[name]);
  const ratio = (about: string, exact: string): number[] =>
    times.map((_, row) => (online[`clicks__${about}`]![row] as number) / (online[`clicks__${exact}`]![row] as number));
  // Four standard errors of 1.04/√4096; buckets of at most 2^-6 of their value, for so few octaves.
  for (const each of [...ratio("about_ids", "ids"), ...ratio("about_pages", "pages")])
    expect(Math.abs(each - 1)).toBeLessThan(0.065);
  for (const each of [...ratio("about_median", "median"), ...ratio("about_q99", "q99")])
    expect(Math.abs(each - 1)).toBeLessThan(2 ** -6);
});

test("floats with no decimals are rounded to whole numbers", async () => {
  await using directory = await temporaryDirectory();
  const view = defineFeatureView({
    ...source,
    decimals: 0,
    aggregates: { total: sum("ms", hours(1)), most: max("ms", hours(1)) },
  });
  const service = defineFeatureService({ name: "s", views: [view] });
  await using store = await openFeatureStore({
    history: directory.path,
    services: [service],
    online: openMemoryOnlineStore(),
  });
  const at = new Date(START_MS);
  const rows = [1.5, 2.4, -0.6, Number.POSITIVE_INFINITY, Number.NaN].map((ms) => ({
    user: "ann",
    at,
    ms,
    page: null,
    id: null,
  }));
  await store.push(view, rows);
  const { features } = await store.read("s", { entities: batchOf({ user: ["ann"] }), timeMs: START_MS + 1 });
  expect(columnsOf(features)).toEqual({ clicks__total: [3], clicks__most: [2] });
});

test("an id of events must be of inputs of windows, and retractions of a newest row are refused with the mend", () => {
  const { inputs, ...rest } = source;
  const windows = { ...rest, inputs, aggregates: { rows: count(hours(1)) } };
  const refused = [
    [{ ...windows, eventId: "order" as "id" }, 'its eventId is "order"'],
    [
      { ...rest, inputs, features: { plan: "utf8" as const }, eventId: "id" as const },
      "no windows in which events count",
    ],
    [
      { ...windows, features: { plan: "utf8" as const }, retracted: "taken" },
      "the values it should have had, or a delete",
    ],
  ] as const;
  for (const [definition, message] of refused) {
    expect(() => defineFeatureView(definition), message).toThrow(
      expect.objectContaining({
        code: "FEATURE_STORE_DEFINITION_INVALID",
        message: expect.stringContaining(message) as string,
      }),
    );
  }
  const digestOf = (eventId: readonly ("id" | "page")[]) =>
    defineFeatureService({ name: "s", views: [defineFeatureView({ ...windows, eventId })] }).digest;
  const plain = defineFeatureService({ name: "s", views: [defineFeatureView(windows)] }).digest;
  expect(digestOf([])).toBe(plain);
  expect(new Set([plain, digestOf(["id"]), digestOf(["page"]), digestOf(["id", "page"])]).size).toBe(4);
});
