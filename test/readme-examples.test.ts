import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blocksOf, documentedPages, type ExampleBlock } from "./example-blocks.ts";
import { openExampleWorkspace } from "./example-workspace.ts";
import { publishedPackages } from "./published-packages.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const blocks = documentedPages(root).flatMap((page) => blocksOf(root, page));
const runLimitMs = 60_000;

let workspace: ReturnType<typeof openExampleWorkspace> | undefined;
beforeAll(() => {
  workspace = openExampleWorkspace(root, blocks);
}, 600_000);
afterAll(() => {
  if (workspace !== undefined) rmSync(workspace.path, { recursive: true, force: true, maxRetries: 5 });
});

/** Runs a compiled block in an empty folder of its own. */
async function runBlock(script: string): Promise<{ readonly code: number | string; readonly output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "millwright-example-"));
  const { NODE_ENV: _nodeEnv, VITEST: _vitest, ...env } = process.env;
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [script], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
      let output = "";
      const timer = setTimeout(() => child.kill("SIGKILL"), runLimitMs);
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.on("error", reject);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        resolve({ code: code ?? signal ?? "unknown", output });
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function check(block: ExampleBlock): Promise<void> {
  if (workspace === undefined) throw new Error("The blocks were not compiled.");
  expect(workspace.complaintsAbout(block)).toBe("");
  if (!block.runs) return;
  const { code, output } = await runBlock(workspace.scriptOf(block));
  expect(code, `The example ended with ${code} after printing:\n${output}`).toBe(0);
}

for (const block of blocks) {
  const verb = block.runs ? "compiles and runs to its end" : "compiles";
  test(`the example at ${block.page}:${block.line} ${verb}`, { timeout: runLimitMs + 10_000 }, () => check(block));
}

/** The lines of a block that a reader has to understand: imports and empty lines are none. */
const linesOf = ({ code }: ExampleBlock): readonly string[] =>
  code
    .replaceAll(/^import [^;]*;$/gm, "")
    .split("\n")
    .filter((line) => line.trim() !== "");

test("the first example of every package's README has at most 15 lines, and runs", () => {
  const firsts = publishedPackages.map(({ name }) => blocks.find(({ page }) => page === `packages/${name}/README.md`));
  for (const [index, first] of firsts.entries()) {
    const name = publishedPackages[index]?.name;
    expect(first?.runs, `packages/${name}/README.md begins with an example that runs`).toBe(true);
    const lines = first === undefined ? [] : linesOf(first);
    expect(lines.length, `lines of the first example of packages/${name}/README.md`).toBeLessThanOrEqual(15);
  }
});

test("at least seven of eight examples run", () => {
  const onlyCompiled = blocks.filter(({ runs }) => !runs).map(({ page, line }) => `${page}:${line}`);
  expect(onlyCompiled.length, `Too many blocks are marked no-run: ${onlyCompiled.join(", ")}`).toBeLessThanOrEqual(
    blocks.length / 8,
  );
});
