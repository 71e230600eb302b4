import assert from "node:assert/strict";
import { digestOf } from "../digest.ts";
import type { RunTracker } from "../run-tracker.ts";
import { abortedSignal, bytesOf, rejectsWithReason, streamOf } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** What each run tracker promises to the one who writes a run; reading runs back is not part of the port. */
export const runTrackerContract: readonly ContractCase<RunTracker>[] = [
  {
    name: "every run has an id of its own, even when many start at once in one experiment",
    run: async (tracker) => {
      const runs = await Promise.all(Array.from({ length: 20 }, () => tracker.startRun({ experiment: "late" })));
      const ids = new Set(runs.map(({ id }) => id));
      assert.equal(ids.size, 20);
      for (const id of ids) assert.ok(id.length > 0);
      await Promise.all(runs.map((run) => run.end("finished")));
    },
  },
  {
    name: "logging returns at once; flush and end wait until it is durable",
    run: async (tracker) => {
      const run = await tracker.startRun({ experiment: "late", name: "first", tags: { team: "mill" } });
      assert.equal(run.logParams({ units: 8, nested: { rate: 0.1, layers: [1, 2] }, none: null }), undefined);
      const points = Array.from({ length: 1000 }, (_, step) => ({ name: "loss", value: 1 / (step + 1), step }));
      assert.equal(run.logMetrics(points), undefined);
      await run.flush();
      run.logMetrics([{ name: "loss", value: 0, step: 1000, timeMs: 1_700_000_000_000 }]);
      await run.end("finished");
    },
  },
  {
    name: "metrics outside the finite numbers are taken",
    run: async (tracker) => {
      const run = await tracker.startRun({ experiment: "late" });
      const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 5e-324];
      run.logMetrics(values.map((value, step) => ({ name: "odd", value, step })));
      await run.flush();
      await run.end("failed");
    },
  },
  {
    name: "an artifact is known by the digest of its bytes, whole or streamed",
    run: async (tracker) => {
      const run = await tracker.startRun({ experiment: "late" });
      assert.equal(await run.logArtifact("notes/a.txt", bytesOf("hello")), digestOf("hello"));
      assert.equal(await run.logArtifact("notes/b.txt", streamOf(bytesOf("hel"), bytesOf("lo"))), digestOf("hello"));
      await run.end("finished");
    },
  },
  {
    name: "runs can stand below another, and end in every way",
    run: async (tracker) => {
      const parent = await tracker.startRun({ experiment: "late" });
      for (const status of ["finished", "failed", "killed"] as const) {
        const child = await tracker.startRun({ experiment: "late", parentRunId: parent.id });
        await child.end(status);
      }
      await parent.end("finished");
    },
  },
  {
    name: "an aborted signal rejects with its reason",
    run: async (tracker) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(tracker.startRun({ experiment: "late", signal }), reason);
      const run = await tracker.startRun({ experiment: "late" });
      await rejectsWithReason(run.logArtifact("a.txt", bytesOf("a"), { signal }), reason);
      await run.end("killed");
    },
  },
];
