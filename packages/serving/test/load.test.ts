import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Clock, type ManualClock, createManualClock, createRandom } from "@millwright/contracts";
import { describe, expect, it } from "vitest";
import {
  type LoadReport,
  burstyArrivals,
  constantArrivals,
  httpTarget,
  poissonArrivals,
  rampArrivals,
  runLoad,
  runUsers,
  traceArrivals,
} from "../src/load.ts";
import { simulatedServer } from "./simulated-server.ts";

/** Moves the time on until the work is done. */
async function during<Value>(clock: ManualClock, work: Promise<Value>, stepMs = 100): Promise<Value> {
  let done = false;
  const ended = work.finally(() => (done = true));
  ended.catch(() => {});
  while (!done) await clock.advance(stepMs);
  return ended;
}

/** Asks again when it is answered, as closed-loop tools do. @returns the latencies, the smallest first. */
async function closedLoop(target: ReturnType<typeof httpTarget>["target"], count: number, clock: Clock) {
  const latencies: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startMs = clock.monotonicMs();
    await target(index, { signal: new AbortController().signal });
    latencies.push(clock.monotonicMs() - startMs);
  }
  return latencies.toSorted((left, right) => left - right);
}

const take = (times: Iterable<number>, untilMs: number): number[] => {
  const taken: number[] = [];
  for (const at of times) {
    if (at >= untilMs) break;
    taken.push(at);
  }
  return taken;
};

