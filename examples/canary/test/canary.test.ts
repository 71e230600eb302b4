import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

test(
  "SV-17: one canary passes, one is rolled back by its errors, one by what it decides in a segment, which is named",
  { timeout: 300_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-canary-example-"));
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [main, folder]);
      expect(stdout).toMatch(
        /^returns\/3: rolled-back by the verdict "fail": .* of the candidate's requests fail, and 0 % of the baseline's/m,
      );
      expect(stdout).toMatch(
        /^returns\/4: rolled-back by the verdict "fail": the canary was judged worse than the baseline: .*segment "app"/m,
      );
      expect(stdout).toMatch(/^returns\/2: completed by the verdict "pass"$/m);
      expect(stdout).toMatch(/^returns\/2 serves$/m);
      // Only the canary that breaks leaves anybody without an answer.
      const failed = [...stdout.matchAll(/customers, (\d+) without an answer/g)].map(([, count]) => Number(count));
      expect(failed).toEqual([expect.any(Number), 0, 0]);
      expect(failed[0]).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
