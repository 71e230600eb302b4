import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ModelRuntime, Tensors } from "@millwright/contracts";
import { denseRuntime, goldenRequest, openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { expect, test } from "vitest";
import { isolatedRuntime } from "../src/isolation.ts";
import { openModelServer } from "../src/index.ts";
import { isolated, until } from "./isolation-setting.ts";
import { expected, layersOf, matrix, packFolder } from "./models.ts";

const rows = [
  [0.1, -0.2, 0.3, 0.4],
  [1, 0, -1, 2],
];

/** A folder with `late/1`, whose answers are those of the seed 1 and whose weights may be another's. */
async function packWith(weight: (kernel: Float32Array) => void, tolerance: number | Record<string, number> = 1e-6) {
  const root = await mkdtemp(join(tmpdir(), "millwright-self-test-"));
  const [first, second] = layersOf(1);
  const kernel = Float32Array.from(first?.kernel ?? []);
  weight(kernel);
  const { files, signature } = writeDenseModel([{ ...first!, kernel }, second!], {
    input: "features",
    output: "probability",
  });
  const answers = rows.map((row) => expected(1, row));
  await packModel(join(root, "late", "1"), {
    name: "late",
    format: "dense",
    files,
    signature,
    golden: rows.map((row, at) =>
      goldenRequest({ features: matrix([row]) }, { probability: matrix([[answers[at] ?? 0]]) }, tolerance),
    ),
  });
  return root;
}

const open = (root: string, runtime: ModelRuntime) =>
  openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [runtime],
    watch: false,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });

/** The dense runtime as a machine has it that rounds otherwise. */
const rounding = (error: number): ModelRuntime => ({
  formats: ["dense"],
  async load(...given) {
    const model = await denseRuntime().load(...given);
    const predict = (inputs: Tensors): Tensors => {
      const { probability } = model.predict(inputs) as Tensors;
      return {
        probability: {
          ...probability,
          data: Float32Array.from(Array.from(probability?.data ?? [], Number), (each) => each + error),
        } as never,
      };
    };
    return { memoryBytes: 0, predict, dispose: async () => {} };
  },
});

test("SV-24: one corrupted weight: the load is refused, in process and in workers; the tolerance of another runtime is respected", async () => {
  await using runtime = isolated({ workers: 2 });
  // The bytes as they were packed: both load.
  const sound = await packWith(() => {});
  await (await open(sound, denseRuntime())).drain();
  await (await open(sound, runtime)).drain();

  // One weight of 41 is another, and the package's digests agree with it: only its golden requests tell.
  const corrupt = await packWith((kernel) => (kernel[5] = (kernel[5] ?? 0) + 0.01));
  await expect(open(corrupt, denseRuntime())).rejects.toMatchObject({ code: "MODEL_GOLDEN_MISMATCH" });
  await expect(open(corrupt, runtime)).rejects.toMatchObject({ code: "MODEL_GOLDEN_MISMATCH" });

  // One bit of the file flipped: its digest tells.
  const file = join(sound, "late", "1", "weights.bin");
  const bytes = await readFile(file);
  bytes[9] = (bytes[9] ?? 0) ^ 1;
  await writeFile(file, bytes);
  await expect(open(sound, denseRuntime())).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });

  // Another runtime rounds within the tolerance of the output, or not.
  const loose = await packWith(() => {}, { probability: 1e-3 });
  await (await open(loose, rounding(5e-4))).drain();
  await expect(open(loose, rounding(2e-3))).rejects.toMatchObject({
    code: "MODEL_GOLDEN_MISMATCH",
    message: expect.stringContaining("tolerance 0.001"),
  });
  const strict = await packWith(() => {}, { other: 1 });
  await expect(open(strict, rounding(5e-4))).rejects.toMatchObject({ code: "MODEL_GOLDEN_MISMATCH" });
  for (const root of [sound, corrupt, loose, strict]) await rm(root, { recursive: true });
});

test("a worker that comes up with another runtime, which answers otherwise, never answers a request", async () => {
  await using folder = await packFolder(1);
  const place = await mkdtemp(join(tmpdir(), "millwright-runtime-change-"));
  const path = join(place, "runtimes.mjs");
  const model = JSON.stringify(import.meta.resolve("@millwright/model"));
  const write = (error: number) =>
    writeFile(
      path,
      `import { denseRuntime } from ${model};
export default { formats: ["dense"], async load(...given) {
  const model = await denseRuntime().load(...given);
  const predict = (inputs) => {
    const { probability } = model.predict(inputs);
    return { probability: { ...probability, data: probability.data.map((each) => each + ${error}) } };
  };
  return { memoryBytes: 0, predict, dispose: async () => {} };
} };
`,
    );
  await write(0);
  const errors: unknown[] = [];
  await using runtime = isolatedRuntime({
    formats: ["dense"],
    module: pathToFileURL(path),
    backoffMs: { first: 20, most: 50 },
    waitMs: 10_000,
    logger: {
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: (fields) => void errors.push((fields as { readonly error?: unknown }).error),
    },
  });
  await using server = await open(folder.root, runtime);
  // The runtime is exchanged under the server, and its worker ends.
  await write(0.5);
  process.kill(runtime.workers()[0]?.pid ?? 0, "SIGKILL");
  await until(() => errors.some((error) => (error as { readonly code?: string })?.code === "MODEL_GOLDEN_MISMATCH"));
  const asking = server.predict("late", { instances: [rows[0] ?? []] });
  await write(0);
  const { outputs } = await asking;
  expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rows[0] ?? []), 6);
  await rm(place, { recursive: true });
});

test("a worker whose answers change while it runs is replaced when it is asked its golden requests again", async () => {
  await using folder = await packFolder(1);
  await using runtime = isolatedRuntime({
    formats: ["dense"],
    module: new URL("./fixtures/fading-runtime.js", import.meta.url),
    kind: "thread",
    recheckMs: 50,
    backoffMs: { first: 10, most: 50 },
  });
  await using server = await open(folder.root, runtime);
  const before = runtime.workers()[0]?.title;
  // Its thirtieth answer and those after are wrong, as where memory goes bad.
  await until(() => runtime.workers().some(({ title, models }) => title !== before && models.length === 1));
  const { outputs } = await server.predict("late", { instances: [rows[0] ?? []] });
  expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rows[0] ?? []), 6);
});
