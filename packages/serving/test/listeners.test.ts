import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type ModelRuntime, createRandom } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EndpointOptions, openModelServer, shadow } from "@millwright/serving";
import { burstyArrivals, runLoad } from "@millwright/serving/load";
import { denseRuntime, packFolder } from "./models.ts";

const warnings: Error[] = [];
const note = (warning: Error): void => void warnings.push(warning);

beforeAll(() => {
  process.on("warning", note);
});
afterAll(() => {
  process.off("warning", note);
});

/** Answers after a while, so that many wait at once. */
const slow: ModelRuntime = {
  formats: ["dense"],
  async load(...given) {
    const model = await denseRuntime().load(...given);
    return {
      ...model,
      async predict(inputs) {
        await sleep(20);
        return model.predict(inputs);
      },
    };
  },
};

const row = [0.1, -0.2, 0.3, 0.4];
const variants = { main: { model: "late/1", weight: 1 } };
const kinds: Readonly<Record<string, (stages: { readonly model: string }) => Partial<EndpointOptions>>> = {
  "with deadlines": () => ({}),
  "that wait to be let in": () => ({ admission: { concurrency: 2, maxQueue: 100 } }),
  "that are shown to a shadow": ({ model }) => ({ stages: [shadow({ model, share: 1 })] }),
};

for (const [kind, optionsOf] of Object.entries(kinds))
  test(`one signal stands for any number of requests ${kind}: it has one listener, none once they are answered, and ends them all`, async () => {
    await using folder = await packFolder(2);
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [slow],
      endpoints: { late: { variants, ...optionsOf({ model: "late/2" }) } },
    });
    const stop = new AbortController();
    const { signal } = stop;
    const ask = () => server.predict("late", { instances: [row], deadlineMs: 60_000, signal });
    const answers = Array.from({ length: 60 }, ask);
    await sleep(5);
    expect(getEventListeners(signal, "abort").length).toBeLessThanOrEqual(2);
    for (const { outputs } of await Promise.all(answers)) expect(outputs["probability"]?.data).toHaveLength(1);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    const ended = Array.from({ length: 60 }, ask).map((each) => each.catch((error: unknown) => error));
    await sleep(5);
    stop.abort("enough");
    expect(new Set(await Promise.all(ended))).toEqual(new Set(["enough"]));
    await sleep(1);
    expect(warnings).toEqual([]);
  });

test("load with hundreds of requests under way is no leak of listeners", async () => {
  const report = await runLoad({
    target: async () => {
      await sleep(100);
      return {};
    },
    arrivals: burstyArrivals({ ratePerSecond: 500, burstPerSecond: 500, burstMs: 100, quietMs: 100 }),
    durationMs: 300,
    random: createRandom(1),
  });
  expect(report.mostInFlight).toBeGreaterThan(20);
  await sleep(1);
  expect(warnings).toEqual([]);
});
