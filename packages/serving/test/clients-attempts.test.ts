import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createManualClock, createRandom } from "@millwright/contracts";
import {
  type ClientProtocol,
  type ModelClientOptions,
  type ProtocolReply,
  createModelClient,
  openInference,
  openModelClient,
} from "../src/clients.ts";
import { connectionLost, requestRefused, serverBusy, serverFailed, unreachable } from "../src/clients/client-errors.ts";
import { openFakeServer } from "./fake-server.ts";

const signature = {
  inputs: [{ name: "x", dtype: "float32", shape: [1] }],
  outputs: [{ name: "y", dtype: "float32", shape: [1] }],
} as const;
const reply = (value: number): ProtocolReply => ({
  outputs: { y: { dtype: "float32", shape: [1], data: Float32Array.of(value) } },
  evidence: {},
});

/** A protocol whose every sending is in the hands of the test. */
function scripted(answer: (index: number, signal: AbortSignal, timeoutMs: number) => Promise<ProtocolReply>) {
  const sendings: { readonly signal: AbortSignal; readonly timeoutMs: number }[] = [];
  const protocol: ClientProtocol = {
    where: "late",
    infer: ({ timeoutMs }, { signal = new AbortController().signal } = {}) => {
      sendings.push({ signal, timeoutMs });
      return answer(sendings.length - 1, signal, timeoutMs);
    },
    ready: async () => true,
  };
  return { protocol, sendings };
}

const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
const failed = serverFailed({ where: "late", status: 503, problem: "down" }, true);
const clientOf = (protocol: ClientProtocol, options: Omit<ModelClientOptions, "protocol"> = {}) =>
  createModelClient({ protocol, signature, random: createRandom(1), ...options });
const ask = { x: [1] } as const;

/** Advances the clock in small steps, so that whoever is woken may sleep again. */
async function pass(clock: ReturnType<typeof createManualClock>, ms: number, stepMs = 1): Promise<void> {
  for (let at = 0; at < ms; at += stepMs) await clock.advance(stepMs);
}

test("SV-4: failures that pass are tried again with growing pauses that are drawn; what will not pass is not", async () => {
  const clock = createManualClock();
  const times: number[] = [];
  const { protocol } = scripted(async (index) => {
    times.push(clock.monotonicMs());
    if (index < 3) throw failed;
    return reply(1);
  });
  const client = clientOf(protocol, { clock, retries: { attempts: 4, firstDelayMs: 100, mostDelayMs: 250 } });
  const answering = client.predict(ask);
  await pass(clock, 700, 5);
  expect((await answering).evidence).toMatchObject({ attempts: 4, hedged: false });
  const pauses = times.slice(1).map((time, at) => time - (times[at] ?? 0));
  for (const [at, most] of [100, 200, 250].entries()) expect(pauses[at]).toBeLessThanOrEqual(most + 5);
  expect(new Set(pauses).size).toBe(3);

  for (const error of [
    requestRefused({ where: "late", status: 400, problem: "odd" }),
    serverFailed({ where: "late", status: 500, problem: "boom" }, false),
  ]) {
    const { protocol: refusing, sendings } = scripted(() => Promise.reject(error));
    await expect(clientOf(refusing).predict(ask)).rejects.toBe(error);
    expect(sendings).toHaveLength(1);
  }
});

test("SV-4: Retry-After is kept to, and where it lies beyond the deadline nobody waits for it", async () => {
  const clock = createManualClock();
  const busy = (retryAfterMs: number) => serverBusy({ where: "late", status: 429, problem: "busy", retryAfterMs });
  const times: number[] = [];
  const { protocol } = scripted(async (index) => {
    times.push(clock.monotonicMs());
    if (index === 0) throw busy(3000);
    if (index === 1) throw busy(60_000);
    return reply(1);
  });
  const client = clientOf(protocol, { clock, deadlineMs: 10_000 });
  const answering = client.predict(ask).catch((error: unknown) => error);
  await pass(clock, 3010, 10);
  // At once, and not at the end of the deadline.
  expect(await answering).toMatchObject({ code: "SERVING_CLIENT_BUSY", retryAfterMs: 60_000 });
  expect(times[1]).toBeGreaterThanOrEqual(3000);
  expect(times).toHaveLength(2);
});

test("SV-4: retries have a budget: a server that is down gets a fifth more requests and ten, not three times as many", async () => {
  const { protocol, sendings } = scripted(() => Promise.reject(failed));
  const client = clientOf(protocol, { retries: { firstDelayMs: 0, attempts: 3, budget: 0.2 } });
  for (let at = 0; at < 100; at += 1) await expect(client.predict(ask)).rejects.toBe(failed);
  expect(sendings.length).toBeLessThanOrEqual(100 + 10 + 20);
  expect(sendings.length).toBeGreaterThan(125);
  expect(client.stats()).toMatchObject({ requests: 100, failures: 100, retries: sendings.length - 100, hedges: 0 });
});

