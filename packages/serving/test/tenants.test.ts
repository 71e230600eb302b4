import { createManualClock, createRandom } from "@millwright/contracts";
import { describe, expect, it } from "vitest";
import { type TenantQuotasOptions, openModelServer, placeTenant, tenantQuotas } from "../src/index.ts";
import { denseRuntime, packFolder } from "./models.ts";

const row = [0.1, -0.2, 0.3, 0.4];
const turn = (): Promise<void> => new Promise<void>((resolve) => setImmediate(resolve));

/** A server whose model takes two milliseconds a row of a clock that the test moves. */
async function openTenants(options: TenantQuotasOptions) {
  const folder = await packFolder(1);
  const clock = createManualClock();
  const stage = tenantQuotas(options);
  const inner = denseRuntime();
  let opening = true;
  const server = await openModelServer({
    source: folder.source,
    runtimes: [
      {
        formats: inner.formats,
        async load(directory, manifest, given) {
          const loaded = await inner.load(directory, manifest, given);
          return {
            ...loaded,
            async predict(inputs, asked) {
              if (!opening) await clock.sleep(2 * (inputs["features"]?.shape[0] ?? 1));
              return loaded.predict(inputs, asked);
            },
          };
        },
      },
    ],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages: [stage] } },
    watch: false,
    clock,
  });
  opening = false;
  const ask = (tenant: string, rows = 1) =>
    server.predict("late", { instances: Array.from({ length: rows }, () => row), tenant });
  return {
    server,
    clock,
    stage,
    ask,
    async [Symbol.asyncDispose]() {
      await server.drain();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Nine quiet tenants of 10 requests a second, and a tenth of so many times as many; latencies of the quiet ones, milliseconds. */
async function run(times: number, options: TenantQuotasOptions) {
  await using open = await openTenants(options);
  const { clock, ask, stage } = open;
  const random = createRandom(3);
  const noisy = createRandom(4);
  const arrivals: { readonly atMs: number; readonly tenant: string }[] = [];
  for (let tenant = 0; tenant < 9; tenant += 1)
    for (let atMs = 0; atMs < 6000; atMs += -100 * Math.log(1 - random.next()))
      arrivals.push({ atMs, tenant: `t${tenant}` });
  for (let atMs = 0; atMs < 6000; atMs += (-100 / times) * Math.log(1 - noisy.next()))
    arrivals.push({ atMs, tenant: "noisy" });
  arrivals.sort((left, right) => left.atMs - right.atMs);
  const latencies: number[] = [];
  const asked: Promise<void>[] = [];
  let next = 0;
  for (let nowMs = 0; nowMs < 6200; nowMs += 1) {
    for (; (arrivals[next]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs; next += 1) {
      const { tenant } = arrivals[next] as (typeof arrivals)[number];
      const startMs = clock.monotonicMs();
      asked.push(
        ask(tenant).then(
          () => void (tenant !== "noisy" && latencies.push(clock.monotonicMs() - startMs)),
          (error: { readonly code?: string }) => expect(error.code).toBe("SERVING_TENANT_QUOTA"),
        ),
      );
    }
    await turn();
    await clock.advance(1);
    await turn();
  }
  await Promise.race([
    Promise.all(asked),
    (async () => {
      for (let more = 0; more < 40_000; more += 1) await clock.advance(1);
    })(),
  ]);
  latencies.sort((left, right) => left - right);
  return { p99: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN, answered: latencies.length, stage };
}

describe("tenants", () => {
  it("SV-27: one at 100 times its load changes the p99 of the others by less than a tenth", async () => {
    const quota = { ratePerSecond: 12, burst: 1, maxInFlight: 1 };
    const calm = await run(1, { of: { noisy: quota } });
    const storm = await run(100, { of: { noisy: quota } });
    expect(calm.answered).toBe(storm.answered);
    expect(calm.answered).toBeGreaterThan(450);
    expect(Math.abs(storm.p99 / calm.p99 - 1)).toBeLessThan(0.1);
    const { tenants } = storm.stage.usage();
    expect(tenants["noisy"]?.refused).toBeGreaterThan(5000);
    // So it is not the test that is calm: without a quota they wait for the noisy one.
    const bare = await run(100, {});
    expect(bare.p99).toBeGreaterThan(10 * calm.p99);
  });

  it("SV-27: what tenants are billed adds up to the total, and goes by the time that models worked for them", async () => {
    await using open = await openTenants({});
    const { clock, ask, stage } = open;
    const random = createRandom(9);
    const asked: Promise<unknown>[] = [];
    for (let step = 0; step < 300; step += 1) {
      if (random.next() < 0.4) asked.push(ask(`t${random.integer(5)}`, 1 + random.integer(4)));
      await clock.advance(random.integer(6));
    }
    for (let step = 0; step < 2000; step += 1) await clock.advance(1);
    await Promise.all(asked);
    const { tenants, busyMs, elapsedMs } = stage.usage();
    const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
    expect(sum(Object.values(tenants).map(({ modelMs }) => modelMs))).toBeCloseTo(busyMs, 6);
    expect(busyMs).toBeLessThan(elapsedMs);
    const shared = stage.bill(100);
    expect(sum(Object.values(shared.tenants))).toBeCloseTo(100, 9);
    expect(shared.idle).toBe(0);
    const apart = stage.bill(100, { idle: "apart" });
    expect(sum(Object.values(apart.tenants)) + apart.idle).toBeCloseTo(100, 9);
    expect(apart.idle).toBeCloseTo(100 * (1 - busyMs / elapsedMs), 9);
    for (const [name, { modelMs }] of Object.entries(tenants))
      expect(shared.tenants[name]).toBeCloseTo((100 * modelMs) / busyMs, 9);
  });

  it("have tokens that come back with time, and limits of their own; refusals are 429", async () => {
    await using open = await openTenants({ ratePerSecond: 2, of: { big: { maxInFlight: 1 } } });
    const { clock, ask, server } = open;
    const codes = async (tenant: string, count: number): Promise<readonly string[]> => {
      const outcomes = Promise.allSettled(Array.from({ length: count }, () => ask(tenant)));
      for (let step = 0; step < 20; step += 1) await clock.advance(1);
      return (await outcomes).map((outcome) =>
        outcome.status === "fulfilled" ? "ok" : (outcome.reason as { readonly code: string }).code,
      );
    };
    expect(await codes("small", 3)).toEqual(["ok", "ok", "SERVING_TENANT_QUOTA"]);
    await clock.advance(500);
    expect(await codes("small", 2)).toEqual(["ok", "SERVING_TENANT_QUOTA"]);
    expect(await codes("other", 2)).toEqual(["ok", "ok"]);
    expect(await codes("big", 2)).toEqual(["ok", "SERVING_TENANT_QUOTA"]);
    const post = () =>
      server.handle(
        new Request("http://localhost/invocations", { method: "POST", body: JSON.stringify({ instances: [row] }) }),
      );
    const answers = Promise.all([post(), post(), post()]);
    for (let step = 0; step < 30; step += 1) {
      await turn();
      await clock.advance(1);
    }
    const last = (await answers)[2];
    expect([last?.status, last?.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(() => tenantQuotas({ ratePerSecond: 0 })).toThrow(RangeError);
  });

  it("SV-27: are placed evenly and by weight, and move only where they must", () => {
    const replicas = Array.from({ length: 10 }, (_, at) => ({ name: `r${at}` }));
    const tenants = Array.from({ length: 5000 }, (_, at) => `tenant ${at}`);
    const count = (placed: readonly (readonly string[])[]): ReadonlyMap<string, number> => {
      const counts = new Map<string, number>();
      for (const name of placed.flat()) counts.set(name, (counts.get(name) ?? 0) + 1);
      return counts;
    };
    const placed = tenants.map((tenant) => placeTenant(tenant, replicas, { copies: 2 }));
    // 1,000 on each, within five standard deviations.
    for (const number of count(placed).values()) expect(Math.abs(number - 1000)).toBeLessThan(5 * Math.sqrt(1000));
    for (const names of placed) expect(new Set(names).size).toBe(2);
    const fewer = tenants.map((tenant) => placeTenant(tenant, replicas.slice(0, 9), { copies: 2 }));
    for (const [at, names] of placed.entries())
      if (!names.includes("r9")) expect(fewer[at]).toEqual(names);
      else expect(fewer[at]).toEqual(expect.arrayContaining(names.filter((name) => name !== "r9")));
    const weighted = tenants.map((tenant) => placeTenant(tenant, [{ name: "a", weight: 3 }, { name: "b" }]));
    expect((count(weighted).get("a") ?? 0) / 5000).toBeCloseTo(0.75, 1);
    // Few share both of their replicas with another given tenant.
    const [first] = placed;
    const together = placed.filter((names) => names.every((name) => first?.includes(name) === true)).length;
    expect(together / 5000).toBeLessThan(0.05);
    expect(placeTenant("x", [])).toEqual([]);
    expect(() => placeTenant("x", replicas, { copies: 0 })).toThrow(RangeError);
  });
});
