import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { verifyModel } from "../src/index.ts";

const program = fileURLToPath(new URL("./fixtures/pack-until-killed.mjs", import.meta.url));

/** Takes about two seconds: five processes, each killed in the middle of its work. */
test("a process that is killed while it packs leaves whole packages only, and all that it said were done", async () => {
  const root = await mkdtemp(join(tmpdir(), "millwright-killed-"));
  try {
    for (let round = 0; round < 5; round += 1) {
      const folder = join(root, String(round));
      const child = spawn(process.execPath, [program, folder], { stdio: ["ignore", "pipe", "inherit"] });
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      await once(child.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, 7 * round));
      child.kill("SIGKILL");
      await once(child, "close");
      const finished = (await readdir(folder)).filter((entry) => !entry.includes(".partial-"));
      for (const entry of finished) await verifyModel(join(folder, entry));
      const promised = said.split("\n").slice(0, -1);
      expect(promised.length).toBeGreaterThan(0);
      expect(finished).toEqual(expect.arrayContaining(promised));
      expect(finished.length - promised.length).toBeLessThanOrEqual(1);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 300_000);
