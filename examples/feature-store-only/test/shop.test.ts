import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

interface Shop extends AsyncDisposable {
  /** Where features are read. */
  readonly read: string;
  readonly url: string;
}

/** The example as its README starts it. */
async function startShop(folder: string): Promise<Shop> {
  const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
  const child = spawn(process.execPath, [main, folder, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), exited])) as [string];
  return {
    read: line,
    url: new URL(line).origin,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill("SIGTERM");
      await exited;
    },
  };
}

const featuresOf = async (url: string, customers: readonly string[]): Promise<unknown> => {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify({ entities: { customer: customers } }) });
  return ((await answer.json()) as { features: unknown }).features;
};

test("orders become features at once and survive a restart, in an application of less than 60 lines", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-shop-"));
  const source = await readFile(new URL("../src/app.ts", import.meta.url), "utf8");
  expect(source.split("\n").length).toBeLessThan(60);
  try {
    // A window ends before the moment of the request: the orders are in it once that has passed.
    const expected = { orders__orders_7d: [2, 1, null], orders__mean_1h: [12.5, 1, null] };
    {
      await using shop = await startShop(folder);
      for (const [customer, euros] of [
        ["ada", 10],
        ["ada", 15],
        ["bob", 1],
      ] as const) {
        const body = JSON.stringify({ customer, euros });
        const headers = { "content-type": "application/json" };
        expect((await fetch(`${shop.url}/orders`, { method: "POST", headers, body })).status).toBe(201);
      }
      await expect.poll(() => featuresOf(shop.read, ["ada", "bob", "eve"])).toEqual(expected);
    }
    await using shop = await startShop(folder);
    expect(await featuresOf(shop.read, ["ada", "bob", "eve"])).toEqual(expected);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
