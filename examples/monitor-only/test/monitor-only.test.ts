import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startRemote } from "../dist/remote.js";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const run = async (given: readonly string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [main, ...given])).stdout;

/** The lines of a day. */
const dayOf = (stdout: string, name: string): string =>
  new RegExp(`^${name}:.*\\n(?:  .*\\n)*`, "m").exec(stdout)?.[0] ?? "";

test(
  "drift and service levels are seen beside a remote KServe: a quiet day, another unit, and an outage",
  { timeout: 600_000 },
  async () => {
    const stdout = await run([]);
    const quiet = dayOf(stdout, "a day like those before");
    expect(quiet).toContain("72 of 72 requests answered; availability ok, 100 % of its budget left");
    expect(quiet).toMatch(/log loss 0\.\d+ on \d+ labels, (?:4[5-9]|5[0-5]) % of the answers/);
    expect(quiet.split("\n")).toHaveLength(3);
    const kilometres = dayOf(stdout, "a day in kilometres");
    expect(kilometres).toContain("ticket drift: ");
    expect(kilometres).toContain("distance");
    const outage = dayOf(stdout, "a day without the model");
    expect(outage).toContain("0 of 72 requests answered; availability burning");
    expect(outage).toContain("page availability: ");
    expect(outage).toContain("page probe: ");
    expect(stdout).toMatch(/^millwright_monitor_budget_left\{slo="availability"\} -\d/m);
  },
);

test("the same beside an endpoint of SageMaker's", { timeout: 600_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-monitor-only-"));
  const remote = await startRemote(folder);
  try {
    const stdout = await run(["--sagemaker", remote.url]);
    expect(stdout).toContain("a day like those before: 72 of 72 requests answered; availability ok");
    expect(dayOf(stdout, "a day in kilometres")).toContain("ticket drift: ");
    expect(stdout).not.toContain("a day without the model");
  } finally {
    await remote.kill();
    await rm(folder, { recursive: true, force: true });
  }
});
