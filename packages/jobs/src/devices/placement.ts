import {
  type Clock,
  createRandom,
  hashSeed,
  isMillwrightError,
  type JobResources,
  type Lease,
  type LeaseStore,
} from "@millwright/contracts";
import { type GpuGrant, grantOf, type LentDevice } from "./grant.ts";
import { type GpuRequest, requestOf, sharesOfDevice } from "./gpu-request.ts";
import { clearEarlierHolders } from "./leftovers.ts";
import { createLocalLeases } from "./local-leases.ts";
import type { GpuDevice } from "./nvidia-smi.ts";

export interface GpuPlacementOptions {
  readonly devices: readonly GpuDevice[];
  /** Why there are none. */
  readonly why?: string | undefined;
  /** Undefined where nobody but this launcher uses the devices. */
  readonly leases: LeaseStore | undefined;
  /** What a device's leases are named after. */
  readonly leaseKeyOf: (device: GpuDevice) => string;
  /** Within it, what a dead launcher had is given to the next. */
  readonly heartbeatMs: number;
  readonly clock: Clock;
}

/** Gives devices to jobs, so that no two of them ever have the same share of one. */
export interface GpuPlacement {
  /** Throws `JOBS_RESOURCES_IMPOSSIBLE` where no waiting would help. */
  check(resources: JobResources): void;
  /** Waits for its turn: first come, first served among those that want the same devices of this launcher. Throws `JOBS_RESOURCES_IMPOSSIBLE`. */
  take(resources: JobResources, signal: AbortSignal): Promise<GpuGrant>;
}

interface Waiting {
  readonly request: GpuRequest;
  over: boolean;
  readonly give: (grant: GpuGrant) => void;
  readonly fail: (error: unknown) => void;
}

/** Of a heartbeat: how long a lease lasts, and how often it is looked whether one ran out, so that both together take less. */
const leasePart = 0.8;
const pollPart = 0.1;

class Placement implements GpuPlacement {
  readonly #options: GpuPlacementOptions;
  readonly #leases: LeaseStore;
  readonly #random = createRandom(hashSeed(`${process.pid}`));
  /** Twelfths of each device that jobs of this launcher have. */
  readonly #used = new Map<string, number>();
  #queue: Waiting[] = [];
  #serving = false;
  #again = false;
  #poll: NodeJS.Timeout | undefined;

  constructor(options: GpuPlacementOptions) {
    this.#options = options;
    this.#leases = options.leases ?? createLocalLeases();
  }

