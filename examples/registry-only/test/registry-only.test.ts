import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

test(
  "the program trains, is refused by the gate, breaks the glass and goes back, and can be run again in the same folder",
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-registry-only-"));
    try {
      for (const [first, second] of [
        [1, 2],
        [3, 4],
      ]) {
        const { stdout } = await promisify(execFile)(process.execPath, [main, folder]);
        const answers = [...stdout.matchAll(/minutes: ([\d.]+), version: (\d+)/g)].map(([, minutes, version]) => [
          Math.round(Number(minutes)),
          Number(version),
        ]);
        expect(answers.map(([, version]) => version)).toEqual([first, second, first]);
        expect(answers[0]?.[0]).toBe(37);
        expect(answers[1]?.[0]).toBeGreaterThan(50);
        expect(stdout).toContain("closed metric error");
        expect(stdout).toContain("closed approvals");
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
