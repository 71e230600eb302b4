import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CapturedPrediction, CapturedTensors } from "@millwright/contracts";
import { tensorColumns } from "@millwright/data";
import { afterEach, beforeEach } from "vitest";

export const start = Date.UTC(2026, 0, 1);

/** The same request with its tensors as columns. */
export const asColumns = ({ inputs, ...rest }: CapturedTensors): CapturedPrediction => ({
  ...rest,
  features: tensorColumns(inputs),
});

/** A folder of each test's own, which is gone after it. @returns where it is now. */
export function useFolder(name: string): () => string {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), `millwright-${name}-`));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}