test("SV-4: the deadline holds over all tries, and a try has a time of its own; the server is told what is left", async () => {
  const clock = createManualClock();
  const { protocol, sendings } = scripted((_, signal) => never(signal));
  const client = clientOf(protocol, {
    clock,
    deadlineMs: 1000,
    attemptTimeoutMs: 400,
    retries: { attempts: 9, firstDelayMs: 0 },
  });
  const late = client.predict(ask).catch((error: unknown) => error);
  await pass(clock, 1000, 50);
  expect(await late).toMatchObject({
    code: "SERVING_CLIENT_TIMED_OUT",
    retryable: true,
    message: expect.stringContaining("the request within 1000 ms"),
    cause: expect.objectContaining({ message: expect.stringContaining("the attempt within 400 ms") }),
  });
  expect(sendings.map(({ timeoutMs }) => timeoutMs)).toEqual([400, 400, 200]);
  expect(sendings.every(({ signal }) => signal.aborted)).toBe(true);
  const sooner = client.predict(ask, { deadlineMs: 100 }).catch((error: unknown) => error);
  await pass(clock, 100, 50);
  expect(await sooner).toMatchObject({ code: "SERVING_CLIENT_TIMED_OUT" });
});

test("SV-4: an abort of the caller ends the request, its tries and its pauses at once with the caller's reason", async () => {
  const reason = new TypeError("the user went away");
  for (const answer of [
    (_: number, signal: AbortSignal) => never(signal),
    () => Promise.reject(failed),
    () => new Promise<never>(() => {}),
  ]) {
    const { protocol, sendings } = scripted(answer);
    const caller = new AbortController();
    const asking = clientOf(protocol, {
      deadlineMs: 600_000,
      retries: { firstDelayMs: 60_000, mostDelayMs: 60_000 },
    }).predict(ask, {
      signal: caller.signal,
    });
    await sleep(5);
    caller.abort(reason);
    await expect(asking).rejects.toBe(reason);
    expect(sendings).toHaveLength(1);
  }
  const { protocol, sendings } = scripted(async () => reply(1));
  await expect(clientOf(protocol).predict(ask, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(sendings).toHaveLength(0);
});

test("SV-4: what may not be repeated is sent again only where no server has begun with it, and never hedged", async () => {
  const sent = async (error: Error): Promise<number> => {
    const { protocol, sendings } = scripted(() => Promise.reject(error));
    const client = clientOf(protocol, {
      repeatable: false,
      hedge: { afterMs: 1, share: 1 },
      retries: { firstDelayMs: 0 },
    });
    await expect(client.predict(ask)).rejects.toBe(error);
    return sendings.length;
  };
  expect(await sent(unreachable("late", "refused", undefined))).toBe(3);
  expect(await sent(serverBusy({ where: "late", status: 429, problem: "busy" }))).toBe(3);
  expect(await sent(connectionLost("late", "reset", undefined))).toBe(1);
  expect(await sent(failed)).toBe(1);
  const clock = createManualClock();
  const { protocol, sendings } = scripted((_, signal) => never(signal));
  const slow = clientOf(protocol, { clock, repeatable: false, hedge: { afterMs: 1, share: 1 }, deadlineMs: 50 })
    .predict(ask)
    .catch(() => {});
  await pass(clock, 50, 10);
  await slow;
  expect(sendings).toHaveLength(1);
});

test("SV-4: a slow request is hedged after the measured 95th percentile; the first answer counts, and the other request is aborted", async () => {
  const clock = createManualClock();
  let took: (index: number) => number = (index) => 1 + (index % 20);
  const { protocol, sendings } = scripted(async (index, signal) => {
    await clock.sleep(took(index), { signal });
    return reply(index);
  });
  const client = clientOf(protocol, { clock, hedge: {} });
  // Before twenty answers are known nothing is hedged.
  for (let at = 0; at < 20; at += 1) {
    const answering = client.predict(ask);
    await pass(clock, 20);
    await answering;
  }
  expect(sendings).toHaveLength(20);
  expect(client.stats()).toMatchObject({ p95Ms: 19, hedges: 0 });
  took = (index) => (index === 20 ? 100_000 : 2);
  const answering = client.predict(ask);
  await pass(clock, 18);
  expect(sendings).toHaveLength(21);
  await pass(clock, 4);
  const { evidence, outputs } = await answering;
  expect(evidence).toMatchObject({ attempts: 1, hedged: true, latencyMs: 21 });
  expect(outputs.y.data[0]).toBe(21);
  expect([sendings[20]?.signal.aborted, sendings.length]).toEqual([true, 22]);
  expect(client.stats()).toMatchObject({ hedges: 1, hedgesWon: 1 });
});

test("SV-4: hedges are at most their share of the traffic, whatever is slow; a refusal is not waited over, a failure is", async () => {
  const { protocol, sendings } = scripted(async (index) => {
    await sleep(3);
    return reply(index);
  });
  const client = clientOf(protocol, { hedge: { afterMs: 0.5, share: 0.1 } });
  for (let at = 0; at < 60; at += 1) await client.predict(ask);
  const { hedges } = client.stats();
  expect(hedges).toBeGreaterThanOrEqual(5);
  expect(hedges).toBeLessThanOrEqual(6);
  expect(sendings).toHaveLength(60 + hedges);

  const race = async (first: Error): Promise<unknown> => {
    const script = scripted(async (index) => {
      await sleep(index === 0 ? 10 : 30);
      if (index === 0) throw first;
      return reply(7);
    });
    const racing = clientOf(script.protocol, { hedge: { afterMs: 1, share: 1 }, retries: false });
    return racing.predict(ask).then(
      ({ outputs }) => outputs.y.data[0],
      (error: unknown) => error,
    );
  };
  const refused = requestRefused({ where: "late", status: 400, problem: "odd" });
  expect(await race(refused)).toBe(refused);
  expect(await race(failed)).toBe(7);
});

test("SV-4: over HTTP the loser of a hedge closes its request, which the server sees", async () => {
  const body = JSON.stringify({ outputs: [{ name: "y", datatype: "FP32", shape: [1], data: [1] }] });
  // The first of the two is never answered.
  await using server = await openFakeServer((_, index) =>
    index === 1 ? new Promise<never>(() => {}) : Promise.resolve({ body }),
  );
  const protocol = openInference({ url: server.url, model: "late", encoding: "json" });
  // The platform's fetch takes its time when it is first called.
  await clientOf(protocol).predict(ask);
  const { evidence } = await clientOf(protocol, { hedge: { afterMs: 20, share: 1 } }).predict(ask);
  expect(evidence).toMatchObject({ hedged: true, attempts: 1 });
  await expect.poll(() => server.abandoned()).toBe(1);
});

test("a server that hangs does not hold up readiness, checks and the opening of clients beyond the deadline; one that is busy is asked again", async () => {
  const tensor = (name: string): object => ({ name, datatype: "FP32", shape: [1] });
  const metadata = JSON.stringify({ name: "late", inputs: [tensor("x")], outputs: [tensor("y")] });
  const state = { hangs: false };
  await using server = await openFakeServer((_, index) => {
    if (state.hangs) return new Promise<never>(() => {});
    return index === 0 ? { status: 503 } : { body: metadata };
  });
  const protocol = openInference({ url: server.url, model: "late", encoding: "json" });
  const client = await openModelClient({ protocol, retries: { firstDelayMs: 0 } });
  expect(client.signature).toEqual(signature);
  expect(server.requests).toHaveLength(2);
  await client.check();
  state.hangs = true;
  const hurried = { protocol, deadlineMs: 60 };
  expect(await createModelClient({ ...hurried, signature }).ready()).toBe(false);
  await expect(createModelClient({ ...hurried, signature }).check()).rejects.toMatchObject({
    code: "SERVING_CLIENT_TIMED_OUT",
  });
  await expect(openModelClient(hurried)).rejects.toMatchObject({ code: "SERVING_CLIENT_TIMED_OUT" });
  const gone = AbortSignal.timeout(20);
  await expect(client.check({ signal: gone })).rejects.toMatchObject({ name: "TimeoutError" });
  expect(client.stats()).toMatchObject({ requests: 0, failures: 0 });
});

test("metrics count requests by what became of them, and how long they took", async () => {
  const counts = new Map<string, number>();
  const instrument = (name: string) => ({
    add: (by: number, labels: Readonly<Record<string, string>>) =>
      void counts.set(`${name} ${labels["code"]}`, by + (counts.get(`${name} ${labels["code"]}`) ?? 0)),
    set: () => {},
    observe: () => void counts.set(name, 1 + (counts.get(name) ?? 0)),
  });
  const meter = { counter: instrument, gauge: instrument, histogram: instrument } as never;
  const { protocol } = scripted((index) => (index === 0 ? Promise.resolve(reply(1)) : Promise.reject(failed)));
  const client = clientOf(protocol, { meter, retries: false });
  await client.predict(ask);
  await expect(client.predict(ask)).rejects.toBe(failed);
  expect(Object.fromEntries(counts)).toEqual({
    "millwright_client_requests_total ok": 1,
    "millwright_client_requests_total SERVING_CLIENT_SERVER_FAILED": 1,
    millwright_client_request_seconds: 2,
  });
});
