import {
  type Clock,
  type Counter,
  type Logger,
  type Meter,
  type Random,
  createRandom,
  hashSeed,
} from "@millwright/contracts";
import type { ChaosScope } from "./flag.ts";
import type { Fault, FaultMatch, SharedFault } from "./faults.ts";

/** What a call is known by where faults are drawn for it. */
export interface Target {
  /** Decides, with the seed and the fault's name, whether the fault befalls the call. */
  readonly id: string;
  /** Empty where no endpoint is known. */
  readonly endpoint: string;
  readonly match?: Omit<FaultMatch, "endpoint"> | undefined;
}

export interface Instruments {
  readonly logger: Logger;
  readonly meter: Meter;
}

interface InjectorOptions extends Instruments {
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly clock: Clock;
  /** What the flag allows; absent outside of production. */
  readonly scope: ChaosScope | undefined;
}

/** Draws faults, and tells of each that is injected. */
export class Injector {
  readonly #options: InjectorOptions;
  readonly #armed: Set<string>;
  readonly #counts = new Map<string, number>();
  readonly #calls = new Map<string, number>();

  constructor(options: InjectorOptions, armed: readonly string[]) {
    this.#options = options;
    this.#armed = new Set(armed);
  }

  get faults(): readonly Fault[] {
    return this.#options.faults;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  arm(names: readonly string[]): void {
    for (const name of names) this.#known(name);
    this.#armed.clear();
    for (const name of names) this.#armed.add(name);
  }

  armed(): readonly string[] {
    return this.faults.map(({ name }) => name).filter((name) => this.#armed.has(name));
  }

  injected(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.faults.map(({ name }) => [name, this.#counts.get(name) ?? 0]));
  }

  allowsEndpoint(endpoint: string): boolean {
    const { scope } = this.#options;
    return scope?.endpoints === undefined || scope.endpoints.includes(endpoint);
  }

  /** Whether the fault is armed, and within its schedule and that of the flag. */
  isActive({ name, fromMs = -Infinity, untilMs = Infinity }: Fault): boolean {
    if (!this.#armed.has(name)) return false;
    const { clock, scope } = this.#options;
    const nowMs = clock.nowMs();
    return nowMs >= fromMs && nowMs < Math.min(untilMs, scope?.untilMs ?? Infinity);
  }

  /** Whether the fault befalls the call. */
  befalls(fault: Fault, { id, endpoint, match = {} }: Target): boolean {
    if (!this.isActive(fault)) return false;
    const { match: wanted = {} } = fault as { readonly match?: FaultMatch };
    if (wanted.endpoint !== undefined && wanted.endpoint !== endpoint) return false;
    for (const key of ["tenant", "principal", "mark"] as const)
      if (wanted[key] !== undefined && wanted[key] !== match[key]) return false;
    const { share = 1 } = fault as SharedFault;
    return share >= 1 || hashSeed(`${fault.name} ${id}`, this.#options.seed) / 2 ** 32 < share;
  }

  /** A stream of the fault and the call: the same for the same seed. */
  randomOf({ name }: Fault, id: string): Random {
    return createRandom(this.#options.seed).fork(`${name} ${id}`);
  }

  /** The number of the call of something that has no ids, from 1. */
  nextCall(what: string): string {
    const number = (this.#calls.get(what) ?? 0) + 1;
    this.#calls.set(what, number);
    return `${what} ${number}`;
  }

  record(
    { name, kind }: Fault,
    { id, endpoint }: Target,
    { logger, meter }: Instruments = this.#options,
    fields: object = {},
  ): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    counterOf(meter).add(1, { fault: name, kind, endpoint });
    logger.warn({ fault: name, kind, endpoint, requestId: id, ...fields }, "a fault was injected");
  }

  #known(name: string): void {
    if (!this.faults.some((fault) => fault.name === name))
      throw new TypeError(
        `There is no fault "${String(name)}"; there are ${this.faults.map((fault) => fault.name).join(", ")}.`,
      );
  }
}

const counterOf = (meter: Meter): Counter =>
  meter.counter("millwright_serving_faults_injected_total", {
    help: "Faults that chaos hooks injected, by name and kind.",
    labelNames: ["fault", "kind", "endpoint"],
  });
