import { openMemoryArtifactStore } from "@millwright/storage";
import { describe, expect, it } from "vitest";
import { chaos, runGameDay } from "../src/chaos.ts";
import { until } from "./isolation-setting.ts";
import { openChaoticServer, right, standIn } from "./chaos-setting.ts";

const hourMs = 3_600_000;
const near = (value: unknown, wanted: number): boolean => typeof value === "number" && Math.abs(value - wanted) < 1e-6;
const all = <Value>(values: readonly Value[], holds: (value: Value) => boolean): boolean | string => {
  const other = values.find((value) => !holds(value));
  return values.length > 0 && (other === undefined || `one answer is ${JSON.stringify(other)}`);
};

describe("a game day", () => {
  it("SV-50: runs every fault against a server that listens, and its runbook's assertions pass; one that does not hold is told", async () => {
    await using open = await openChaoticServer();
    const { faults, askMany, runtime, captured } = open;
    let answers: Awaited<ReturnType<typeof askMany>> = [];
    const traffic = (count: number, headers?: Readonly<Record<string, string>>) => async (): Promise<void> => {
      captured.splice(0);
      answers = await askMany(count, headers);
    };
    const isRight = ({ status, value, degraded }: (typeof answers)[number]): boolean =>
      status === 200 && near(value, right) && degraded === null;
    const stoodIn = ({ status, value, degraded }: (typeof answers)[number]): boolean =>
      status === 200 && value === standIn && degraded === "SERVING_FAULT_INJECTED";
    const recovers = {
      name: "answers are whole again",
      when: "after",
      check: async () => all(await askMany(10), isRight),
    } as const;
    const store = faults.artifacts(openMemoryArtifactStore());
    let pids: readonly (number | undefined)[] = [];
    const report = await runGameDay({
      chaos: faults,
      steps: [
        {
          name: "the model is slow",
          faults: ["slow"],
          run: traffic(20),
          assertions: [
            {
              name: "answers are right, and late by as much",
              check: ({ injected }) =>
                all(answers, isRight) === true &&
                answers.filter(({ ms }) => ms >= 59).length >= (injected["slow"] ?? 0),
            },
            recovers,
          ],
        },
        {
          name: "the model fails",
          faults: ["broken"],
          run: traffic(40),
          assertions: [
            {
              name: "the fallback stands in for as many as failed",
              check: ({ injected }) =>
                answers.filter(stoodIn).length === injected["broken"] &&
                answers.filter(isRight).length === 40 - injected["broken"],
            },
            recovers,
          ],
        },
        {
          name: "answers are wrong",
          faults: ["wrong"],
          run: traffic(30, { "x-millwright-chaos": "wrong" }),
          assertions: [
            {
              name: "as many are no numbers",
              check: ({ injected }) => answers.filter(({ value }) => value === null).length === injected["wrong"],
            },
            { name: "who is not marked is spared", check: async () => all(await askMany(10), isRight) },
            recovers,
          ],
        },
        {
          name: "workers are killed",
          faults: ["killer"],
          run: async () => {
            pids = runtime.workers().map(({ pid }) => pid);
            await traffic(20)();
          },
          assertions: [
            { name: "nothing is lost", check: () => all(answers, isRight) },
            {
              name: "others took their places",
              check: async () => {
                await until(() => runtime.workers().some(({ pid }) => pid !== undefined && !pids.includes(pid)));
                return true;
              },
            },
            recovers,
          ],
        },
        {
          name: "the clock is an hour behind",
          faults: ["skewed"],
          run: traffic(10),
          assertions: [
            { name: "answers are right", check: () => all(answers, isRight) },
            {
              name: "predictions are dated by the clock, their durations are not",
              check: () =>
                all(
                  captured,
                  ({ timeMs, latencyMs }) =>
                    Math.abs(Date.now() - hourMs - timeMs) < 60_000 && latencyMs >= 0 && latencyMs < 60_000,
                ),
            },
            recovers,
          ],
        },
        {
          name: "the disk is full",
          faults: ["full"],
          run: traffic(10),
          assertions: [
            {
              name: "answers are right, and not kept",
              check: () => all(answers, isRight) === true && captured.length === 0,
            },
            {
              name: "artifacts are refused as a disk would",
              check: () =>
                store.put(Uint8Array.of(1)).then(
                  () => "it was written",
                  (error: unknown) => (error as { readonly code?: unknown }).code === "ENOSPC",
                ),
            },
            {
              name: "artifacts are kept again",
              when: "after",
              check: async () => (await store.put(Uint8Array.of(1))).sizeBytes === 1,
            },
            recovers,
          ],
        },
        {
          name: "the feature store is down",
          faults: ["unfed"],
          run: traffic(20),
          assertions: [
            {
              name: "the fallback stands in for as many readings",
              check: ({ injected }) =>
                answers.filter(stoodIn).length === injected["unfed"] &&
                answers.filter(isRight).length === 20 - injected["unfed"],
            },
            recovers,
          ],
        },
        {
          name: "the feature store does not answer",
          faults: ["unanswered"],
          run: traffic(10),
          assertions: [
            {
              name: "the fallback stands in, in time",
              check: () =>
                all(
                  answers,
                  ({ value, degraded, ms }) => value === standIn && degraded === "SERVING_ANSWER_LATE" && ms < 20_000,
                ),
            },
            recovers,
          ],
        },
        {
          name: "features are old",
          faults: ["old"],
          run: traffic(10),
          assertions: [
            {
              name: "answers say how old",
              check: () => all(captured, ({ featureAgesMs }) => featureAgesMs?.["flights"]?.[0] === hourMs + 1000),
            },
            recovers,
          ],
        },
      ],
      assertions: [{ name: "nothing is armed", check: () => faults.armed().length === 0 }],
    });
    expect(report.steps.flatMap(({ name, problem, assertions }) => [...(problem === undefined ? [] : [[name, problem]]), ...assertions.filter(({ passed }) => !passed)])).toEqual([]); // prettier-ignore
    expect(report).toMatchObject({ passed: true, notInjected: [], assertions: [{ passed: true }] });
    expect(report.steps).toHaveLength(9);
    // The same requests under the same seed: the same ones fail.
    await using again = await openChaoticServer();
    again.faults.arm(["broken"]);
    await again.askMany(40);
    expect(again.faults.injected()["broken"]).toBe(report.steps[1]?.injected["broken"]);
    const failing = await runGameDay({
      chaos: again.faults,
      steps: [
        { name: "a runbook that is wrong", faults: ["broken"], run: async () => void (await again.askMany(40)), assertions: [{ name: "nobody notices", check: async () => all(await again.askMany(40), isRight) }, { name: "it throws", check: () => { throw new RangeError("no such runbook"); } }] }, // prettier-ignore
        { name: "no traffic", faults: ["slow"] },
        { name: "never ends", faults: ["slow"], timeoutMs: 50, run: () => new Promise(() => {}) },
      ],
    });
    expect(failing.passed).toBe(false);
    expect(failing.steps.map(({ passed, problem }) => [passed, problem])).toEqual([
      [false, undefined],
      [false, "slow was not injected"],
      [false, "it took more than 50 ms"],
    ]);
    expect(failing.steps[0]?.assertions).toEqual([
      { name: "nobody notices", passed: false, problem: expect.stringContaining("one answer is") },
      { name: "it throws", passed: false, problem: "no such runbook" },
    ]);
    expect(failing.notInjected).toContain("killer");
    expect(again.faults.armed()).toEqual(["broken"]);
  }, 300_000);

  it("ends with its signal, and refuses steps with faults that there are not", async () => {
    const faults = chaos({ seed: 1, faults: [{ kind: "error", name: "broken" }] });
    const controller = new AbortController();
    const day = runGameDay({ chaos: faults, steps: [{ name: "long", faults: ["broken"], run: () => new Promise(() => {}) }], signal: controller.signal }); // prettier-ignore
    controller.abort(new RangeError("enough"));
    await expect(day).rejects.toThrow("enough");
    expect(faults.armed()).toEqual(["broken"]);
    await expect(runGameDay({ chaos: faults, steps: [{ name: "x", faults: ["other"] }] })).rejects.toThrow(TypeError);
    await expect(runGameDay({ chaos: faults, steps: [] })).rejects.toThrow(TypeError);
  });
});