  check(resources: JobResources): void {
    requestOf(resources, this.#options.devices, this.#options.why);
  }

  async take(resources: JobResources, signal: AbortSignal): Promise<GpuGrant> {
    signal.throwIfAborted();
    const request = requestOf(resources, this.#options.devices, this.#options.why);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.over = true;
        this.#queue = this.#queue.filter((each) => each !== waiting);
        signal.removeEventListener("abort", stop);
      };
      const stop = (): void => {
        leave();
        reject(signal.reason as Error);
        this.#serveSoon();
      };
      const waiting: Waiting = {
        request,
        over: false,
        give: (grant) => {
          leave();
          resolve(grant);
        },
        fail: (error) => {
          leave();
          reject(error as Error);
        },
      };
      signal.addEventListener("abort", stop, { once: true });
      this.#queue.push(waiting);
      this.#serveSoon();
    });
  }

  #serveSoon(): void {
    this.#again = true;
    if (!this.#serving) void this.#serve();
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    clearTimeout(this.#poll);
    while (this.#again) {
      this.#again = false;
      /** Devices that somebody waits for who came earlier. */
      const wanted = new Set<GpuDevice>();
      for (const waiting of this.#queue) {
        if (waiting.over) continue;
        const free = waiting.request.candidates.filter((device) => !wanted.has(device));
        const grant = free.length < waiting.request.count ? undefined : await this.#tryFor(waiting, free);
        if (grant === undefined) for (const device of waiting.request.candidates) wanted.add(device);
        else if (waiting.over) await grant.release();
        else waiting.give(grant);
      }
    }
    this.#serving = false;
    // Other launchers do not say when they give back.
    if (this.#queue.length > 0 && this.#options.leases !== undefined) {
      const everyMs = Math.min(1_000, Math.max(20, pollPart * this.#options.heartbeatMs));
      this.#poll = setTimeout(() => this.#serveSoon(), everyMs * (0.5 + this.#random.next()));
    }
  }

  async #tryFor(waiting: Waiting, devices: readonly GpuDevice[]): Promise<GpuGrant | undefined> {
    try {
      return await this.#tryTake(waiting.request, devices);
    } catch (error) {
      // A store that is away for a while is asked again; one that says no for good is believed.
      if (isMillwrightError(error) && !error.retryable) waiting.fail(error);
      return undefined;
    }
  }

  async #tryTake(request: GpuRequest, devices: readonly GpuDevice[]): Promise<GpuGrant | undefined> {
    const { clock, heartbeatMs, leases } = this.#options;
    const ttlMs = leasePart * heartbeatMs;
    const sinceMs = clock.monotonicMs();
    const lent: LentDevice[] = [];
    try {
      for (const device of this.#inOrder(request, devices)) {
        if (lent.length === request.count) break;
        const taken = await this.#takeShares(device, request.shares(device));
        if (taken !== undefined) lent.push({ device, leases: taken });
      }
    } catch (error) {
      await releaseAll(lent.flatMap((each) => each.leases));
      throw error;
    }
    const all = lent.flatMap((each) => each.leases);
    if (lent.length < request.count) {
      await releaseAll(all);
      return undefined;
    }
    let given = false;
    const onRelease = (): void => {
      this.#count(lent, -1);
      if (given) this.#serveSoon();
    };
    this.#count(lent, 1);
    const grant = grantOf(lent, { clock, ttlMs, sinceMs, shared: leases !== undefined, onRelease });
    given = leases === undefined || ((await clearEarlierHolders(all, clock)) && !grant.lost.aborted);
    if (given) return grant;
    await grant.release();
    return undefined;
  }

  /** Shares are packed on devices that are begun already; whole devices are looked for among the others. */
  #inOrder(request: GpuRequest, devices: readonly GpuDevice[]): readonly GpuDevice[] {
    const used = (device: GpuDevice): number => this.#used.get(device.id) ?? 0;
    const packs = devices.some((device) => request.shares(device) < sharesOfDevice);
    return devices.toSorted((a, b) => (packs ? used(b) - used(a) : used(a) - used(b)));
  }

  /** @returns undefined, and holds nothing, where the device has not that much to give. */
  async #takeShares(device: GpuDevice, count: number): Promise<readonly Lease[] | undefined> {
    if ((this.#used.get(device.id) ?? 0) + count > sharesOfDevice) return undefined;
    const { leaseKeyOf, heartbeatMs } = this.#options;
    const taken: Lease[] = [];
    try {
      // Who wants all begins at one end, who wants a part at the other: they meet late.
      for (let place = 0; place < sharesOfDevice && taken.length < count; place += 1) {
        const share = count === sharesOfDevice ? place : sharesOfDevice - 1 - place;
        const lease = await this.#leases.acquire(`gpu/${leaseKeyOf(device)}/${share}`, leasePart * heartbeatMs);
        if (lease !== undefined) taken.push(lease);
        else if (taken.length + sharesOfDevice - place - 1 < count) break;
      }
    } catch (error) {
      await releaseAll(taken);
      throw error;
    }
    if (taken.length === count) return taken;
    await releaseAll(taken);
    return undefined;
  }

  #count(lent: readonly LentDevice[], sign: number): void {
    for (const { device, leases } of lent)
      this.#used.set(device.id, (this.#used.get(device.id) ?? 0) + sign * leases.length);
  }
}

const releaseAll = (leases: readonly Lease[]): Promise<unknown> =>
  Promise.allSettled(leases.map((lease) => lease.release()));

export const createGpuPlacement = (options: GpuPlacementOptions): GpuPlacement => new Placement(options);
