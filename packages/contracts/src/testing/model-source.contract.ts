import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../digest.ts";
import type { ModelSource } from "../model-source.ts";
import { abortedSignal, collect, rejectsWithCode, rejectsWithReason, take } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** A source of at least one model. */
export interface ModelSourceFixture {
  readonly source: ModelSource;
  /** A reference that can change its meaning (an alias, as a rule) and means a model now. */
  readonly ref: string;
  /** A reference, well written, that nothing answers to. */
  readonly unknownRef: string;
  /** Makes `ref` mean another model, a different one each time. Absent where the source never changes. */
  readonly change?: (() => Promise<void>) | undefined;
}

/** What each model source promises. */
export const modelSourceContract: readonly ContractCase<ModelSourceFixture>[] = [
  {
    name: "resolve gives a local directory with every file of the manifest, unchanged",
    run: async ({ source, ref }) => {
      const { manifest, directory, digest, name } = await source.resolve(ref);
      assert.match(digest, /^sha256:[0-9a-f]{64}$/);
      assert.ok(name.length > 0);
      assert.ok(manifest.files.length > 0);
      for (const file of manifest.files) {
        const bytes = await readFile(join(directory, file.path));
        assert.equal(bytes.length, file.sizeBytes);
        assert.equal(digestOf(bytes), file.digest);
      }
    },
  },
  {
    name: "the same reference gives the same model to many at once",
    run: async ({ source, ref }) => {
      const models = await Promise.all(Array.from({ length: 8 }, () => source.resolve(ref)));
      assert.equal(new Set(models.map(({ digest }) => digest)).size, 1);
    },
  },
  {
    name: "what nothing answers to rejects with PORT_MODEL_UNKNOWN",
    run: async ({ source, unknownRef }) => rejectsWithCode(source.resolve(unknownRef), "PORT_MODEL_UNKNOWN"),
  },
  {
    name: "watch gives what the reference means now, at once",
    run: async ({ source, ref }) => {
      const [model] = await take(source.watch(ref), 1);
      assert.equal(model?.digest, (await source.resolve(ref)).digest);
    },
  },
  {
    name: "watch gives each changed model after that, and ends when the signal aborts",
    appliesTo: ({ change }) => change !== undefined,
    run: async ({ source, ref, change }) => {
      assert.ok(change !== undefined);
      const controller = new AbortController();
      const before = (await source.resolve(ref)).digest;
      const seen: string[] = [];
      for await (const model of source.watch(ref, { signal: controller.signal })) {
        seen.push(model.digest);
        if (seen.length < 3) await change();
        else controller.abort(new Error("enough"));
      }
      assert.equal(seen.length, 3);
      assert.equal(seen[0], before);
      assert.notEqual(seen[1], seen[0]);
      assert.notEqual(seen[2], seen[1]);
      assert.equal((await source.resolve(ref)).digest, seen[2]);
    },
  },
  {
    name: "a watcher that waits ends when the signal aborts",
    run: async ({ source, ref }) => {
      const controller = new AbortController();
      const watching = (async () => {
        let count = 0;
        for await (const model of source.watch(ref, { signal: controller.signal })) {
          count += 1;
          assert.ok(model.digest.length > 0);
          setTimeout(() => controller.abort(new Error("enough")), 20);
        }
        return count;
      })();
      assert.equal(await watching, 1);
    },
  },
  {
    name: "an aborted signal rejects with its reason; a watcher just ends",
    run: async ({ source, ref }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(source.resolve(ref, { signal }), reason);
      assert.deepEqual(await collect(source.watch(ref, { signal })), []);
    },
  },
];
