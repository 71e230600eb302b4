import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@millwright/contracts";
import { modelRegistryContract, modelSourceContract, runTrackerContract } from "@millwright/contracts/testing";
import { describe, test } from "vitest";
import { type MlflowTracker, type MlflowTrackerOptions, openMlflowTracker } from "../src/mlflow-client.ts";
import { packDense } from "./workshop.ts";

/** A server without models, and whatever it runs on. */
export interface ServedMlflow extends AsyncDisposable {
  readonly url: string;
}

/** A client of a server in a folder of a test's own. */
export interface ClientBench extends AsyncDisposable {
  readonly folder: string;
  readonly url: string;
  readonly tracker: MlflowTracker;
  pack(content: string): Promise<string>;
}

/** Waits between attempts are short; that for an answer is as it is. */
const hurried: Clock = {
  ...systemClock,
  sleep: (durationMs, options) => systemClock.sleep(durationMs < 10_000 ? durationMs / 50 : durationMs, options),
};

export async function openClient(url: string, options: Partial<MlflowTrackerOptions> = {}): Promise<ClientBench> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-mlflow-client-"));
  const tracker = await openMlflowTracker({
    url,
    directory: join(folder, "client"),
    clock: hurried,
    flushMs: 250,
    pollMs: 1000,
    ...options,
  });
  let packed = 0;
  return {
    folder,
    url,
    tracker,
    pack: (content) => packDense(join(folder, "packages", `${(packed += 1)}`), content),
    async [Symbol.asyncDispose]() {
      await tracker[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Calls MLflow's REST by hand. */
export async function rest(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  // oxlint-disable-next-line typescript/no-explicit-any -- What a server of another language says: tests look into it by hand.
): Promise<any> {
  const response = await fetch(`${url}/api/2.0/mlflow/${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { readonly message?: string };
  if (response.status !== 200) throw new TypeError(`${method} ${path}: ${response.status} ${answer.message}`);
  return answer;
}

/** The contract cases of the three ports, each against a server that `serve` gives. */
export function describePorts(
  serve: () => Promise<ServedMlflow>,
  skipped: (skip: (note: string) => void, name: string) => void,
): void {
  describe("as a run tracker", () => {
    for (const { name, appliesTo, run } of runTrackerContract) {
      test(name, { timeout: 300_000 }, async ({ skip }) => {
        skipped(skip, name);
        await using server = await serve();
        await using client = await openClient(server.url);
        if (appliesTo?.(client.tracker) === false) skip("the case asks for what this tracker does not do");
        await run(client.tracker);
      });
    }
  });
  describe("as a model registry", () => {
    for (const { name, appliesTo, run } of modelRegistryContract) {
      test(name, { timeout: 300_000 }, async ({ skip }) => {
        skipped(skip, name);
        await using server = await serve();
        await using client = await openClient(server.url);
        const { tracker, pack } = client;
        const fixture = { registry: tracker, source: tracker, pack };
        if (appliesTo?.(fixture) === false) skip("the case asks for what this registry does not do");
        await run(fixture);
      });
    }
  });
  describe("as a model source", () => {
    for (const { name, appliesTo, run } of modelSourceContract) {
      test(name, { timeout: 300_000 }, async ({ skip }) => {
        skipped(skip, name);
        await using server = await serve();
        await using client = await openClient(server.url);
        const { tracker, pack } = client;
        await tracker.register("late", await pack("first"));
        await tracker.setAlias("late", "champion", 1);
        let changes = 0;
        const change = async (): Promise<void> => {
          const { version } = await tracker.register("late", await pack(`changed ${(changes += 1)}`));
          await tracker.setAlias("late", "champion", version);
        };
        const fixture = { source: tracker, ref: "late@champion", unknownRef: "late@nobody", change };
        if (appliesTo?.(fixture) === false) skip("the case asks for what this source does not do");
        await run(fixture);
      });
    }
  });
}
