import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openJobs } from "../packages/jobs/dist/index.js";
import { machineOf, newIds } from "../packages/jobs/test/gpu-setting.ts";
import { openSqlite, openLeaseStore } from "../packages/storage/dist/drivers/sqlite.js";
import {
  constant,
  createTrialSlots,
  float,
  jobObjective,
  openStudy,
  randomSampler,
} from "../packages/tuner/dist/index.js";

const fake = fileURLToPath(new URL("../packages/jobs/test/fixtures/fake-nvidia-smi.js", import.meta.url));
const module = new URL("../packages/tuner/test/fixtures/gpu-objective.mjs", import.meta.url);

test(
  "HT-21: trials that are jobs lease a GPU each: two studies on two devices never share one",
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-trial-gpus-"));
    try {
      const machine = join(folder, "machine.json");
      const marks = join(folder, "marks");
      await mkdir(marks);
      await writeFile(machine, JSON.stringify(machineOf(newIds(2))));
      await using database = await openSqlite(join(folder, "leases.db"));
      await using launcher = await openJobs({
        directory: join(folder, "jobs"),
        gpus: "auto",
        leases: openLeaseStore(database),
        nvidiaSmi: [process.execPath, fake, machine],
        telemetryMs: 0,
        maxCpus: 16,
      });
      const objective = jobObjective(module, { launcher, resources: { gpus: 1 } });
      const slots = createTrialSlots({ cpus: 16, gpus: 2 });
      const search = async (name: string) => {
        const space = { x: float(0, 1), marks: constant(marks) };
        await using study = await openStudy({
          name,
          space,
          direction: "minimize",
          sampler: randomSampler(),
          pruner: false,
        });
        await study.optimize(objective, { trials: 4, parallelism: 3, slots, resources: { gpus: 1 } });
        return (await study.trials()).map(({ state, value, reason }) => ({ state, value, reason }));
      };
      const ended = (await Promise.all([search("a"), search("b")])).flat();
      expect(ended).toEqual(Array.from({ length: 8 }, () => ({ state: "completed", value: 0, reason: undefined })));
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);
