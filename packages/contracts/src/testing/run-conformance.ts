import type { ArtifactStore } from "../artifact-store.ts";
import type { CallOptions } from "../call-options.ts";
import type { RecordStore } from "../record-store.ts";
import { artifactStoreContract } from "./artifact-store.contract.ts";
import type { ContractCase } from "./contract-case.ts";
import { recordStoreContract } from "./record-store.contract.ts";

/** Stores of one kind of place. */
export interface StorageFixture {
  /** Small values by key: get, put, list, delete, compare-and-swap. Empty. */
  readonly records?: RecordStore | undefined;
  /** Streams of bytes by digest: put, open, has, list, delete. Empty. */
  readonly artifacts?: ArtifactStore | undefined;
  /** Called after the case. */
  readonly close?: (() => Promise<void>) | undefined;
}

/** A kind of place to be checked: memory, a directory, a database, a bucket, … */
export interface StorageAdapter {
  /** Opens empty stores, anew for each case: two cases never see each other's. */
  open(): StorageFixture | Promise<StorageFixture>;
}

export interface ConformanceReport {
  /** Names of cases, `records: …` or `artifacts: …`. */
  readonly passed: readonly string[];
  /** Of the ports that the adapter has not. */
  readonly skipped: readonly string[];
  readonly failed: readonly { readonly name: string; readonly error: unknown }[];
}

/**
 * Runs all that the storage ports promise against an adapter, case by case, under no test runner at all: an adapter of your own conforms where `failed`
 * is empty. A case that fails keeps none of the others from being run.
 */
export async function runConformance(
  adapter: StorageAdapter,
  { signal }: CallOptions = {},
): Promise<ConformanceReport> {
  const [passed, skipped]: [string[], string[]] = [[], []];
  const failed: { name: string; error: unknown }[] = [];
  const runAll = async <Store>(
    port: string,
    cases: readonly ContractCase<Store>[],
    storeOf: (fixture: StorageFixture) => Store | undefined,
  ): Promise<void> => {
    for (const each of cases) {
      signal?.throwIfAborted();
      const name = `${port}: ${each.name}`;
      try {
        const applied = await runCase(adapter, each, storeOf);
        (applied ? passed : skipped).push(name);
      } catch (error) {
        failed.push({ name, error });
      }
    }
  };
  await runAll("records", recordStoreContract, (fixture) => fixture.records);
  await runAll("artifacts", artifactStoreContract, (fixture) => fixture.artifacts);
  return { passed, skipped, failed };
}

/** @returns false where it does not apply. */
async function runCase<Store>(
  adapter: StorageAdapter,
  { appliesTo, run }: ContractCase<Store>,
  storeOf: (fixture: StorageFixture) => Store | undefined,
): Promise<boolean> {
  const fixture = await adapter.open();
  try {
    const store = storeOf(fixture);
    if (store === undefined || appliesTo?.(store) === false) return false;
    await run(store);
    return true;
  } finally {
    await fixture.close?.();
  }
}
