import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock, type ModelRuntime, type Tensors } from "@millwright/contracts";
import { openDirectoryModelSource, packModel } from "@millwright/model";
import { expect, test } from "vitest";
import { createModelCatalog, openModelServer } from "../src/index.ts";
import { denseRuntime, packFolder } from "./models.ts";

/** A runtime that notes how many rows each call has, by the model's digest. */
function noting(): { readonly runtime: ModelRuntime; readonly rows: number[][] } {
  const inner = denseRuntime();
  const rows: number[][] = [];
  return {
    rows,
    runtime: {
      formats: inner.formats,
      load: async (given, options) => {
        const model = await inner.load(given, options);
        const own: number[] = [];
        rows.push(own);
        return {
          ...model,
          predict: (inputs, asked) => {
            own.push(Object.values(inputs)[0]?.shape[0] ?? 0);
            return model.predict(inputs, asked);
          },
        };
      },
    },
  };
}

const one = (model: string) => ({ late: { variants: { main: { model, weight: 1 } }, maxBatchRows: 8 } });

test("each model is asked one row and batches before it takes traffic: at the start, in reloads, deployments and catalogs", async () => {
  await using folder = await packFolder(4);
  const cold = noting();
  await using plain = await openModelServer({
    source: folder.source,
    runtimes: [cold.runtime],
    endpoints: one("late/1"),
  });
  expect(plain.ready).toBe(true);
  expect(cold.rows).toEqual([[1]]);
  const { runtime, rows } = noting();
  const seen: unknown[] = [];
  const models = createModelCatalog({ memoryBytes: 1_000_000 });
  const predictions = { capture: (record: unknown) => void seen.push(record) } as never;
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [runtime],
    predictions,
    endpoints: { late: { ...one("late/1").late, models } },
    warmUp: {},
    // No time passes: how fast the machine is says nothing of when it ends.
    clock: createManualClock(),
  });
  const warm = (model: number, least: number): void => {
    const asked = rows[model] ?? [];
    expect(new Set(asked)).toEqual(new Set([1, 8]));
    expect(asked.length).toBeGreaterThan(least);
  };
  warm(0, 20);
  await server.reconfigure({ endpoints: { late: { ...one("late/2").late, models } } });
  warm(1, 20);
  await server.deploy("late", { model: "late/3", traffic: { type: "all-at-once" } });
  warm(2, 20);
  await models.load("late/4");
  warm(3, 20);
  // None of it is traffic.
  expect([seen, server.availability().units]).toEqual([[], []]);
});

test("a model without golden requests is asked made-up values; one that takes none of them serves all the same", async () => {
  const root = await mkdtemp(join(tmpdir(), "millwright-warm-"));
  try {
    const spec = [
      { name: "amounts", dtype: "float64", shape: [-1, 2] },
      { name: "words", dtype: "string", shape: [-1] },
    ] as const;
    for (const name of ["echo", "picky"])
      await packModel(join(root, name, "1"), {
        name,
        format: name,
        files: { "x.txt": new Uint8Array([1]) },
        signature: { inputs: spec, outputs: spec },
      });
    const asked: Tensors[] = [];
    const runtime = (format: string): ModelRuntime => ({
      formats: [format],
      load: async () => ({
        memoryBytes: 0,
        predict: (inputs) => {
          if (format === "picky" && inputs["words"]?.data[0] === "") throw new TypeError("no words");
          asked.push(inputs);
          return inputs;
        },
        dispose: async () => {},
      }),
    });
    await using server = await openModelServer({
      source: openDirectoryModelSource(root),
      runtimes: [runtime("echo"), runtime("picky")],
      endpoints: {
        echo: { variants: { main: { model: "echo/1", weight: 1 } } },
        picky: { variants: { main: { model: "picky/1", weight: 1 } } },
      },
      warmUp: { budgetMs: 100 },
    });
    expect(server.ready).toBe(true);
    const shapes = new Set(asked.map(({ amounts, words }) => `${String(amounts?.shape)} ${String(words?.shape)}`));
    expect(shapes).toEqual(new Set(["1,2 1", "32,2 32"]));
    const inputs = {
      amounts: { dtype: "float64", shape: [1, 2], data: Float64Array.of(1, 2) },
      words: { dtype: "string", shape: [1], data: ["a"] },
    } as const;
    expect((await server.predict("picky", { inputs })).outputs["words"]?.data).toEqual(["a"]);
    const bad = { source: openDirectoryModelSource(root), runtimes: [runtime("echo")], warmUp: { budgetMs: 0 } };
    await expect(openModelServer({ ...bad, endpoints: one("echo/1") })).rejects.toThrow(RangeError);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
