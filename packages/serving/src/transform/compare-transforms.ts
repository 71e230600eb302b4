import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CallOptions } from "@millwright/contracts";
import { compareScores, type CompareScoresOptions, type ScoreComparison } from "./compare-scores.ts";
import { transformInvalid } from "./errors.ts";
import { guessContentType, type TransformOptions } from "./options.ts";
import { formatOf } from "./record-format.ts";
import { startTransform } from "./start-transform.ts";
import type { TransformResult } from "./transform-job.ts";

type Asked = Pick<TransformOptions, "model" | "target">;

export interface CompareTransformsOptions
  extends
    Omit<TransformOptions, "model" | "target" | "input" | "signal" | "onRecordError" | "onProgress">,
    Omit<CompareScoresOptions, "contentType" | "signal">,
    CallOptions {
  /** Read twice: not what can be walked but once. */
  readonly input: TransformOptions["input"];
  readonly champion: Asked;
  readonly candidate: Asked;
}

export interface TransformComparison {
  /** By the key of each object. */
  readonly objects: Readonly<Record<string, ScoreComparison>>;
  readonly champion: TransformResult;
  readonly candidate: TransformResult;
}

/**
 * Takes the same records through two versions, into `<output>/champion` and `<output>/candidate`, and compares their scores: a shadow test on records that
 * are there already. Each is a job like any other, which goes on where it was. Throws what `startTransform` and `compareScores` throw.
 */
export async function compareTransforms(options: CompareTransformsOptions): Promise<TransformComparison> {
  const { champion, candidate, score, tolerance, threshold, examples, output, ...shape } = options;
  const folder = output instanceof URL ? fileURLToPath(output) : output;
  const run = (asked: Asked, name: string): Promise<TransformResult> =>
    startTransform({ ...shape, ...asked, output: join(folder, name) }).result({ signal: options.signal });
  const first = await run(champion, "champion");
  const second = await run(candidate, "candidate");
  const stopped = [first, second].find(({ state }) => state === "stopped");
  if (stopped !== undefined)
    throw transformInvalid(
      `one of both jobs stopped: ${stopped.reason ?? "nobody said why"}`,
      "Start it again with more.",
    );
  const objects: Record<string, ScoreComparison> = {};
  const format = formatOf(shape.accept ?? shape.contentType ?? guessContentType(shape.input, first.objects));
  for (const { key, output: file } of first.objects)
    objects[key] = await compareScores(join(folder, "champion", file), join(folder, "candidate", file), {
      contentType: format === "lines" ? "application/jsonlines" : "text/csv",
      score,
      tolerance,
      threshold,
      examples,
      signal: options.signal,
    });
  return { objects, champion: first, candidate: second };
}
