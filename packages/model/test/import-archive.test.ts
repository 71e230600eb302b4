import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTrustPolicy,
  denseRuntime,
  importModelArchive,
  loadModel,
  verifyModel,
  writeDenseModel,
} from "../src/index.ts";
import { writeOnnxModel } from "../src/onnx.ts";
import { tarOf } from "./archives.ts";
import { newSigner } from "./signed-models.ts";

const layers = [{ kernel: [2], bias: [0], activation: "linear" as const }];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-import-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function* archived(files: Readonly<Record<string, Uint8Array | string>>): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(gzipSync(tarOf(Object.entries(files).map(([name, content]) => ({ name, content })))));
}

test("a single ONNX file becomes a package with the file's own signature; scripts beside it are left out where that is asked for", async () => {
  const onnx = writeOnnxModel({ layers });
  const files = { "model.onnx": onnx.files["model.onnx"] as Uint8Array, "code/inference.py": "import os\n" };
  const target = join(root, "onnx");
  await expect(importModelArchive(archived(files), target)).rejects.toMatchObject({
    code: "MODEL_CONTENT_UNSAFE",
    message: expect.stringContaining("code/inference.py") as string,
  });
  const options = {
    name: "late",
    include: (path: string) => !path.startsWith("code/"),
    provenance: { runId: "run-1" },
  };
  const model = await importModelArchive(archived(files), target, options);
  expect(model).toMatchObject({
    name: "late",
    directory: target,
    manifest: { format: "onnx", signature: onnx.signature, provenance: { runId: "run-1" } },
  });
  expect((await verifyModel(target)).digest).toBe(model.digest);
  expect(await readdir(root)).toEqual(["onnx"]);
});

test("files of another format need the format and the signature; what was packed loads", async () => {
  const { files, signature } = writeDenseModel(layers);
  const target = join(root, "dense");
  const given: Record<string, Uint8Array | string> = {
    "network.json": files["network.json"] ?? "",
    "weights.bin": files["weights.bin"] ?? "",
  };
  await expect(importModelArchive(archived(given), target)).rejects.toMatchObject({
    code: "MODEL_ARCHIVE_UNDESCRIBED",
    message: expect.stringContaining("network.json") as string,
  });
  await expect(importModelArchive(archived({}), target)).rejects.toMatchObject({ code: "MODEL_ARCHIVE_UNDESCRIBED" });
  await using loaded = await loadModel(
    await importModelArchive(archived(given), target, { format: "dense", signature }),
    [denseRuntime()],
  );
  expect(loaded.manifest.name).toBe("model");
});

test("a pickle within is refused, and an archive that nobody signed where a policy asks for it; nothing is left", async () => {
  const pickle = await readFile(fileURLToPath(new URL("fixtures/unsafe/protocol-4.bin", import.meta.url)));
  const signature = { inputs: [], outputs: [] };
  const target = join(root, "refused");
  await expect(
    importModelArchive(archived({ "model.bin": pickle }), target, { format: "mine", signature }),
  ).rejects.toMatchObject({
    code: "MODEL_CONTENT_UNSAFE",
    message: expect.stringContaining("posix.system") as string,
  });
  const trust = createTrustPolicy({ keys: [newSigner("ann").trusted] });
  await expect(
    importModelArchive(archived({ "a.json": "{}" }), target, { format: "mine", signature, trust }),
  ).rejects.toMatchObject({
    code: "MODEL_SIGNATURE_MISSING",
  });
  await expect(
    importModelArchive(archived({ "../a": "{}" }), target, { format: "mine", signature }),
  ).rejects.toMatchObject({ code: "MODEL_ARCHIVE_UNSAFE" });
  expect((await readdir(root)).filter((name) => name.startsWith("refused"))).toEqual([]);
});
