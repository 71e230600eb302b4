import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { linearRuntime, denseRuntime, loadModel, treeRuntime, verifyModel } from "@millwright/model";
import { expect, test } from "vitest";

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const run = promisify(execFile);

/** As its README starts it, with nothing but Node: no programs, no network, no native code. */
async function runExample(folder: string): Promise<string> {
  const args = ["--import", pathOf("./nothing-else.mjs"), pathOf("../dist/main.js"), folder];
  const { stdout } = await run(process.execPath, args, { env: { PATH: "", TMPDIR: folder } });
  return stdout;
}

test("TR-33: linear model, trees and network are fitted, compared, calibrated, packed and asked offline, with Node alone", async () => {
  const root = await mkdtemp(join(tmpdir(), "millwright-small-models-"));
  try {
    const folder = join(root, "first");
    const output = await runExample(folder);
    const losses = Object.fromEntries(
      [...output.matchAll(/^(logistic|trees|network): log loss ([\d.]+)/gm)].map(([, name, loss]) => [
        name,
        Number(loss),
      ]),
    );
    expect(Object.keys(losses)).toEqual(["logistic", "trees", "network"]);
    // The made orders follow no weighted sum.
    expect(Math.min(losses["trees"]!, losses["network"]!)).toBeLessThan(losses["logistic"]!);
    expect(output).toMatch(/than trivial "majority[^\n]*better, by/);
    expect(output).toMatch(/than linear "logistic"/);
    expect(output).toMatch(/call from a probability of 0\.\d+ on/);
    const verified = await verifyModel(join(folder, "returns"));
    await using model = await loadModel(verified, [denseRuntime(), linearRuntime(), treeRuntime()]);
    expect(model.manifest.files.map(({ path }) => path)).toContain("calibration.json");
    // The same bits each time, but for the folder's name.
    const again = await runExample(join(root, "again"));
    expect(again.replaceAll("again", "first")).toBe(output);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test("the bare image of this test is bare", async () => {
  const trying = (code: string) =>
    run(process.execPath, ["--import", pathOf("./nothing-else.mjs"), "--input-type=module", "-e", code]);
  await expect(trying('await fetch("http://127.0.0.1:9")')).rejects.toThrow("fetch failed");
  await expect(trying('import { spawn } from "node:child_process"; spawn("node")')).rejects.toThrow("bare image");
  await expect(trying('import net from "node:net"; net.connect(9)')).rejects.toThrow("bare image");
});
