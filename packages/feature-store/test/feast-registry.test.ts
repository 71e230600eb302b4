import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { definitionsOfFeastRegistry } from "../src/feast.ts";

const registry = JSON.parse(await readFile(new URL("fixtures/feast/registry.json", import.meta.url), "utf8")) as Record<
  string,
  { spec: Record<string, unknown> }[]
>;
const changed = (change: (copy: typeof registry) => void): ReturnType<typeof definitionsOfFeastRegistry> => {
  const copy = structuredClone(registry);
  change(copy);
  return definitionsOfFeastRegistry(copy);
};
const viewSpec = (copy: typeof registry, name: string): Record<string, unknown> =>
  copy["featureViews"]!.find(({ spec }) => spec["name"] === name)!.spec;

test("what `feast registry-dump` prints becomes entities, views and services, and what does not is listed with its reason", () => {
  const { entities, views, services, pushSources, unmapped } = definitionsOfFeastRegistry(registry);
  expect(entities).toEqual([
    { name: "driver", keys: { driver_id: "int64" } },
    { name: "city", keys: { city: "utf8" } },
  ]);
  expect(views).toMatchObject([
    {
      name: "stats",
      eventTime: "event_timestamp",
      createdTime: "created",
      ttlMs: 3650 * 86_400_000,
      features: {
        rating: "float64",
        share: "float32",
        trips: "int64",
        rank: "int32",
        car: "utf8",
        active: "bool",
        joined: "timestamp",
      },
    },
    {
      name: "weather",
      eventTime: "event_timestamp",
      createdTime: undefined,
      ttlMs: undefined,
      features: { rain: "float64" },
    },
  ]);
  expect(services.map(({ name, views: taken }) => [name, taken.map((view) => view.name)])).toEqual([
    ["narrow", ["stats"]],
    ["ride", ["stats", "weather"]],
  ]);
  expect(pushSources).toEqual({ stats_push: ["stats"] });
  expect(unmapped).toEqual([
    { kind: "feature", name: "vectors:vector", reason: "No feature can have the type FLOAT_LIST." },
    { kind: "featureView", name: "vectors", reason: "None of its features has a type that features can have." },
    {
      kind: "featureService",
      name: "narrow",
      reason: 'It gives all of "stats", and so share, rank, car, active, joined too.',
    },
    {
      kind: "onDemandFeatureView",
      name: "scaled",
      reason: "Its transformation is Python: write it with `defineOnDemandFeatures`.",
    },
  ]);
});

const reasonOf = (
  found: ReturnType<typeof definitionsOfFeastRegistry>,
  kind: string,
  name: string,
): string | undefined => found.unmapped.find((each) => each.kind === kind && each.name === name)?.reason;

test("each thing that stands in the way of a view or service is told of", () => {
  const cases: readonly (readonly [change: (spec: Record<string, unknown>) => void, reason: RegExp])[] = [
    [(spec) => (spec["entities"] = ["__dummy"]), /has no entity/],
    [(spec) => (spec["entities"] = ["ghost"]), /entity ghost is not in the registry/],
    [(spec) => (spec["entityColumns"] = [{ name: "city", valueType: "BYTES" }]), /key city is BYTES/],
    [(spec) => (spec["batchSource"] = {}), /no timestamp field/],
    [(spec) => (spec["featureTransformation"] = {}), /transformation is Python/],
    [(spec) => (spec["features"] = [{ name: "event_timestamp", valueType: "DOUBLE" }]), /two roles/],
    [(spec) => (spec["name"] = "a view"), /not fit for a folder/],
  ];
  for (const [change, reason] of cases) {
    const found = changed((copy) => change(viewSpec(copy, "weather")));
    const told = reasonOf(found, "featureView", "weather") ?? reasonOf(found, "featureView", "a view");
    expect(told).toMatch(reason);
    expect(found.views.map((view) => view.name)).toEqual(["stats"]);
    expect(reasonOf(found, "featureService", "ride")).toBe('It takes "weather", which was left out.');
  }
  const projection = (copy: typeof registry): Record<string, unknown> =>
    (copy["featureServices"]![0]!.spec["features"] as Record<string, unknown>[])[0]!;
  const renamed = changed((copy) => (projection(copy)["featureViewNameAlias"] = "other"));
  expect(reasonOf(renamed, "featureService", "narrow")).toMatch(/under another name/);
  const mapped = changed(
    (copy) => (viewSpec(copy, "weather")["batchSource"] = { timestampField: "t", name: "f", fieldMapping: { a: "b" } }),
  );
  expect(reasonOf(mapped, "dataSource", "f")).toMatch(/rename the columns/);
});

test("a view of several entities has all their keys", () => {
  const found = changed((copy) => {
    viewSpec(copy, "weather")["entities"] = ["city", "driver"];
  });
  expect(found.views[1]!.entity).toEqual({ name: "city__driver", keys: { city: "utf8", driver_id: "int64" } });
});

test("what is no registry is refused", () => {
  for (const value of [null, [], "{}", { featureViews: {} }, { featureViews: ["stats"] }]) {
    expect(() => definitionsOfFeastRegistry(value)).toThrow(
      expect.objectContaining({ code: "FEATURE_STORE_FEAST_REGISTRY_INVALID" }),
    );
  }
  expect(definitionsOfFeastRegistry({})).toEqual({
    entities: [],
    views: [],
    services: [],
    pushSources: {},
    unmapped: [],
  });
});
