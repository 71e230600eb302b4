import assert from "node:assert/strict";
import type { Alert, AlertSource } from "../alert-source.ts";
import { abortedSignal, collect, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** A source in which nothing fires, and the ways to make it. */
export interface AlertSourceFixture {
  readonly source: AlertSource;
  /** Makes an alert of this name fire for the subject; resolves when the source knows. */
  fire(name: string, subject: string): Promise<void>;
  /** Lets it resolve; resolves when the source knows. */
  resolve(name: string, subject: string): Promise<void>;
}

const namesOf = (alerts: readonly Alert[]): string[] => alerts.map(({ name }) => name).toSorted();

/** What each alert source promises. */
export const alertSourceContract: readonly ContractCase<AlertSourceFixture>[] = [
  {
    name: "where nothing fires there are no alerts",
    run: async ({ source }) => assert.deepEqual(await source.alerts("endpoint/late"), []),
  },
  {
    name: "what fires is told, with its subject and since when",
    run: async ({ source, fire }) => {
      await fire("too-slow", "endpoint/late");
      const [alert, ...others] = await source.alerts("endpoint/late");
      assert.equal(others.length, 0);
      assert.deepEqual([alert?.name, alert?.subject, alert?.state], ["too-slow", "endpoint/late", "firing"]);
      assert.ok(Number.isFinite(alert?.sinceMs));
      assert.ok((alert?.summary.length ?? 0) > 0);
    },
  },
  {
    name: "a subject takes in what is below it, and not what merely begins alike",
    run: async ({ source, fire }) => {
      await fire("own", "endpoint/late");
      await fire("below", "endpoint/late/variant/a");
      await fire("beside", "endpoint/later");
      assert.deepEqual(namesOf(await source.alerts("endpoint/late")), ["below", "own"]);
      assert.deepEqual(namesOf(await source.alerts("endpoint/late/variant/a")), ["below"]);
      assert.deepEqual(namesOf(await source.alerts("endpoint")), ["below", "beside", "own"]);
    },
  },
  {
    name: "what resolved fires no more",
    run: async ({ source, fire, resolve }) => {
      await fire("too-slow", "endpoint/late");
      await resolve("too-slow", "endpoint/late");
      assert.deepEqual(await source.alerts("endpoint/late"), []);
    },
  },
  {
    name: "alerts of one subject are told apart by name, each with its own beginning, which stays while it fires",
    run: async ({ source, fire, resolve }) => {
      await fire("own", "endpoint/late");
      const [first] = await source.alerts("endpoint/late");
      await fire("too-slow", "endpoint/late");
      const both = await source.alerts("endpoint/late");
      assert.deepEqual(namesOf(both), ["own", "too-slow"]);
      assert.equal(both.find(({ name }) => name === "own")?.sinceMs, first?.sinceMs);
      await resolve("too-slow", "endpoint/late");
      assert.deepEqual(namesOf(await source.alerts("endpoint/late")), ["own"]);
    },
  },
  {
    name: "what fires is said in finite numbers, and its evidence, where there is any, is of a span of time and of whole samples",
    run: async ({ source, fire }) => {
      await fire("too-slow", "endpoint/late");
      for (const { value, threshold, evidence } of await source.alerts("endpoint/late")) {
        for (const each of [value, threshold]) assert.ok(each === undefined || Number.isFinite(each));
        const { window, samples = 0 } = evidence ?? {};
        assert.ok(window === undefined || window.fromMs <= window.toMs);
        assert.ok(samples >= 0 && Number.isFinite(samples));
      }
    },
  },
  {
    name: "changes tell each alert as it fires and as it resolves, and end when the signal aborts",
    run: async ({ source, fire, resolve }) => {
      const controller = new AbortController();
      const seen: string[] = [];
      const changes = source.changes("endpoint/late", { signal: controller.signal })[Symbol.asyncIterator]();
      const first = changes.next();
      await new Promise<void>((done) => setTimeout(done, 20));
      await fire("beside", "endpoint/later");
      await fire("too-slow", "endpoint/late/variant/a");
      await resolve("too-slow", "endpoint/late/variant/a");
      for (const step of [await first, await changes.next()]) {
        assert.ok(step.done !== true);
        seen.push(`${step.value.name} ${step.value.state}`);
      }
      assert.deepEqual(seen, ["too-slow firing", "too-slow resolved"]);
      const last = changes.next();
      controller.abort(new Error("enough"));
      assert.equal((await last).done, true);
    },
  },
  {
    name: "an aborted signal rejects with its reason; changes just end",
    run: async ({ source }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(source.alerts("endpoint/late", { signal }), reason);
      assert.deepEqual(await collect(source.changes("endpoint/late", { signal })), []);
    },
  },
];
