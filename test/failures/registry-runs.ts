import type { Registry } from "../../packages/registry/dist/index.js";
import { methods, type Subjects } from "./subjects.ts";

const signal = new AbortController().signal;

/** What is logged to a run. */
export function runs(open: Registry): Subjects {
  const run = () => open.startRun({ experiment: "late" });
  const ended = async () => {
    const each = await run();
    await each.end("finished");
    return each;
  };
  const over = (call: (each: Awaited<ReturnType<typeof run>>) => unknown) => ({
    REGISTRY_RUN_ENDED: async () => call(await ended()),
  });
  return methods("openRegistry().startRun()", run, {
    logParams: [() => [{ a: 1 }], over((each) => each.logParams({ a: 2 })), 12],
    logMetrics: [() => [[{ name: "loss", value: 1, step: 0 }]], over((each) => each.logMetrics([])), 12],
    log: [
      () => [
        { params: { a: 1 }, metrics: [{ name: "loss", value: 1, step: 0 }] },
        { durability: "buffered", signal },
      ],
      over((each) => each.log({})),
      12,
    ],
    logArtifact: [() => ["a.txt", Uint8Array.of(1), { signal }], {}, 12],
    flush: [() => [{ signal }], {}, 6],
    end: [() => ["finished", { signal }], {}, 10],
  });
}
