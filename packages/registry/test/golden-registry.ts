import { createManualClock, digestOf } from "@millwright/contracts";
import type { Workshop } from "./workshop.ts";

/** The clock of the golden file. */
export const goldenClock = () => createManualClock(1_750_000_000_000);

/** Writes what the golden file holds. It is run once per format: by hand, with the release that has the format. */
export async function writeGolden({ registry, pack }: Workshop): Promise<void> {
  const from = [{ kind: "dataset", id: digestOf("flights"), name: "train" }] as const;
  const run = await registry.startRun({ experiment: "golden", name: "first", tags: { team: "mill" }, from });
  run.logParams({ units: 8, odd: [Number.NaN, -0], text: "ü" });
  const values = [0.5, Number.NaN, Infinity, -Infinity, -0, 5e-324];
  run.logMetrics(values.map((value, step) => ({ name: "loss", value, step })));
  await run.logArtifact("note.txt", new TextEncoder().encode("note"));
  await run.end("finished");
  await registry.startRun({ experiment: "golden", name: "below", parentRunId: run.id });
  for (const content of ["one", "two"]) await registry.register("late", await pack(content), { runId: run.id });
  await registry.approve("late", 1, { status: "approved", by: "ann" });
  await registry.approve("late", 1, { status: "rejected", by: "bob", comment: "too slow" });
  for (const version of [1, 2]) await registry.setAlias("late", "champion", version);
}
