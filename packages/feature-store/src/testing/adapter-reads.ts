import assert from "node:assert/strict";
import type { Batch, FeatureVectors } from "@millwright/contracts";
import { batchOf, column, toArray, type ValueInput } from "@millwright/data";
import { ADAPTER_NOW_MS } from "./adapter-features.ts";
import type { AdapterAbility, FeatureAdapterCase, FeatureAdapterFixture } from "./adapter-fixture.ts";

export type Keys = Readonly<Record<string, readonly ValueInput[]>>;

/** Entities by their keys: `id` is a number of 64 bits, all else is text. */
export const entitiesOf = (keys: Keys): Batch =>
  batchOf(
    Object.fromEntries(
      Object.entries(keys).map(([name, values]) => [name, column(name === "id" ? "int64" : "utf8", values)]),
    ),
  );

export const readAt = (
  { source }: FeatureAdapterFixture,
  service: string,
  keys: Keys,
  timeMs: number = ADAPTER_NOW_MS,
): Promise<FeatureVectors> => source.read(service, { entities: entitiesOf(keys), timeMs });

/** The values of one column of an answer. */
export function valuesOf({ features }: FeatureVectors, name: string): unknown[] {
  const found = features.columns[name];
  assert.ok(found !== undefined, `there is no column ${name}, but ${Object.keys(features.columns).join(", ")}`);
  return toArray(found);
}

export const statusesOf = ({ views }: FeatureVectors, view: string): string[] => [...(views[view]?.status ?? [])];

/** A case; `needs` says what not every adapter can. */
export const adapterCase = (
  name: string,
  needs: readonly AdapterAbility[],
  run: FeatureAdapterCase["run"],
): FeatureAdapterCase => ({
  name,
  needs,
  appliesTo: ({ abilities }) => needs.every((ability) => abilities[ability] === true),
  run,
});

/** Same value, and the same sign of zero. */
export function assertSame(found: unknown, expected: unknown): void {
  assert.ok(Object.is(found, expected), `${show(found)} was read, and ${show(expected)} written`);
}

const show = (value: unknown): string =>
  Object.is(value, -0) ? "-0" : typeof value === "string" ? JSON.stringify(value).slice(0, 80) : String(value);
