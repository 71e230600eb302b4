import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scanModel } from "../src/index.ts";

const run = promisify(execFile);
const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const torchPython = process.env["MILLWRIGHT_TORCH_PYTHON"] ?? python;
const has = (command: string, code: string): boolean => spawnSync(command, ["-c", code]).status === 0;
const hasPython = has(python, "") || process.env["CI"] === "true";
const hasTorch = has(torchPython, "import torch") || process.env["CI"] === "true";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-scan-python-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("every pickle that Python writes is found if it imports anything, whatever it holds", async ({ skip }) => {
  skip(!hasPython, `there is no ${python}; name one in MILLWRIGHT_PYTHON`);
  const folder = join(root, "pickles");
  await mkdir(folder);
  const script = fileURLToPath(new URL("fixtures/pickles.py", import.meta.url));
  const { stdout } = await run(python, [script, folder, "1200"], { maxBuffer: 1 << 24 });
  const imports = JSON.parse(stdout) as boolean[];
  const { files } = await scanModel(folder);
  const kinds = new Map(files.map(({ path, kind }) => [path, kind]));
  const missed = imports.flatMap((does, index) => (does && kinds.get(`${index}.bin`) !== "pickle" ? [index] : []));
  expect(imports.filter(Boolean).length).toBeGreaterThan(300);
  expect(missed).toEqual([]);
});

test("what PyTorch saves is found, in its zip and in its older form", async ({ skip }) => {
  skip(!hasTorch, `${torchPython} cannot import torch; name a Python that can in MILLWRIGHT_TORCH_PYTHON`);
  const folder = join(root, "torch");
  await mkdir(folder);
  const script = `import sys, torch
model = torch.nn.Linear(2, 1)
torch.save(model.state_dict(), sys.argv[1] + "/state.bin")
torch.save(model, sys.argv[1] + "/whole.bin")
torch.save(model.state_dict(), sys.argv[1] + "/old.bin", _use_new_zipfile_serialization=False)
torch.jit.save(torch.jit.script(model), sys.argv[1] + "/script.bin")`;
  await run(torchPython, ["-c", script, folder]);
  const { findings } = await scanModel(folder);
  for (const file of ["state.bin", "whole.bin", "old.bin", "script.bin"])
    expect(findings.filter(({ path, rule }) => path === file && rule === "pickle").length, file).toBeGreaterThan(0);
  expect(findings.find(({ path }) => path === "state.bin")?.problem).toContain("torch._utils._rebuild_tensor_v2");
});
