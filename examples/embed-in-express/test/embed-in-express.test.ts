import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

test(
  "SV-2: the Express application answers its own routes and the model's, knows who asks, logs both, and ends",
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-embed-in-express-"));
    try {
      const { PORT: _, ...env } = process.env;
      const { stdout } = await promisify(execFile)(process.execPath, [main, folder], { env });
      const right = Number(/^(\d+) of 30 flowers are named right by iris\/1$/m.exec(stdout)?.[1]);
      expect(right).toBeGreaterThanOrEqual(28);
      expect(stdout).toContain("without a key: 401\n");
      expect(stdout).toContain("the application's own route: setosa\n");
      expect(stdout.match(/^log: .*$/gm)).toEqual([
        "log: POST /ml/invocations 200",
        "log: POST /ml/invocations 401",
        "log: POST /flowers 200",
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
