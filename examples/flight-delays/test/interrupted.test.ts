import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ReportData } from "../src/report-data.ts";
import { expectToldOnce } from "./event-log.ts";
import { type JobProcess, descendantsOf, fewest, isRunning, startJob, temporaryFolder } from "./job-process.ts";

/** Moments to stop at: as a stage has begun, and up to this many milliseconds on. A stage that is over by then passes the signal on to the next one; behind the last there is none. */
const within = (stage: number): number => (stage <= 4 ? 2_000 : stage === 5 ? 1_000 : 300);
const moments = [1, 2, 4].map((stage) => ({ stage, kill: stage !== 2 }));

test("a run that Ctrl-C or SIGKILL stops while it ingests, joins or tunes goes on where it stopped, and finds the same", async () => {
  await using folder = await temporaryFolder();
  const args = [...fewest, "--trials", "4", "--output", folder.path];
  const random = uniform(2001);
  for (const { stage, kill } of moments) {
    await interruptIn(stage, random() * within(stage), args);
    if (kill) await killIn(stage, random() * within(stage), args);
  }
  await using last = startJob(args);
  const { status, output } = await last.ended;
  expect(output).toContain(`Going on with the run in ${folder.path}`);
  expect(status, output).toBe(0);
  const report = JSON.parse(await readFile(join(folder.path, "report.json"), "utf8")) as ReportData;
  expect(report.leakage.different).toBe(0);
  expect(report.replay.parity.different).toBe(0);
  expect(report.replay.requests).toBe(report.replay.june.rows + report.canary.requests);
  // Trials that were running as the process died are tried again; those that had ended are not.
  expect(report.training.trials.filter(({ state }) => state === "completed" || state === "pruned")).toHaveLength(4);
  expect(report.training.model.auc).toBeGreaterThan(0.58);
  expect(report.canary.state).toBe("rolled-back");
  expect(report.canary.aliasAfter).toBe(report.registry.version);
  await expectToldOnce(folder.path);
}, 900_000);

async function interruptIn(stage: number, afterMs: number, args: readonly string[]): Promise<void> {
  await using job = startJob(args);
  await begun(job, stage);
  await sleep(afterMs);
  job.interrupt();
  const { status, output } = await job.ended;
  expect(status, `Ctrl-C ${Math.round(afterMs)} ms into stage ${stage}:\n${output}`).toBe(130);
  expect(output).toMatch(/Interrupted\. The same command goes on where this run stopped\.\n$/);
  expect(output).not.toMatch(/^\s+at /m);
}

async function killIn(stage: number, afterMs: number, args: readonly string[]): Promise<void> {
  await using job = startJob(args);
  await begun(job, stage);
  await sleep(afterMs);
  const children = process.platform === "linux" ? await descendantsOf(job.pid) : [];
  job.kill("SIGKILL");
  expect((await job.ended).signal).toBe("SIGKILL");
  await expect
    .poll(async () => (await Promise.all(children.map(isRunning))).filter(Boolean).length, { timeout: 100_000 })
    .toBe(0);
}

/** Resolves when the stage, or one after it, is being worked on. */
const begun = async (job: JobProcess, stage: number): Promise<unknown> =>
  job.seen(new RegExp(`^[${stage}-8]\\. (?!.*done before).*\\n`, "m"));

/** Numbers from [0, 1): Park and Miller's generator. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
