import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const pack = fileURLToPath(new URL("../tuner/pack.mjs", import.meta.url));
const baseline = fileURLToPath(new URL("../tuner/baseline.csv", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tuner-pack-"));
});
afterAll(() => rm(folder, { recursive: true }));

const runPack = (...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [pack, ...args], (error, output, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: output + errors });
    });
  });

test("HT-32: no sampler's median regret over 12 synthetic and 6 recorded tasks is more than a tenth above the committed one", async () => {
  const out = join(folder, "results.csv");
  const { code, output } = await runPack("--out", out);
  expect(code, output).toBe(0);
  const lines = (await readFile(out, "utf8")).trim().split("\n");
  expect(lines[0]).toBe("sampler,task,seed,trials,regret,share");
  const rows = lines.slice(1).map((line) => line.split(","));
  const samplers = new Set(rows.map(([sampler]) => sampler));
  expect(new Set(rows.map(([, task]) => task)).size).toBe(18);
  expect(rows).toHaveLength(samplers.size * 18 * 3);
  expect([...samplers]).toEqual(["auto", "cma-es", "gp", "halton", "random", "random-forest", "sobol", "tpe"]);
}, 600_000);

test("HT-32: a sampler that became worse by more than a tenth fails the gate, one by less does not, and its results are the same each time", async () => {
  const text = await readFile(baseline, "utf8");
  const scaled = async (factor: number): Promise<string> => {
    const path = join(folder, `before-${factor}.csv`);
    const rows = text
      .trim()
      .split("\n")
      .slice(1)
      .filter((line) => line.startsWith("random,"));
    const changed = rows.map((line) => {
      const cells = line.split(",");
      return [...cells.slice(0, 5), Number(cells[5]) * factor].join(",");
    });
    await writeFile(path, `sampler,task,seed,trials,regret,share\n${changed.join("\n")}\n`);
    return path;
  };
  const first = join(folder, "first.csv");
  const worse = await runPack("--samplers", "random", "--baseline", await scaled(0.89), "--out", first);
  expect(worse.code, worse.output).toBe(1);
  expect(worse.output).toContain("random: ");
  expect(worse.output).toContain("over 10 % worse");
  const second = join(folder, "second.csv");
  const within = await runPack("--samplers", "random", "--baseline", await scaled(0.93), "--out", second);
  expect(within.code, within.output).toBe(0);
  expect(await readFile(second, "utf8")).toBe(await readFile(first, "utf8"));
}, 600_000);
