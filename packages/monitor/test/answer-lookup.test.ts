import { createManualClock, digestOf, type JsonObject, type JsonValue } from "@millwright/contracts";
import { type AnswerSource, openMonitor } from "@millwright/monitor";
import { expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const quality = { late: { output: "late", kind: "binary" } } as const;
const model = { name: "late", digest: digestOf("model") };

test("an answer that is damaged in the log loses its own labels alone, and a log that never answers holds up nobody's end", async () => {
  const clock = createManualClock(start);
  const row = (index: number, timeMs: JsonValue): JsonObject => ({
    requestId: `r${index}`,
    endpoint: "late",
    variant: "main",
    model: { ...model },
    timeMs,
    outputs: { late: [0.5] },
  });
  let given: AbortSignal | undefined;
  const answers: AnswerSource = {
    async *findAll(requestIds, { signal } = {}) {
      if (requestIds.includes("r2")) {
        given = signal;
        await new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
      }
      yield row(0, { $number: "damaged" });
      yield row(1, start);
    },
  };
  const monitor = openMonitor({ clock, quality, answers, holdLabelsMs: 1000 });
  monitor.capture({ requestId: "seen", endpoint: "late", variant: "main", model, timeMs: start, latencyMs: 5 });
  for (const requestId of ["r0", "r1"]) monitor.label({ requestId, value: true, timeMs: start });
  await clock.advance(70_000);
  await monitor.evaluate();
  await monitor.flush();
  expect(monitor.counts().labels).toMatchObject({ joined: 1, unmatched: 1, held: 0 });
  monitor.label({ requestId: "r2", value: true, timeMs: start });
  await clock.advance(70_000);
  await monitor.evaluate();
  const ended = monitor[Symbol.asyncDispose]();
  await new Promise((resolve) => setImmediate(resolve));
  expect(given?.aborted).toBe(false);
  await clock.advance(10_000);
  await ended;
  expect(given?.aborted).toBe(true);
});
