import assert from "node:assert/strict";
import type { Lease, LeaseStore } from "../lease-store.ts";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** A lease store without leases, and the time it goes by. */
export interface LeaseStoreFixture {
  readonly store: LeaseStore;
  /** Lets time go by for the store: `(ms) => clock.advance(ms)` with the manual clock the store was opened with. */
  advance(durationMs: number): Promise<void>;
}

const ttlMs = 10_000;

async function held(store: LeaseStore, name = "gpu/0"): Promise<Lease> {
  const lease = await store.acquire(name, ttlMs);
  assert.ok(lease !== undefined, `the lease "${name}" is not free`);
  return lease;
}

/** What each lease store promises. */
export const leaseStoreContract: readonly ContractCase<LeaseStoreFixture>[] = [
  {
    name: "a free lease is given, and nobody else gets it while it is held",
    run: async ({ store, advance }) => {
      const lease = await held(store);
      assert.equal(lease.name, "gpu/0");
      assert.equal(await store.acquire("gpu/0", ttlMs), undefined);
      await advance(ttlMs - 1000);
      assert.equal(await store.acquire("gpu/0", ttlMs), undefined);
    },
  },
  {
    name: "leases of different names know nothing of each other",
    run: async ({ store }) => {
      const first = await held(store, "a");
      const second = await held(store, "b");
      await first.release();
      assert.equal(await store.acquire("b", ttlMs), undefined);
      await second.renew();
      await held(store, "a");
    },
  },
  {
    name: "a lease that ran out goes to the next, with a greater fence",
    run: async ({ store, advance }) => {
      const first = await held(store);
      await advance(ttlMs + 1);
      const second = await held(store);
      assert.ok(second.fence > first.fence, `fence ${second.fence} after ${first.fence}`);
    },
  },
  {
    name: "renewing holds the lease for its whole time from now",
    run: async ({ store, advance }) => {
      const lease = await held(store);
      for (let turn = 0; turn < 3; turn += 1) {
        await advance(ttlMs - 2000);
        await lease.renew();
      }
      await advance(ttlMs - 2000);
      assert.equal(await store.acquire("gpu/0", ttlMs), undefined);
      await advance(3000);
      await held(store);
    },
  },
  {
    name: "renewing a lease that went to another rejects with PORT_LEASE_LOST and takes nothing from the other",
    run: async ({ store, advance }) => {
      const slow = await held(store);
      await advance(ttlMs + 1);
      const other = await held(store);
      await rejectsWithCode(slow.renew(), "PORT_LEASE_LOST");
      await other.renew();
    },
  },
  {
    name: "release frees at once, and the next fence is greater still",
    run: async ({ store }) => {
      const fences: number[] = [];
      for (let turn = 0; turn < 4; turn += 1) {
        const lease = await held(store);
        fences.push(lease.fence);
        await lease.release();
      }
      assert.deepEqual(
        fences,
        [...new Set(fences)].toSorted((a, b) => a - b),
      );
    },
  },
  {
    name: "releasing a lost lease does nothing to its new holder",
    run: async ({ store, advance }) => {
      const slow = await held(store);
      await advance(ttlMs + 1);
      const other = await held(store);
      await slow.release();
      assert.equal(await store.acquire("gpu/0", ttlMs), undefined);
      await other.renew();
    },
  },
  {
    name: "releasing twice does nothing more, even when somebody else holds it by then",
    run: async ({ store }) => {
      const first = await held(store);
      await first.release();
      await first.release();
      await held(store);
      await first.release();
      assert.equal(await store.acquire("gpu/0", ttlMs), undefined);
      await rejectsWithCode(first.renew(), "PORT_LEASE_LOST");
    },
  },
  {
    name: "of many who ask at once one gets it",
    run: async ({ store, advance }) => {
      for (let round = 0; round < 3; round += 1) {
        const leases = await Promise.all(Array.from({ length: 12 }, () => store.acquire("gpu/0", ttlMs)));
        assert.equal(leases.filter((lease) => lease !== undefined).length, 1);
        await advance(ttlMs + 1);
      }
    },
  },
  {
    name: "an aborted signal rejects with its reason and takes nothing",
    run: async ({ store, advance }) => {
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(store.acquire("gpu/0", ttlMs, { signal }), reason);
      const lease = await held(store);
      await advance(ttlMs - 1000);
      await rejectsWithReason(lease.renew({ signal }), reason);
      await advance(2000);
      await held(store);
    },
  },
];
