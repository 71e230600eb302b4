import type { CapturedPrediction } from "@millwright/contracts";
import { expect, test } from "vitest";
import { replayedAnswer } from "../src/backtest/replayed-answer.ts";
import { backtestRules, type RuleSetup } from "../src/backtest.ts";
import { shift } from "../src/injection.ts";
import { always, dayMs, history, hourMs, minuteMs, setup, start } from "./rule-history.ts";

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: "MONITOR_BACKTEST_INVALID", message: expect.stringMatching(message) });

test("what cannot be replayed is refused with what would mend it", async () => {
  const hours = history(2, 120);
  const { answers } = hours;
  const run = (given: unknown, options = {}, make: unknown = setup) =>
    backtestRules(make as typeof setup, given as typeof hours, options);
  const drift = { fromMs: start + hourMs, drifts: [shift("distance", 1)] };
  const once = setup();
  await expect(run(hours, {}, [])).rejects.toThrow(invalid(/must be a function/));
  await expect(run(hours, {}, () => ({}))).rejects.toThrow(invalid(/no rules and no objectives/));
  await expect(run(hours, { drift }, () => once)).rejects.toThrow(invalid(/"error-rate" twice/));
  await expect(run({})).rejects.toThrow(invalid(/no answers/));
  await expect(run({ answers: 1 })).rejects.toThrow(invalid(/nothing that can be walked/));
  await expect(run({ answers: [] })).rejects.toThrow(invalid(/no answer and no label/));
  await expect(run({ answers: [{ ...answers[0], requestId: 1 }] })).rejects.toThrow(
    invalid(/answer 0 has no requestId/),
  );
  await expect(run({ answers: [{ ...answers[0], timeMs: Number.NaN }] })).rejects.toThrow(
    invalid(/timeMs of answer 0/),
  );
  await expect(run({ answers: [{ formatVersion: 2 }] })).rejects.toThrow(invalid(/formatVersion 2/));
  await expect(run({ answers, labels: [{ timeMs: 1 }] })).rejects.toThrow(invalid(/label 0 has no requestId/));
  await expect(run({ answers: answers.toReversed() })).rejects.toThrow(invalid(/answer 3 is of 90000 ms before/));
  const far = { ...answers[0]!, timeMs: start + 1e12 };
  await expect(run({ answers: [...answers, far] })).rejects.toThrow(invalid(/nothing comes for more than/));
  for (const options of [
    { everyMs: 0 },
    { warmUpMs: -1 },
    { disorderMs: Number.NaN },
    { mostAlerts: 0.5 },
    { confidence: 1 },
  ])
    await expect(run(hours, options)).rejects.toThrow(invalid(new RegExp(Object.keys(options)[0]!, "u")));
  await expect(run(hours, { warmUpMs: dayMs })).rejects.toThrow(invalid(/within the warm-up/));
  await expect(run(hours, { drift: { ...drift, fromMs: start + dayMs } })).rejects.toThrow(invalid(/not in the span/));
  await expect(run(hours, { drift: { fromMs: start } })).rejects.toThrow(invalid(/changes nothing/));
  await expect(run(hours, { drift: { fromMs: start, change: () => undefined } })).rejects.toThrow(
    invalid(/gave no answer/),
  );
  await expect(run(hours, { drift: { fromMs: start, drifts: [shift("none", 1)] } })).rejects.toThrow(
    expect.objectContaining({ code: "MONITOR_INJECTION_INVALID" }),
  );
  const twice = (): RuleSetup => ({ rules: [always(), always()] });
  await expect(backtestRules(twice, hours)).rejects.toThrow(expect.objectContaining({ code: "MONITOR_RULE_INVALID" }));
});

test("it tells how far it is, ends when it is aborted, and lets go of what it read", async () => {
  const hours = history(6, 120);
  let closed = 0;
  const reason = new Error("enough");
  const waiting = new AbortController();
  async function* walked(forEver: boolean): AsyncGenerator<CapturedPrediction> {
    try {
      yield* hours.answers;
      if (!forEver) return;
      waiting.abort(reason);
      await new Promise(() => {});
    } finally {
      closed += 1;
    }
  }
  const seen: number[] = [];
  const stop = new AbortController();
  const run = backtestRules(
    setup,
    { answers: walked(false) },
    {
      everyMs: 30 * minuteMs,
      signal: stop.signal,
      onProgress({ timeMs, answers }) {
        seen.push(answers);
        if (timeMs === start + 2 * hourMs) stop.abort(reason);
      },
    },
  );
  await expect(run).rejects.toBe(reason);
  expect(seen).toEqual([60, 120, 180, 240]);
  expect(closed).toBe(1);
  // Also while the history waits for more.
  const hung = backtestRules(setup, { answers: walked(true) }, { everyMs: hourMs, signal: waiting.signal });
  await expect(hung).rejects.toBe(reason);
  await expect(backtestRules(setup, hours, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await expect(backtestRules(setup, { answers: walked(false), labels: [{ timeMs: 1 } as never] })).rejects.toThrow(
    invalid(/label 0/),
  );
  expect(closed).toBe(2);
});

test("outputs of a captured row are tensors again, with their columns put together", () => {
  const answer = replayedAnswer(
    {
      formatVersion: 1,
      requestId: "r",
      endpoint: "late",
      variant: "main",
      model: { name: "late", digest: `sha256:${"0".repeat(64)}` },
      timeMs: 1,
      latencyMs: 2,
      features: { km: [1, 2], carrier: ["AA", null] },
      outputs: { "p[0]": [0.1, 0.2], "p[1]": [0.9, 0.8], "lone[1]": [1, 2], name: ["a", "b"] },
    },
    0,
  );
  expect(answer.outputs).toEqual({
    p: { dtype: "float64", shape: [2, 2], data: Float64Array.of(0.1, 0.9, 0.2, 0.8) },
    "lone[1]": { dtype: "float64", shape: [2], data: Float64Array.of(1, 2) },
    name: { dtype: "string", shape: [2], data: ["a", "b"] },
  });
  expect(answer.features).toMatchObject({ length: 2, columns: { km: { type: "float64" }, carrier: { type: "utf8" } } });
});
