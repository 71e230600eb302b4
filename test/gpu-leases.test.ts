import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openJobs } from "../packages/jobs/dist/index.js";
import { openSqlite, openLeaseStore } from "../packages/storage/dist/drivers/sqlite.js";
import { machineOf, newIds } from "../packages/jobs/test/gpu-setting.ts";

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../packages/jobs/test/fixtures/${name}`, import.meta.url));

test("TR-16: launchers that share leases in a SQLite file never lend the same share of a device twice", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-leases-"));
  try {
    const machine = join(folder, "machine.json");
    const marks = join(folder, "marks");
    await mkdir(marks);
    await writeFile(machine, JSON.stringify(machineOf(newIds(2))));
    const lines: string[] = [];
    const launcher = async (name: string): Promise<void> => {
      await using database = await openSqlite(join(folder, "leases.db"));
      const leases = openLeaseStore(database);
      const nvidiaSmi = [process.execPath, fixture("fake-nvidia-smi.js"), machine] as const;
      const directory = join(folder, name);
      await using jobs = await openJobs({ directory, gpus: "auto", leases, nvidiaSmi, telemetryMs: 0, maxCpus: 16 });
      const sizes = [{ gpus: 1 }, { gpus: 0.5 }, { gpus: 1 / 3 }, { gpuMemoryBytes: 40e9 }];
      const run = { command: [process.execPath, fixture("uses-device.js"), marks, "100"] } as const;
      await Promise.all(
        sizes.map(async (resources, index) => {
          const job = await jobs.launch({ id: `job-${index}`, run, resources });
          for await (const event of job.events()) if (event.kind === "log") lines.push(event.line);
          expect(await job.result()).toMatchObject({ state: "completed" });
        }),
      );
    };
    await Promise.all([launcher("a"), launcher("b")]);
    expect(lines.filter((line) => line.includes("OVERLAP"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("using GPU-"))).toHaveLength(8);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
