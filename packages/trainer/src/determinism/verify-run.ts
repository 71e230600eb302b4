import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readLatestCheckpoint } from "../checkpoint-file.ts";
import { determinismBroken } from "../errors.ts";
import type { StartOptions } from "../start-options.ts";
import type { TrainingRun } from "../training-run.ts";
import { type ComparedRun, compareRuns, type DeterminismReport, levelText } from "./determinism-level.ts";

/**
 * Trains twice with the same options, one run after the other, and compares. Throws `TRAINER_DETERMINISM_BROKEN`.
 * @param start Starts a run whose folder lies below the root.
 */
export async function verifyDeterminism(
  options: StartOptions,
  start: (options: StartOptions, root: string) => Promise<TrainingRun>,
): Promise<DeterminismReport> {
  const { determinism: level = "bitwise", checkpoints } = options;
  const root = await mkdtemp(join(tmpdir(), "millwright-verify-"));
  const plain: StartOptions = {
    ...options,
    id: undefined,
    trial: undefined,
    tracker: undefined,
    resumeFrom: undefined,
    budget: undefined,
    checkpoints: checkpoints === false ? {} : checkpoints, // weights are read from them
  };
  const compared: ComparedRun[] = [];
  try {
    for (let index = 0; index < 2; index += 1) {
      const { weightsDigest, metrics, checkpoint = "" } = await (await start(plain, root)).result();
      const { parts = [] } = (await readLatestCheckpoint(checkpoint)) ?? {};
      const weights = parts.filter(({ name }) => name.startsWith("model/")).flatMap(({ data }) => [...data]);
      compared.push({ weightsDigest, weights, metrics });
    }
  } finally {
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
  const [one, other] = compared as [ComparedRun, ComparedRun];
  const report = compareRuns(level, one, other);
  if (!report.holds) throw determinismBroken(levelText(level), report);
  return report;
}
