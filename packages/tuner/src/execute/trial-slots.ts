import { type CallOptions, type Clock, systemClock } from "@millwright/contracts";
import { resourcesImpossible } from "./errors.ts";
import { createDevices } from "./devices.ts";

/** What a trial has for itself while it runs. */
export interface TrialResources {
  /** From 0. Default: 1. */
  readonly cpus?: number | undefined;
  /** Whole devices; or, between 0 and 1, a share of one device. Default: 0. */
  readonly gpus?: number | undefined;
  /** From 0. Default: 0. */
  readonly memoryBytes?: number | undefined;
}

/** What may be in use at once; what is absent is not limited, except GPUs: there are none. */
export interface SlotCapacity {
  readonly cpus?: number | undefined;
  /** Whole devices, numbered from 0. */
  readonly gpus?: number | undefined;
  readonly memoryBytes?: number | undefined;
}

export interface TrialSlotsOptions {
  readonly clock?: Clock | undefined;
}

/** What was given to one trial. */
export interface TrialSlot {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Numbers of the devices; one where a share was asked for. */
  readonly gpus: readonly number[];
  /** Gives it back; a second call does nothing. */
  release(): void;
}

export interface ShareOptions {
  /** Of two that always have trials waiting, each has time on the resources in proportion to its weight; above 0. Default: 1. */
  readonly weight?: number | undefined;
}

/** The claim of one study on the slots. */
export interface TrialShare {
  readonly name: string;
  readonly weight: number;
  /** What it used so far: the share of the scarcest resource, from 0 to 1, times milliseconds. */
  usedMs(): number;
  /** Waits for its turn. Throws `TUNER_RESOURCES_IMPOSSIBLE` for more than there is. */
  acquire(resources?: TrialResources, options?: CallOptions): Promise<TrialSlot>;
}

/** Resources of this machine that trials of several studies take turns in. */
export interface TrialSlots {
  /** The claim of that name; the weight given last counts. */
  share(name: string, options?: ShareOptions): TrialShare;
  /** What is in use now; `gpus` in devices. */
  used(): { readonly cpus: number; readonly gpus: number; readonly memoryBytes: number };
}

interface Request {
  readonly cpus: number;
  readonly gpus: number;
  readonly memoryBytes: number;
  /** Of the scarcest resource, from 0 to 1. */
  readonly dominant: number;
  /** How often others that came later, or are owed less, went first because this did not fit. */
  passed: number;
  grant(slot: TrialSlot): void;
}

interface Claim {
  weight: number;
  /** Dominant share times milliseconds. */
  usedMs: number;
  /** The part of `usedMs` that counts for whose turn it is, by weight. */
  virtualMs: number;
  running: number;
  idleSinceMs: number | undefined;
  readonly queue: Request[];
}

/** So often a request that does not fit lets others go first; then they wait for it, so that it does not starve. */
const mostPassed = 16;
/** A claim that had nothing waiting for longer is owed nothing for that time. */
const idleMs = 1_000;

/**
 * Slots that studies share fairly: the next to go is the one whose trials have had the least time on their scarcest resource, by weight.
 * Dominant resource fairness: Ghodsi et al., NSDI 2011; over time, as start-time fair queueing: Goyal et al., SIGCOMM 1996.
 * Throws RangeError for capacities that are no numbers from 0.
 */
export function createTrialSlots(capacity: SlotCapacity, { clock = systemClock }: TrialSlotsOptions = {}): TrialSlots {
  const total = checkCapacity(capacity);
  const claims = new Map<string, Claim>();
  let settledMs = clock.monotonicMs();

  const settle = (): void => {
    const nowMs = clock.monotonicMs();
    for (const claim of claims.values()) {
      const spent = (nowMs - settledMs) * claim.running;
      claim.usedMs += spent;
      claim.virtualMs += spent / claim.weight;
    }
    settledMs = nowMs;
  };
  const store = createStore(total);
  const give = (claim: Claim, request: Request): void => {
    claim.queue.shift();
    const gpus = store.take(request);
    claim.running += request.dominant;
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      settle();
      store.giveBack(request, gpus);
      endOne(claim, request, settledMs);
      dispatch();
    };
    request.grant({ ...amountsOf(request), gpus, release });
  };
  const dispatch = (): void => {
    settle();
    while (giveNext([...claims.values()], store.fits, give));
  };
  const enqueue = (claim: Claim, request: Request): void => {
    settle();
    if (claim.idleSinceMs !== undefined && settledMs - claim.idleSinceMs > idleMs) catchUp(claim, claims.values());
    claim.idleSinceMs = undefined;
    claim.queue.push(request);
    dispatch();
  };
  return {
    share(name, { weight = 1 } = {}) {
      checkShare(name, weight);
      const claim = claims.get(name) ?? newClaim(clock.monotonicMs());
      settle();
      claim.weight = weight;
      claims.set(name, claim);
      return {
        name,
        weight,
        usedMs: () => (settle(), claim.usedMs),
        acquire: async (resources = {}, { signal } = {}) =>
          waitFor(claim, requestOf(resources, total), enqueue, signal),
      };
    },
    used: store.used,
  };
}

interface Store {
  fits(request: Request): boolean;
  /** @returns the devices. */
  take(request: Request): readonly number[];
  giveBack(request: Request, gpus: readonly number[]): void;
  used(): ReturnType<TrialSlots["used"]>;
}

