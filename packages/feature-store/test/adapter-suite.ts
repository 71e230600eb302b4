import { createManualClock } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FeatureStoreOptions, type KeyedOnlineStore, openFeatureStore, type OnlineStore } from "../src/index.ts";
import {
  ADAPTER_NOW_MS,
  type AdapterAbility,
  adapterRows,
  adapterServices,
  adapterSkip,
  featureAdapterContract,
  type FeatureAdapterFixture,
} from "../src/testing/index.ts";
import { temporaryDirectory } from "./rows.ts";

export type Abilities = FeatureAdapterFixture["abilities"];

export const allAbilities: Abilities = {
  write: true,
  delete: true,
  compositeKeys: true,
  smallIntegers: true,
  unsigned64: true,
  dates: true,
  microseconds: true,
  milliseconds: true,
  minusZero: true,
  notFinite: true,
  emptyText: true,
  zeroCharacters: true,
};

export type OpenedAdapter = FeatureAdapterFixture & AsyncDisposable;

/** Whether what needs these abilities can be held. */
export const holding =
  (abilities: Abilities) =>
  (needs: readonly AdapterAbility[]): boolean =>
    needs.every((ability) => abilities[ability] === true);

/**
 * Runs every case of the suite on an adapter, opened and filled once.
 * @param missing Why the adapter is not to be had here; its cases are then reported as skipped.
 */
export function testAdapter(kind: string, open: () => Promise<OpenedAdapter>, missing?: string): void {
  let adapter: OpenedAdapter;
  beforeAll(async () => {
    if (missing === undefined) adapter = await open();
  }, 300_000);
  afterAll(async () => {
    await adapter?.[Symbol.asyncDispose]();
  }, 300_000);
  test(`FS-33: ${kind} is put to the same 120 cases and more as every adapter`, ({ skip }) => {
    skip(missing !== undefined, missing);
    expect(new Set(featureAdapterContract.map(({ name }) => name)).size).toBe(featureAdapterContract.length);
    expect(featureAdapterContract.length).toBeGreaterThanOrEqual(120);
  });
  for (const each of featureAdapterContract) {
    test(`FS-33: ${kind}: ${each.name}`, async ({ skip }) => {
      skip(missing !== undefined, missing);
      const reason = adapterSkip(each, adapter);
      skip(reason !== undefined, reason);
      await each.run(adapter);
    });
  }
}

/** A feature store over an online store, filled. */
export async function storeAdapter(
  openOnline: (
    folder: string,
  ) => Promise<{ readonly online: OnlineStore | KeyedOnlineStore; close?(): Promise<void> | void }>,
  options: Partial<FeatureStoreOptions> = {},
): Promise<OpenedAdapter & { readonly store: Awaited<ReturnType<typeof openFeatureStore>> }> {
  const directory = await temporaryDirectory();
  const { online, close } = await openOnline(directory.path);
  const clock = createManualClock(ADAPTER_NOW_MS);
  const history = `${directory.path}/history`;
  const store = await openFeatureStore({ history, services: adapterServices, online, clock, ...options });
  const rows = adapterRows(holding(allAbilities));
  for (const [view, given] of Object.entries(rows)) await store.push(view, given);
  return {
    store,
    source: store,
    abilities: allAbilities,
    async put(view, given) {
      await store.push(view, given);
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
      await close?.();
      await directory[Symbol.asyncDispose]();
    },
  };
}
