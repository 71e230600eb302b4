import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryModelSource, treeRuntime } from "@millwright/model";
import { type Verdict, openModelServer } from "@millwright/serving";
import { openSqlite } from "@millwright/storage";
import { makeOrders, packVersion } from "./orders.ts";

const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), "canary-")));

// What serves, and three that want to: one fitted to newer orders; one that was fitted to a column that callers do not send; and one whose
// labels were turned around for the orders of the app, as a wrong join does it.
await packVersion(folder, 1, makeOrders(4000, 1));
await packVersion(folder, 2, makeOrders(6000, 2));
await packVersion(
  folder,
  3,
  makeOrders(4000, 3).map(({ euros, ...order }) => ({ ...order, amount: euros })),
);
await packVersion(
  folder,
  4,
  makeOrders(4000, 4).map((order) => ({ ...order, returned: order.returned !== (order.channel === "app") })),
);

await using database = await openSqlite(join(folder, "serving.db"));
await using server = await openModelServer({
  source: openDirectoryModelSource(folder),
  runtimes: [treeRuntime()],
  endpoints: { returns: { variants: { main: { model: "returns/1", weight: 1 } } } },
  database,
});

/** People order: a hundred at a time, each with an order of their own, until the deployment has ended. */
async function customers(): Promise<{ readonly asked: number; readonly failed: number }> {
  let [asked, failed] = [0, 0];
  for (let seed = 100; ; seed += 1) {
    const orders = makeOrders(100, seed).map(({ channel, euros, days }) => ({ channel, euros, days }));
    const answers = await Promise.allSettled(
      orders.map((order, at) => server.predict("returns", { instances: [order], stickyKey: `customer ${seed} ${at}` })),
    );
    asked += answers.length;
    failed += answers.filter(({ status }) => status === "rejected").length;
    await new Promise((resolve) => setTimeout(resolve, 40));
    if (!["deploying", "baking"].includes((await server.status("returns"))?.state ?? "")) return { asked, failed };
  }
}

for (const version of [3, 4, 2]) {
  await server.deploy("returns", {
    model: `returns/${version}`,
    traffic: { type: "canary", share: 0.2, bakeMs: 5000 },
    verdict: { agreement: { minimum: 0.6 }, segments: { by: "channel" }, latency: { tolerance: 1 } },
  });
  const { asked, failed } = await customers();
  const { state, reason, evidence } = (await server.status("returns"))!;
  const { verdict, checks } = evidence as unknown as Verdict;
  console.log(`returns/${version}: ${state} by the verdict "${verdict}"${reason === undefined ? "" : `: ${reason}`}`);
  console.log(`  ${asked} customers, ${failed} without an answer`);
  for (const { test, segment, verdict: word, summary } of checks)
    if (word === "fail" || segment === undefined)
      console.log(`  ${word} ${test}${segment === undefined ? "" : ` of "${segment}"`}: ${summary}`);
}
const { provenance } = await server.predict("returns", { instances: [{ channel: "web", euros: 20, days: 3 }] });
console.log(`returns/${provenance.model.version} serves`);
