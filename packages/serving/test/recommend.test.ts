import { type ManualClock, createManualClock } from "@millwright/contracts";
import { describe, expect, it } from "vitest";
import {
  type Candidate,
  candidateGrid,
  constantArrivals,
  invocationsPerInstance,
  recommendEndpoint,
} from "../src/load.ts";
import { simulatedServer } from "./simulated-server.ts";

async function during<Value>(clock: ManualClock, work: Promise<Value>): Promise<Value> {
  let done = false;
  const ended = work.finally(() => (done = true));
  ended.catch(() => {});
  while (!done) await clock.advance(1000);
  return ended;
}

/** Of a batch of n: fixed and per row; workers of one machine are in each other's way. */
const serviceMs = (workers: number, rows: number): number => (40 + 5 * rows) * (1 + 0.1 * (workers - 1));
const setting = ({ settings }: Candidate, name: string): number => Number(settings[name]);

describe("recommendEndpoint", () => {
  it("SV-34: on a simulated server with a known optimum the highest rate of each way to serve is found within 5 %", async () => {
    const clock = createManualClock();
    // An instance of n workers costs as much as n and a half.
    const candidates = candidateGrid({ workers: [1, 2, 4], batch: [1, 8] }, ({ workers }) => 0.5 + Number(workers));
    const found = await during(
      clock,
      recommendEndpoint({
        candidates,
        open: async (candidate) => {
          const workers = setting(candidate, "workers");
          return simulatedServer(clock, {
            workers,
            batch: setting(candidate, "batch"),
            serviceMs: (rows) => serviceMs(workers, rows),
          });
        },
        objective: { percentile: 0.99, ms: 500 },
        // Requests in step: the queue is stable up to the rate at which full batches are answered, and grows without bound beyond it.
        arrivals: constantArrivals,
        rates: { from: 2, to: 1000, precision: 0.02 },
        probeMs: 20_000,
        clock,
      }),
    );
    const capacity = (candidate: Candidate): number => {
      const workers = setting(candidate, "workers");
      const batch = setting(candidate, "batch");
      return (workers * batch * 1000) / serviceMs(workers, batch);
    };
    for (const { candidate, maxRatePerSecond } of found.results) {
      expect(Math.abs(maxRatePerSecond / capacity(candidate) - 1), candidate.name).toBeLessThan(0.05);
    }
    const cost = (candidate: Candidate): number => candidate.costPerHour / capacity(candidate);
    const cheapest = candidates.toSorted((left, right) => cost(left) - cost(right))[0] as Candidate;
    const fastest = candidates.toSorted((left, right) => capacity(right) - capacity(left))[0] as Candidate;
    expect(found.cheapest?.candidate).toBe(cheapest);
    expect(found.fastest?.candidate).toBe(fastest);
    expect(found.pareto.map(({ candidate }) => candidate)).toContain(cheapest);
    // Without batches it costs more, is slower at every rate, and serves less: never worth it.
    expect(found.pareto.map(({ candidate }) => candidate.name)).not.toContain("workers=1 batch=1");
  });

  it("goes on past a candidate that does not open or meets nothing, and closes each", async () => {
    const clock = createManualClock();
    const closed: string[] = [];
    const found = await during(
      clock,
      recommendEndpoint({
        candidates: ["broken", "slow", "good"].map((name) => ({ name, settings: {}, costPerHour: 1 })),
        open: async ({ name }) => {
          if (name === "broken") throw new RangeError("no such runtime");
          const { target } = simulatedServer(clock, { serviceMs: () => (name === "slow" ? 500 : 10) });
          return { target, close: () => void closed.push(name) };
        },
        objective: { percentile: 0.95, ms: 50 },
        rates: { from: 5, to: 40 },
        probeMs: 5000,
        clock,
      }),
    );
    expect(found.results.map(({ error, maxRatePerSecond }) => [error, maxRatePerSecond])).toEqual([
      ["no such runtime", 0],
      [undefined, 0],
      [undefined, 40],
    ]);
    expect(closed).toEqual(["slow", "good"]);
    expect(found.pareto).toEqual([found.results[2]]);
    expect(found.results[2]?.costPerMillion).toBeCloseTo(1e6 / (40 * 3600), 9);
  });

  it("gives autoscaling the invocations a minute of SageMaker's formula", () => {
    expect(invocationsPerInstance(20)).toBe(600);
    expect(invocationsPerInstance(33.3, 0.7)).toBe(1398);
  });
});
