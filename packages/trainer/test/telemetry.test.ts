import type { MetricPoint, RunHandle } from "@millwright/contracts";
import { expect, test } from "vitest";
import { fixture, flights, openSetting } from "./setting.ts";

test(
  "what the launcher measures of a run's process is among the metrics of the run",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(process.platform !== "linux", "there is no /proc here");
    await using setting = await openSetting({ telemetryMs: 50 });
    const train = await setting.save("train", flights(500, 1));
    const points: MetricPoint[] = [];
    const tracker = {
      startRun: (): Promise<RunHandle> =>
        Promise.resolve({
          id: "measured" as RunHandle["id"],
          logParams: () => {},
          logMetrics: (more) => void points.push(...more),
          logArtifact: () => Promise.reject(new Error("none is expected")),
          flush: () => Promise.resolve(),
          end: () => Promise.resolve(),
        }),
    };
    const run = await setting.trainer.start(fixture("network.train.js"), {
      data: { train },
      label: "late",
      epochs: 2,
      tracker,
    });
    await run.result();
    const memory = points.filter(({ name }) => name === "system/memory_usage_bytes");
    expect(memory.length).toBeGreaterThan(1);
    expect(memory.map(({ step }) => step)).toEqual(memory.map((_, step) => step));
    for (const { value, timeMs } of memory) {
      expect(value).toBeGreaterThan(20 * 1024 * 1024);
      expect(timeMs).toBeGreaterThan(Date.now() - 600_000);
    }
  },
);
