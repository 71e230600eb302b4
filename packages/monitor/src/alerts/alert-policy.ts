import { ruleInvalid } from "../errors.ts";
import { type AlertLabels, type AlertMatch, matcherOf } from "./alert-labels.ts";

/** When what a rule finds becomes an alert, and when people hear of it. */
export interface AlertPolicy {
  /** How long a rule must find it, without an "ok" in between, before it fires. Default: 0. */
  readonly forMs?: number | undefined;
  /** How long the rule must say "ok" before it resolves. Default: 0. */
  readonly keepFiringMs?: number | undefined;
  /** How long after its end nobody is told of another of the same correlation key; what still fires then is told. Default: 0. */
  readonly coolDownMs?: number | undefined;
  /** An alert that began `begins` times within `windowMs` flaps: it then goes on firing until it was "ok" for `quietMs`. Default: 4 times in an hour, 15 minutes. */
  readonly flap?:
    | {
        readonly begins?: number | undefined;
        readonly windowMs?: number | undefined;
        readonly quietMs?: number | undefined;
      }
    | undefined;
}

/** While an alert of one kind fires, those of another are not told: they follow from it. */
export interface Inhibition {
  readonly source: AlertMatch;
  readonly target: AlertMatch;
  /** Labels in which both must agree; absent on both sides agrees. Default: `endpoint`. */
  readonly equal?: readonly string[] | undefined;
}

/** What every rule's alerts go by, once `withDefaults` has filled it in. */
export interface FullPolicy {
  readonly forMs: number;
  readonly keepFiringMs: number;
  readonly coolDownMs: number;
  readonly flap: { readonly begins: number; readonly windowMs: number; readonly quietMs: number };
}

/** Throws `MONITOR_RULE_INVALID` for a time that is negative or no number. */
export function withDefaults(rule: string, policy: AlertPolicy = {}): FullPolicy {
  const { forMs = 0, keepFiringMs = 0, coolDownMs = 0, flap = {} } = policy;
  const { begins = 4, windowMs = 3_600_000, quietMs = 900_000 } = flap;
  const times = { forMs, keepFiringMs, coolDownMs, windowMs, quietMs };
  for (const [name, value] of Object.entries(times))
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw ruleInvalid(rule, `${name} must be a number of milliseconds of at least 0, not ${value}`);
  if (!(begins >= 2)) throw ruleInvalid(rule, `it cannot flap after ${begins} beginnings; at least 2`);
  return { forMs, keepFiringMs, coolDownMs, flap: { begins, windowMs, quietMs } };
}

/** Which alerts inhibit which. */
export interface Inhibits {
  /** Whether any alert may inhibit one with these labels. */
  isTarget(labels: AlertLabels): boolean;
  /** Whether an alert with the first labels inhibits one with the second. */
  inhibits(source: AlertLabels, target: AlertLabels): boolean;
}

export function inhibitsOf(inhibitions: readonly Inhibition[]): Inhibits {
  const all = inhibitions.map(({ source, target, equal = ["endpoint"] }) => ({
    isSource: matcherOf(source),
    isTarget: matcherOf(target),
    equal,
  }));
  return {
    isTarget: (labels) => all.some(({ isTarget }) => isTarget(labels)),
    inhibits: (source, target) =>
      all.some(
        ({ isSource, isTarget, equal }) =>
          isTarget(target) && isSource(source) && equal.every((label) => source[label] === target[label]),
      ),
  };
}

/** Of an endpoint that is down, its own slowness and errors are not told as well: what `endpointDownAlert` finds inhibits the alerts `latency` and `error-rate`. */
export const endpointInhibitions = (): readonly Inhibition[] =>
  ["latency", "error-rate"].map((alertname) => ({ source: { alertname: "endpoint-down" }, target: { alertname } }));
