import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JobEvent } from "@millwright/contracts";
import { openJobs, runTraining, type TrainingSpec } from "@millwright/jobs";
import { expect, test } from "vitest";
import { fixture } from "./setting.ts";
import { node, openTrainingSetting } from "./training-setting.ts";

/** Runs the training fixture's launcher in a process of its own, and kills it outright when the job has begun its second epoch. */
async function killInTheMiddle(spec: TrainingSpec, directory: string): Promise<void> {
  const script = fileURLToPath(fixture("training-launcher.js"));
  const child = spawn(process.execPath, [script, directory, JSON.stringify(spec)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for await (const chunk of child.stdout) if (String(chunk).includes("epoch 2")) child.kill("SIGKILL");
  await exited;
}

test("a job whose launcher was killed in the middle goes on from its checkpoints under the next one", async () => {
  await using setting = await openTrainingSetting({
    retries: 1,
    limits: { graceMs: 200 },
    run: node(`
      const state = at + "/checkpoints/epoch";
      let epoch = fs.existsSync(state) ? Number(fs.readFileSync(state, "utf8")) : 0;
      fs.appendFileSync(at + "/output/data/begun", epoch + ";");
      (function next() {
        if (epoch === 4) return fs.writeFileSync(at + "/model/epochs", String(epoch));
        fs.writeFileSync(state + ".draft", String(++epoch));
        fs.renameSync(state + ".draft", state);
        console.log("epoch " + epoch);
        setTimeout(next, 300);
      })();`),
  });
  const directory = join(setting.folder.path, "jobs");
  await killInTheMiddle(setting.spec, directory);
  const lines: string[] = [];
  await using jobs = await openJobs({ directory, retryDelayMs: 10 });
  const onEvent = (event: JobEvent): void => void (event.kind === "log" && lines.push(event.line));
  const result = await runTraining(jobs, setting.spec, { onEvent });
  expect(result).toMatchObject({ state: "completed", attempts: 2 });
  expect(await readFile(join(setting.spec.directory, "output", "data", "begun"), "utf8")).toMatch(/^0;[23];$/);
  expect(await readFile(join(setting.spec.directory, "model", "epochs"), "utf8")).toBe("4");
  expect(lines).toContain("epoch 4");
});

test("a launcher that was killed while it sent an epoch leaves nothing that the next one's attempt could meet", async ({
  skip,
}) => {
  skip(process.platform === "win32", "Windows has no FIFOs");
  await using setting = await openTrainingSetting({
    retries: 1,
    limits: { graceMs: 200 },
    run: node(`
      const channel = process.env.SM_CHANNEL_TRAIN;
      const again = fs.existsSync(at + "/checkpoints/begun");
      fs.writeFileSync(at + "/checkpoints/begun", "");
      const rows = fs.readFileSync(channel + "_0", "utf8");
      if (again) fs.writeFileSync(at + "/model/rows", rows + fs.readFileSync(channel + "_1", "utf8"));
      else {
        fs.openSync(channel + "_1", "r");
        console.log("epoch 2");
        setInterval(() => {}, 1000);
      }`),
  });
  const channels = { train: { path: join(setting.folder.path, "train"), inputMode: "Pipe" } } as const;
  const spec: TrainingSpec = { ...setting.spec, channels };
  const directory = join(setting.folder.path, "jobs");
  await killInTheMiddle(spec, directory);
  await using jobs = await openJobs({ directory, retryDelayMs: 10 });
  expect(await runTraining(jobs, spec)).toMatchObject({ state: "completed", attempts: 2 });
  const rows = await readFile(join(setting.folder.path, "train", "rows.csv"), "utf8");
  expect(await readFile(join(spec.directory, "model", "rows"), "utf8")).toBe(rows + rows);
  expect(await readdir(join(spec.directory, "input", "data"))).toEqual([]);
});