function createStore(total: Required<SlotCapacity> & { readonly gpus: number; readonly cpus: number }): Store {
  const devices = createDevices(total.gpus);
  const used = { cpus: 0, memoryBytes: 0 };
  return {
    fits: ({ cpus, memoryBytes, gpus }) =>
      used.cpus + cpus <= total.cpus * (1 + 1e-12) &&
      used.memoryBytes + memoryBytes <= (total.memoryBytes ?? Infinity) &&
      devices.fits(gpus),
    take({ cpus, memoryBytes, gpus }) {
      used.cpus += cpus;
      used.memoryBytes += memoryBytes;
      return devices.take(gpus);
    },
    giveBack({ cpus, memoryBytes, gpus }, taken) {
      devices.giveBack(taken, gpus);
      used.cpus = withoutRest(used.cpus - cpus);
      used.memoryBytes = withoutRest(used.memoryBytes - memoryBytes);
    },
    used: () => ({ ...used, gpus: devices.used() }),
  };
}

const amountsOf = ({ cpus, memoryBytes }: Request): Pick<Request, "cpus" | "memoryBytes"> => ({ cpus, memoryBytes });

function endOne(claim: Claim, request: Request, nowMs: number): void {
  claim.running = withoutRest(claim.running - request.dominant);
  if (claim.running === 0 && claim.queue.length === 0) claim.idleSinceMs = nowMs;
}

const newClaim = (nowMs: number): Claim => ({
  weight: 1,
  usedMs: 0,
  virtualMs: 0,
  running: 0,
  idleSinceMs: nowMs - 2 * idleMs,
  queue: [],
});

/** Who was away is owed nothing: it begins where the one that had least stands. */
function catchUp(claim: Claim, claims: Iterable<Claim>): void {
  let least = Number.POSITIVE_INFINITY;
  for (const other of claims) {
    if (other !== claim && (other.queue.length > 0 || other.running > 0)) least = Math.min(least, other.virtualMs);
  }
  if (least < Number.POSITIVE_INFINITY) claim.virtualMs = Math.max(claim.virtualMs, least);
}

/** @returns whether one was given. */
function giveNext(
  claims: readonly Claim[],
  fits: (request: Request) => boolean,
  give: (claim: Claim, request: Request) => void,
): boolean {
  const waiting = claims
    .filter(({ queue }) => queue.length > 0)
    .toSorted((a, b) => a.virtualMs - b.virtualMs || a.running / a.weight - b.running / b.weight);
  const passed: Request[] = [];
  for (const claim of waiting) {
    const request = claim.queue[0] as Request;
    if (fits(request)) {
      for (const each of passed) each.passed += 1;
      give(claim, request);
      return true;
    }
    if (request.passed >= mostPassed) return false;
    passed.push(request);
  }
  return false;
}

function waitFor(
  claim: Claim,
  wanted: Omit<Request, "grant" | "passed">,
  enqueue: (claim: Claim, request: Request) => void,
  signal: AbortSignal | undefined,
): Promise<TrialSlot> {
  signal?.throwIfAborted();
  return new Promise<TrialSlot>((resolve, reject) => {
    const stop = (): void => {
      const place = claim.queue.indexOf(request);
      if (place >= 0) claim.queue.splice(place, 1);
      reject(signal?.reason as Error);
    };
    const request: Request = {
      ...wanted,
      passed: 0,
      grant(slot) {
        signal?.removeEventListener("abort", stop);
        resolve(slot);
      },
    };
    signal?.addEventListener("abort", stop, { once: true });
    enqueue(claim, request);
  });
}

/** Throws RangeError, `TUNER_RESOURCES_IMPOSSIBLE`. */
function requestOf(
  { cpus = 1, gpus = 0, memoryBytes = 0 }: TrialResources,
  total: Required<SlotCapacity>,
): Omit<Request, "grant" | "passed"> {
  const wanted = { cpus, gpus, memoryBytes };
  let dominant = 0;
  for (const [unit, value] of Object.entries(wanted)) {
    if (typeof value !== "number" || !(value >= 0 && value < Infinity))
      throw new RangeError(`A trial asks for ${String(value)} ${unit}; it must be a finite number from 0.`);
    const most = total[unit as keyof SlotCapacity] as number;
    if (value > most) throw resourcesImpossible(unit, value, most);
    if (value > 0 && most < Infinity) dominant = Math.max(dominant, value / most);
  }
  if (gpus > 1 && !Number.isInteger(gpus))
    throw new RangeError(`A trial asks for ${gpus} gpus; above 1 only whole devices are given.`);
  return { ...wanted, dominant };
}

/** Throws TypeError, RangeError. */
function checkShare(name: string, weight: number): void {
  if (typeof name !== "string" || name === "") throw new TypeError("A share of trial slots needs a name.");
  if (!(weight > 0 && weight < Infinity))
    throw new RangeError(`The weight of the share "${name}" must be a finite number above 0.`);
}

/** Throws RangeError. */
function checkCapacity(capacity: SlotCapacity): { cpus: number; gpus: number; memoryBytes: number } {
  const { cpus = Infinity, gpus = 0, memoryBytes = Infinity } = capacity;
  for (const [unit, value] of Object.entries({ cpus, gpus, memoryBytes })) {
    if (typeof value !== "number" || !(value >= 0))
      throw new RangeError(`There are ${String(value)} ${unit}; it must be a number from 0.`);
  }
  if (!Number.isInteger(gpus) || gpus > 4_096)
    throw new RangeError(`There are ${gpus} gpus; whole devices are shared.`);
  return { cpus, gpus, memoryBytes };
}

/** Sums of fractions leave a rest in the last bits; that small is nothing. */
const withoutRest = (value: number): number => (value < 1e-9 ? 0 : value);