describe("open-loop load", () => {
  it("SV-35: a server that stalls for 1 s shows a p99.9 of a second, which a closed-loop tool hides", async () => {
    const clock = createManualClock();
    const server = simulatedServer(clock, { serviceMs: () => 4.17 });
    const load = runLoad({ target: server.target, arrivals: constantArrivals(240), durationMs: 20_000, clock });
    await clock.advance(12_000);
    server.stall(1000);
    const report = await during(clock, load);
    expect(report.latencyMs.p999).toBeGreaterThanOrEqual(1000);
    expect(report.latencyMs.p50).toBeLessThan(20);
    expect(report).toMatchObject({ due: 4800, answered: 4800, failed: 0 });

    const other = simulatedServer(clock, { serviceMs: () => 4.17 });
    const asked = closedLoop(other.target, 4800, clock);
    await clock.advance(12_000);
    other.stall(1000);
    const latencies = await during(clock, asked);
    expect(latencies[Math.ceil(4800 * 0.999) - 1]).toBeLessThan(10);
    expect(latencies.at(-1)).toBeGreaterThanOrEqual(1000);
  });

  it("SV-35: the same over HTTP with a process that stops for a second", async () => {
    const child = fork(fileURLToPath(new URL("fixtures/stalling-server.js", import.meta.url)));
    try {
      const [{ port }] = (await once(child, "message")) as [{ port: number }];
      const { target, close } = httpTarget({ url: `http://127.0.0.1:${port}/`, body: "{}" });
      const load = runLoad({ target, arrivals: constantArrivals(300), durationMs: 3000 });
      await new Promise((resolve) => setTimeout(resolve, 500));
      child.send({ stallMs: 1000 });
      const report = await load;
      close();
      expect(report).toMatchObject({ due: 900, answered: 900, failed: 0 });
      // Those due in the first hundredths of the stall waited for all of it.
      expect(report.latencyMs.p999).toBeGreaterThan(950);
      // About 300 of 900 were due within the stall, whatever else the machine did.
      expect(report.latencyMs.p90).toBeGreaterThan(300);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("counts failures by name, what timed out, and what the generator could not send", async () => {
    const clock = createManualClock();
    const target = async (index: number) => {
      if (index % 4 === 1) throw Object.assign(new TypeError("gone"), { code: "ECONNRESET" });
      if (index % 4 === 2) return { failure: "HTTP_503" };
      if (index % 4 === 3) await clock.sleep(10_000);
      return {};
    };
    const options = { target, arrivals: constantArrivals(100), durationMs: 1000, timeoutMs: 500, clock };
    const report = await during(clock, runLoad(options));
    expect(report).toMatchObject({
      due: 100,
      answered: 25,
      failed: 75,
      failures: { ECONNRESET: 25, HTTP_503: 25, TIMEOUT: 25 },
    });
    const hanging = () => clock.sleep(1e9).then(() => ({}));
    const few = await during(clock, runLoad({ ...options, target: hanging, maxInFlight: 10 }));
    // 0.5 s at 100/s: ten are sent, forty find no room; then ten more.
    expect(few.failures).toEqual({ TIMEOUT: 20, UNSENT: 80 });
    expect(few.mostInFlight).toBe(10);
  });

  it("ends on abort, with what is under way told so, and tells its progress", async () => {
    const clock = createManualClock();
    const stop = new AbortController();
    let told = 0;
    let aborted = 0;
    const load = runLoad({
      target: async (_index, { signal }) => {
        await clock.sleep(60_000, { signal }).catch(() => (aborted += 1));
        return {};
      },
      arrivals: constantArrivals(10),
      durationMs: 60_000,
      clock,
      signal: stop.signal,
      onProgress: ({ inFlight }) => (told = inFlight),
    });
    load.catch(() => {});
    await clock.advance(3000);
    expect(told).toBeGreaterThanOrEqual(20);
    stop.abort(new RangeError("enough"));
    await expect(load).rejects.toThrow("enough");
    expect(aborted).toBeGreaterThanOrEqual(20);
  });
});

describe("arrivals", () => {
  const hourMs = 3_600_000;

  it("are as many as their rate says, with the gaps of their kind", () => {
    expect(take(constantArrivals(4).times(createRandom(1)), 1000)).toEqual([0, 250, 500, 750]);
    const times = take(poissonArrivals(20).times(createRandom(1)), hourMs);
    // 72,000 expected: within 4 standard deviations.
    expect(Math.abs(times.length - 72_000)).toBeLessThan(4 * Math.sqrt(72_000));
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    // Of exponential gaps a share of e^-1 is longer than the mean.
    expect(gaps.filter((each) => each > 50).length / gaps.length).toBeCloseTo(Math.exp(-1), 2);
  });

  it("come in bursts: the mean rate of both states, and a variance far above a Poisson process's", () => {
    const bursty = burstyArrivals({ ratePerSecond: 5, burstPerSecond: 95, burstMs: 2000, quietMs: 8000 });
    const times = take(bursty.times(createRandom(3)), 4 * hourMs);
    // 0.8 of the time 5/s, 0.2 of it 95/s: 23/s.
    expect(times.length / (4 * 3600)).toBeGreaterThan(21);
    expect(times.length / (4 * 3600)).toBeLessThan(25);
    const counts = new Map<number, number>();
    for (const at of times) counts.set(Math.floor(at / 1000), (counts.get(Math.floor(at / 1000)) ?? 0) + 1);
    const values = Array.from({ length: 4 * 3600 }, (_, second) => counts.get(second) ?? 0);
    const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
    const variance = values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length;
    expect(variance / mean).toBeGreaterThan(20);
  });

  it("follow a ramp and end with it; play a trace at another speed", () => {
    const ramp = rampArrivals([
      { durationMs: 100_000, from: 0, to: 100 },
      { durationMs: 50_000, from: 100, to: 100 },
    ]);
    const times = [...ramp.times(createRandom(5))];
    const before = (ms: number): number => times.filter((at) => at < ms).length;
    expect(Math.abs(before(50_000) - 1250)).toBeLessThan(4 * Math.sqrt(1250));
    expect(Math.abs(before(100_000) - 5000)).toBeLessThan(4 * Math.sqrt(5000));
    expect(Math.abs(times.length - 10_000)).toBeLessThan(4 * Math.sqrt(10_000));
    expect([...traceArrivals([1000, 1100, 1400], 2).times(createRandom(0))]).toEqual([0, 50, 200]);
    expect(() => traceArrivals([5, 4])).toThrow(RangeError);
    expect(() => poissonArrivals(0)).toThrow(RangeError);
  });
});

describe("load by users", () => {
  it("SV-34: users come in phases as SageMaker's traffic pattern says, and latency stops them", async () => {
    const clock = createManualClock();
    const server = simulatedServer(clock, { serviceMs: () => 50 });
    const phases = [
      { initialUsers: 1, spawnPerMinute: 1, durationMs: 120_000 },
      { initialUsers: 2, spawnPerMinute: 2, durationMs: 60_000 },
    ];
    const report = await during(clock, runUsers({ target: server.target, phases, clock }), 1000);
    // 1, one more after a minute; then 2 more, and one more after half a minute.
    expect(report).toMatchObject({ stoppedBy: "end", mostUsers: 5, durationMs: 180_000, failed: 0 });
    expect(report.answeredPerSecond).toBeCloseTo(20, 0);
    const stopped = await during(
      clock,
      runUsers({ target: server.target, phases, stopWhen: { percentile: 0.9, ms: 120 }, clock }),
      1000,
    );
    expect(stopped.stoppedBy).toBe("latency");
    const few = await during(clock, runUsers({ target: server.target, phases, maxInvocations: 30, clock }));
    expect(few).toMatchObject({ stoppedBy: "invocations", answered: 30 });
    await expect(
      runUsers({ target: server.target, phases: [{ ...phases[0], initialUsers: 4 } as never] }),
    ).rejects.toThrow("initialUsers");
  });
});

describe("millwright-load", () => {
  const program = fileURLToPath(new URL("../dist/load/main.js", import.meta.url));
  const run = (...args: readonly string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      execFile(process.execPath, [program, ...args], (error, out, err) =>
        resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err }),
      );
    });

  it("loads an endpoint and tells what it saw; exits with 1 above the limit, with 2 on a line it does not understand", async () => {
    const server = createServer((request, response) => {
      request.resume().on("end", () => response.writeHead(request.url === "/bad" ? 503 : 200).end("{}"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const fast = ["--rate", "100", "--seconds", "0.5", "--warm-up", "0"];
      const told = await run(url, ...fast);
      expect(told).toMatchObject({ code: 0 });
      expect(told.out).toMatch(/^poisson 100\/s for 0.5 s: \d+ due .*, 0 failed\nlatency, since due +p50 /);
      const limited = await run(`${url}/bad`, ...fast, "--json");
      expect(limited.code).toBe(1);
      const { failures, due } = JSON.parse(limited.out) as LoadReport;
      expect(failures).toEqual({ HTTP_503: due });
      expect((await run(url, ...fast, "--fail-above", "0.000001")).code).toBe(1);
    } finally {
      server.close();
    }
    for (const args of [
      ["nowhere"],
      ["http://x", "--rate", "fast"],
      ["http://x", "--arrivals", "odd"],
      ["http://x", "--odd"],
    ])
      expect((await run(...args)).code, args.join(" ")).toBe(2);
  });
});
