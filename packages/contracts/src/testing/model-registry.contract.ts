import assert from "node:assert/strict";
import { hasCode } from "../error.ts";
import type { ModelRegistry } from "../model-registry.ts";
import type { ModelSource } from "../model-source.ts";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** An empty registry, the same seen as a source, and model packages to register. */
export interface ModelRegistryFixture {
  readonly registry: ModelRegistry;
  readonly source: ModelSource;
  /** Makes a valid model package named `late` whose content depends on `content` alone. @returns its directory. */
  pack(content: string): Promise<string>;
}

/** Registers `count` different packages as `late/1` … */
async function registered({ registry, pack }: ModelRegistryFixture, count: number): Promise<void> {
  for (let index = 1; index <= count; index += 1) await registry.register("late", await pack(`model ${index}`));
}

const approved = { status: "approved", by: "ann" } as const;
const rejected = { status: "rejected", by: "ann", comment: "too slow" } as const;

/** What each model registry promises. */
export const modelRegistryContract: readonly ContractCase<ModelRegistryFixture>[] = [
  {
    name: "versions count from 1 without gaps, each name for itself",
    run: async ({ registry, pack }) => {
      const first = await registry.register("late", await pack("one"));
      const second = await registry.register("late", await pack("two"));
      const other = await registry.register("early", await pack("three"));
      assert.deepEqual([first.version, second.version, other.version], [1, 2, 1]);
      assert.equal(first.name, "late");
      assert.equal(first.approval, "pending");
      assert.notEqual(first.digest, second.digest);
    },
  },
  {
    name: "the same package again gives the version it has",
    run: async ({ registry, pack }) => {
      const first = await registry.register("late", await pack("one"));
      await registry.register("late", await pack("two"));
      const again = await registry.register("late", await pack("one"));
      assert.deepEqual([again.version, again.digest], [first.version, first.digest]);
    },
  },
  {
    name: "many registrations at once get versions without gaps or repeats",
    run: async ({ registry, pack }) => {
      const directories = await Promise.all(Array.from({ length: 6 }, (_, index) => pack(`model ${index}`)));
      const versions = await Promise.all(directories.map((directory) => registry.register("late", directory)));
      assert.deepEqual(
        versions.map(({ version }) => version).toSorted((a, b) => a - b),
        [1, 2, 3, 4, 5, 6],
      );
    },
  },
  {
    name: "a version is approved or rejected, and either can be changed",
    run: async (fixture) => {
      await registered(fixture, 2);
      const { registry } = fixture;
      assert.equal((await registry.approve("late", 1, approved)).approval, "approved");
      assert.equal((await registry.approve("late", 1, rejected)).approval, "rejected");
      assert.equal((await registry.approve("late", 1, approved)).approval, "approved");
      assert.equal((await registry.approve("late", 2, rejected)).approval, "rejected");
    },
  },
  {
    name: "approving what is not there rejects with PORT_MODEL_UNKNOWN",
    run: async (fixture) => {
      await registered(fixture, 1);
      await rejectsWithCode(fixture.registry.approve("late", 2, approved), "PORT_MODEL_UNKNOWN");
      await rejectsWithCode(fixture.registry.approve("nobody", 1, approved), "PORT_MODEL_UNKNOWN");
    },
  },
  {
    name: "an alias means the version it was set to, until it is set anew",
    run: async (fixture) => {
      await registered(fixture, 2);
      const { registry, source } = fixture;
      await registry.setAlias("late", "champion", 1);
      assert.equal((await source.resolve("late@champion")).version, 1);
      await registry.setAlias("late", "champion", 2);
      const resolved = await source.resolve("late@champion");
      assert.equal(resolved.version, 2);
      assert.equal(resolved.digest, (await source.resolve("late/2")).digest);
    },
  },
  {
    name: "an alias at an unexpected version is not moved: PORT_VERSION_CONFLICT",
    run: async (fixture) => {
      await registered(fixture, 2);
      const { registry, source } = fixture;
      await registry.setAlias("late", "champion", 1, { ifVersion: 0 });
      await rejectsWithCode(registry.setAlias("late", "champion", 2, { ifVersion: 0 }), "PORT_VERSION_CONFLICT");
      await rejectsWithCode(registry.setAlias("late", "champion", 2, { ifVersion: 2 }), "PORT_VERSION_CONFLICT");
      assert.equal((await source.resolve("late@champion")).version, 1);
      await registry.setAlias("late", "champion", 2, { ifVersion: 1 });
      assert.equal((await source.resolve("late@champion")).version, 2);
    },
  },
  {
    name: "of many who move an alias from the same version one wins",
    run: async (fixture) => {
      await registered(fixture, 4);
      const { registry, source } = fixture;
      await registry.setAlias("late", "champion", 1);
      const moves = [2, 3, 4].map((version) => registry.setAlias("late", "champion", version, { ifVersion: 1 }));
      const settled = await Promise.allSettled(moves);
      const winners = settled.flatMap(({ status }, index) => (status === "fulfilled" ? [index + 2] : []));
      assert.equal(winners.length, 1);
      for (const result of settled) {
        if (result.status === "rejected") assert.ok(hasCode(result.reason, "PORT_VERSION_CONFLICT"));
      }
      assert.equal((await source.resolve("late@champion")).version, winners[0]);
    },
  },
  {
    name: "an alias for what is not there rejects with PORT_MODEL_UNKNOWN",
    run: async (fixture) => {
      await registered(fixture, 1);
      await rejectsWithCode(fixture.registry.setAlias("late", "champion", 7), "PORT_MODEL_UNKNOWN");
      await rejectsWithCode(fixture.source.resolve("late@champion"), "PORT_MODEL_UNKNOWN");
    },
  },
  {
    name: "an aborted signal rejects with its reason and changes nothing",
    run: async (fixture) => {
      await registered(fixture, 1);
      const { registry, source, pack } = fixture;
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(registry.register("late", await pack("two"), { signal }), reason);
      await rejectsWithReason(registry.approve("late", 1, approved, { signal }), reason);
      await rejectsWithReason(registry.setAlias("late", "champion", 1, { signal }), reason);
      await rejectsWithCode(source.resolve("late/2"), "PORT_MODEL_UNKNOWN");
      await rejectsWithCode(source.resolve("late@champion"), "PORT_MODEL_UNKNOWN");
    },
  },
];
