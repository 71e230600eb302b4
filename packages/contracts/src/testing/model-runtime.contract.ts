import assert from "node:assert/strict";
import type { ModelManifest } from "../model-manifest.ts";
import type { LoadedModel, ModelRuntime } from "../model-runtime.ts";
import type { Tensors } from "../tensor.ts";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";
import { assertClose, takeTensorRows, tensorsOf } from "./tensor-values.ts";

/** A runtime and a model package it can load. */
export interface ModelRuntimeFixture {
  readonly runtime: ModelRuntime;
  readonly directory: string;
  /** With at least one golden request of at least two rows. */
  readonly manifest: ModelManifest;
  /** A directory whose files are not what the format says. Absent where none can be made. */
  readonly corruptDirectory?: string | undefined;
}

interface Golden {
  readonly inputs: Tensors;
  readonly outputs: Tensors;
  readonly tolerance: number;
  readonly rows: number;
}

function goldenOf({ manifest }: ModelRuntimeFixture): Golden {
  const [golden] = manifest.golden;
  assert.ok(golden !== undefined, "the fixture's manifest has no golden request");
  const inputs = tensorsOf(golden.inputs);
  const rows = Object.values(inputs)[0]?.shape[0] ?? 0;
  assert.ok(rows >= 2, "the fixture's golden request has fewer than two rows");
  return { inputs, outputs: tensorsOf(golden.outputs), tolerance: golden.tolerance, rows };
}

/** Loads the fixture's model, and disposes it when the work is done. */
async function withModel(fixture: ModelRuntimeFixture, work: (model: LoadedModel) => Promise<void>): Promise<void> {
  const model = await fixture.runtime.load(fixture.directory, fixture.manifest);
  try {
    await work(model);
  } finally {
    await model.dispose();
  }
}

/** What each model runtime promises. */
export const modelRuntimeContract: readonly ContractCase<ModelRuntimeFixture>[] = [
  {
    name: "it names the format of what it loads",
    run: async ({ runtime, manifest }) => assert.ok(runtime.formats.includes(manifest.format)),
  },
  {
    name: "a loaded model gives the golden answers",
    run: async (fixture) =>
      withModel(fixture, async (model) => {
        const { inputs, outputs, tolerance } = goldenOf(fixture);
        assertClose(await model.predict(inputs), outputs, tolerance);
      }),
  },
  {
    name: "each row's answer depends on that row alone",
    run: async (fixture) =>
      withModel(fixture, async (model) => {
        const { inputs, outputs, tolerance, rows } = goldenOf(fixture);
        for (let row = 0; row < rows; row += 1) {
          assertClose(await model.predict(takeTensorRows(inputs, [row])), takeTensorRows(outputs, [row]), tolerance);
        }
        const reversed = Array.from({ length: rows }, (_, index) => rows - 1 - index);
        const answers = await model.predict(takeTensorRows(inputs, reversed));
        assertClose(answers, takeTensorRows(outputs, reversed), tolerance);
      }),
  },
  {
    name: "inputs are left as they were, and answers are the caller's own",
    run: async (fixture) =>
      withModel(fixture, async (model) => {
        const { inputs, outputs, tolerance } = goldenOf(fixture);
        const before = structuredClone(inputs);
        const first = await model.predict(inputs);
        assert.deepEqual(inputs, before);
        const kept = structuredClone(first);
        const { rows } = goldenOf(fixture);
        await model.predict(takeTensorRows(inputs, [rows - 1, 0]));
        assert.deepEqual(structuredClone(first), kept);
        assertClose(first, outputs, tolerance);
      }),
  },
  {
    name: "requests at the same time get each their own answer",
    run: async (fixture) =>
      withModel(fixture, async (model) => {
        const { inputs, outputs, tolerance, rows } = goldenOf(fixture);
        const asked = Array.from({ length: 12 }, (_, index) => index % rows);
        const answers = await Promise.all(asked.map(async (row) => model.predict(takeTensorRows(inputs, [row]))));
        for (const [index, answer] of answers.entries()) {
          assertClose(answer, takeTensorRows(outputs, [asked[index] ?? 0]), tolerance);
        }
      }),
  },
  {
    name: "two loads know nothing of each other: disposing one leaves the other",
    run: async (fixture) =>
      withModel(fixture, async (model) => {
        const other = await fixture.runtime.load(fixture.directory, fixture.manifest);
        await other.dispose();
        const { inputs, outputs, tolerance } = goldenOf(fixture);
        assertClose(await model.predict(inputs), outputs, tolerance);
      }),
  },
  {
    name: "it tells how many bytes it holds, and can be disposed twice",
    run: async (fixture) => {
      const model = await fixture.runtime.load(fixture.directory, fixture.manifest);
      assert.ok(Number.isFinite(model.memoryBytes) && model.memoryBytes >= 0);
      await model.dispose();
      await model.dispose();
    },
  },
  {
    name: "files that are not what the format says reject with PORT_MODEL_CORRUPT",
    appliesTo: ({ corruptDirectory }) => corruptDirectory !== undefined,
    run: async ({ runtime, manifest, corruptDirectory }) => {
      assert.ok(corruptDirectory !== undefined);
      await rejectsWithCode(runtime.load(corruptDirectory, manifest), "PORT_MODEL_CORRUPT");
    },
  },
  {
    name: "an aborted signal rejects with its reason and loads nothing",
    run: async ({ runtime, directory, manifest }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(runtime.load(directory, manifest, { signal }), reason);
    },
  },
];
