import { type IncomingMessage, Agent, createServer, request } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { type ServingChild, createCaller, openLoop, startServing } from "./children.ts";
import { packFolder } from "./models.ts";

const body = JSON.stringify({ instances: [[1, 2, 3, 4]] });

interface Balancer extends AsyncDisposable {
  readonly address: string;
  /** Resolves when the server is known to be ready. */
  add(child: ServingChild): Promise<void>;
  remove(child: ServingChild): void;
}

/** Turns go to the servers that said they are ready when they were last asked, over connections that stay open; nothing is tried twice. */
async function openBalancer(pollMs: number): Promise<Balancer> {
  const servers = new Map<ServingChild, { ready: boolean; asked: boolean }>();
  const agent = new Agent({ keepAlive: true });
  const isReady = async (child: ServingChild): Promise<boolean> =>
    fetch(`${child.address}/v2/health/ready`).then(
      ({ status }) => status === 200,
      () => false,
    );
  const poll = setInterval(() => {
    for (const [child, state] of servers) {
      // One question at a time: an answer of before must not come after a newer one.
      if (state.asked) continue;
      state.asked = true;
      void isReady(child).then((ready) => Object.assign(state, { ready, asked: false }));
    }
  }, pollMs);
  let turn = 0;
  const server = createServer((incoming, outgoing) => {
    const ready = [...servers].filter(([, state]) => state.ready).map(([child]) => child);
    turn += 1;
    const child = ready[turn % ready.length];
    const failed = (): void => {
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end();
    };
    if (child === undefined) {
      failed();
      return;
    }
    const { method, headers, url } = incoming;
    const onward = request(`${child.address}${url}`, { method, headers, agent }, (answer: IncomingMessage) => {
      const { connection: _hop, ...kept } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, kept);
      answer.pipe(outgoing);
    });
    onward.on("error", failed);
    incoming.pipe(onward);
  });
  // Longer than the test: a connection that is closed for idleness while a request is on its way is none of the servers' doing.
  server.keepAliveTimeout = 300_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async add(child) {
      while (!(await isReady(child))) await new Promise((resolve) => setTimeout(resolve, 10));
      servers.set(child, { ready: true, asked: false });
    },
    remove: (child) => void servers.delete(child),
    async [Symbol.asyncDispose]() {
      clearInterval(poll);
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("SV-10: 20 rolling restarts under 200 requests a second: every answer is a 200", async () => {
  await using folder = await packFolder(1);
  await using balancer = await openBalancer(25);
  // The grace is what the balancer has to see that a server is leaving, however busy the machine is.
  const options = { root: folder.root, callMs: 5, graceMs: 1500 };
  let pair = await Promise.all([startServing(options), startServing(options)]);
  for (const child of pair) await balancer.add(child);
  const caller = createCaller();
  let restarts = 0;
  const restarting = (async () => {
    for (; restarts < 20; restarts += 1) {
      const [old, other] = pair as [ServingChild, ServingChild];
      const next = await startServing(options);
      await balancer.add(next);
      expect(await old.leave()).toBe(0);
      balancer.remove(old);
      pair = [other, next];
    }
  })();
  const answers: Promise<{ status: number }[]>[] = [];
  // As long as it takes.
  const load = (async () => {
    while (restarts < 20)
      answers.push(Promise.resolve(await openLoop(200, 1, () => caller.ask(`${balancer.address}/invocations`, body))));
  })();
  await restarting;
  await load;
  const all = (await Promise.all(answers)).flat();
  caller.close();
  for (const child of pair) expect(await child.leave()).toBe(0);
  expect(restarts).toBe(20);
  expect(all.length).toBeGreaterThan(1000);
  expect(all.filter(({ status }) => status !== 200)).toEqual([]);
}, 600_000);
