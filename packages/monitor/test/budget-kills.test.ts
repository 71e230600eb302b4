import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createSloCounts, defineObjective, type EventCountsState, readBudget, readObjective } from "../src/slo.ts";

const program = fileURLToPath(new URL("budget-process.mjs", import.meta.url));

/** Runs until some states were written, then kills. @returns the last that was told. */
async function runAndKill(path: string, states: number): Promise<number> {
  const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let [text, told] = ["", 0];
  for await (const chunk of child.stdout) {
    text += String(chunk);
    const lines = text.split("\n");
    told = Number(lines.at(-2) ?? told);
    if (lines.length > states) child.kill("SIGKILL");
  }
  await closed;
  expect(child.signalCode).toBe("SIGKILL");
  return told;
}

test(
  "a budget goes on exactly where it was when its process is killed again and again",
  { timeout: 300_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-budget-"));
    try {
      const path = join(folder, "state.json");
      const random = createRandom(9);
      let told = 0;
      for (let round = 0; round < 5; round += 1) told = Math.max(told, await runAndKill(path, 3 + random.integer(12)));
      const { done, state } = JSON.parse(await readFile(path, "utf8")) as {
        readonly done: number;
        readonly state: EventCountsState;
      };
      // Nothing that was told is lost.
      expect(done).toBeGreaterThanOrEqual(told);
      const objective = defineObjective({ name: "late", objective: 0.99, slices: { lengthMs: 60_000, target: 0.9 } });
      const whole = createSloCounts(objective);
      for (let at = 0; at < done; at += 1) whole.add(1_767_225_600_000 + at * 7_000, at % 13 === 0 ? 0 : 1, 1);
      const now = 1_767_225_600_000 + (done - 1) * 7_000;
      const restarted = createSloCounts(objective, { state });
      expect(restarted.totals(objective.periodMs, now).total).toBe(done);
      expect(readBudget(objective, restarted, now)).toEqual(readBudget(objective, whole, now));
      expect(readObjective(objective, restarted, now)).toEqual(readObjective(objective, whole, now));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
