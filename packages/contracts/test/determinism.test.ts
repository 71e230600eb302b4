import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  type JobState,
  canonicalJson,
  childTrace,
  createBudget,
  createEvent,
  createIdSource,
  createManualClock,
  createRandom,
  currentJobState,
  isFinalJobState,
  jobTransitions,
  nextJobState,
  startJobHistory,
  writeTraceparent,
} from "@millwright/contracts";
import { describe, expect, test } from "vitest";

/** Jobs that go their random ways under a budget, and the ledger of what happened. */
async function ledgerOf(seed: number): Promise<string> {
  const clock = createManualClock(Date.UTC(2024, 4, 1));
  const random = createRandom(seed);
  const ids = createIdSource(clock, random.fork("ids"));
  const budget = createBudget({ usd: 20 });
  const ledger: string[] = [];
  const walk = async (job: number): Promise<void> => {
    const own = random.fork(job);
    let history = startJobHistory(clock.nowMs());
    const trace = childTrace(own);
    const reservation = await budget.reserve({ usd: 1 });
    while (!isFinalJobState(currentJobState(history))) {
      await clock.sleep(1 + own.integer(500));
      const choices = jobTransitions[currentJobState(history)];
      history = nextJobState(history, choices[own.integer(choices.length)] as JobState, clock.nowMs());
      const event = createEvent(
        {
          source: "test",
          type: "job.state-changed",
          subject: `job-${job}`,
          traceparent: writeTraceparent(trace),
          data: { state: currentJobState(history) },
        },
        { clock, ids },
      );
      ledger.push(canonicalJson(event));
    }
    await reservation.commit({ usd: own.next() });
    ledger.push(canonicalJson({ job, history, left: budget.remaining() }));
  };
  const walks = Promise.all(Array.from({ length: 20 }, (_, job) => walk(job)));
  await clock.advance(60_000);
  await walks;
  return ledger.join("\n");
}

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** The lint rules a source file of a package breaks, by the settings of the repository. */
async function lint(source: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "millwright-lint-"));
  try {
    const file = join(directory, "source.ts");
    await writeFile(file, source);
    const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint");
    // From the root, where the linter finds its type-aware part, whatever the PATH says.
    const run = promisify(execFile)(process.execPath, [oxlint, "-c", join(root, ".oxlintrc.json"), file], {
      cwd: root,
    });
    return await run.then(
      () => "",
      (failure: { stdout: string }) => failure.stdout,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe("time, chance and ids that are passed in", () => {
  test("CT-8: the same seed and clock give the same ledger to the byte, and the lint refuses the machine's own time and chance", async () => {
    const ledger = await ledgerOf(7);
    expect(ledger.length).toBeGreaterThan(10_000);
    expect(await ledgerOf(7)).toBe(ledger);
    expect(await ledgerOf(8)).not.toBe(ledger);
    for (const call of ["Date.now()", "Math.random()", "performance.now()", "crypto.randomUUID()"]) {
      expect(await lint(`export const value: unknown = ${call};\n`), call).toContain("no-restricted-properties");
    }
    expect(await lint("export const value: unknown = Date.UTC(2024, 1);\n")).not.toContain("no-restricted-properties");
  }, 600_000);
});
