import type { Alert } from "@millwright/contracts";
import { actionInvalid } from "../errors.ts";

export type ActionKind = "page" | "ticket" | "retrain" | "shift-traffic" | "fall-back";

/** What something is expected to bring, in the unit of its cost. */
export interface ExpectedGain {
  readonly mean: number;
  /** The lower end of its 95 % interval: what is decided by. */
  readonly low: number;
}

/** Which alerts lead to which action, and how often they may. */
export interface ActionRule {
  /** Unique in a policy. */
  readonly name: string;
  readonly action: ActionKind;
  /** Which alerts. */
  readonly when: (alert: Alert) => boolean;
  /** How long an alert must have been firing. Default: 0. */
  readonly afterMs?: number | undefined;
  /** Hysteresis: how long the alerts of a subject must have been quiet before the action may be taken for it again. Default: 0, after the alert resolved. */
  readonly quietMs?: number | undefined;
  /** Between two actions of this rule for one subject. Default: 0. */
  readonly coolDownMs?: number | undefined;
  /** Most actions of this rule in any 24 hours, over all subjects. Default: 10. */
  readonly maxPerDay?: number | undefined;
  /** What the action costs. Required with `gain`. */
  readonly cost?: number | undefined;
  /**
   * What the action is expected to bring: it is taken only where the lower end is more than it costs. Undefined where nothing is known: then it is not taken.
   * Default: not asked.
   */
  readonly gain?: ((alert: Alert) => ExpectedGain | undefined) | undefined;
}

/** What is to be done. */
export interface Action {
  readonly rule: string;
  readonly kind: ActionKind;
  readonly subject: string;
  readonly alert: Alert;
  readonly decidedMs: number;
  readonly gain?: ExpectedGain | undefined;
  readonly cost?: number | undefined;
}

/** What is not done though an alert asks for it, and why. */
export interface HeldBack {
  readonly rule: string;
  readonly subject: string;
  readonly because: "too-short" | "not-quiet" | "cool-down" | "daily-limit" | "gain-unknown" | "gain-too-small";
  readonly summary: string;
}

/** What a policy remembers; JSON-safe, so that a new process goes on. */
export interface ActionState {
  readonly formatVersion: 1;
  /** By rule and subject. */
  readonly subjects: Readonly<Record<string, SubjectState>>;
  /** Times of the actions of the last 24 hours, by rule. */
  readonly taken: Readonly<Record<string, readonly number[]>>;
}

interface SubjectState {
  /** The first look at which none of its alerts fired; absent while one does. */
  readonly quietSinceMs?: number | undefined;
  /** The last action; absent before the first. */
  readonly actedMs?: number | undefined;
  /** Whether the next alert may be acted on. */
  readonly armed: boolean;
}

export interface ActionPolicy {
  readonly rules: readonly ActionRule[];
}

const dayMs = 86_400_000;

export const emptyActionState = (): ActionState => ({ formatVersion: 1, subjects: {}, taken: {} });

/** Throws `MONITOR_ACTION_INVALID`. */
export function defineActions(rules: readonly ActionRule[]): ActionPolicy {
  for (const [at, rule] of rules.entries()) {
    if (rules.findIndex(({ name }) => name === rule.name) !== at) throw actionInvalid(rule.name, "its name is taken");
    for (const key of ["afterMs", "quietMs", "coolDownMs", "cost"] as const) {
      const value = rule[key];
      if (value !== undefined && !(value >= 0))
        throw actionInvalid(rule.name, `${key} is ${value}, and must be 0 or more`);
    }
    const { maxPerDay = 10 } = rule;
    if (!(Number.isInteger(maxPerDay) && maxPerDay >= 1))
      throw actionInvalid(rule.name, `maxPerDay is ${maxPerDay}, and must be a whole number from 1`);
    if (rule.gain !== undefined && rule.cost === undefined) throw actionInvalid(rule.name, "it has a gain and no cost");
  }
  return { rules };
}

export interface ActionDecision {
  readonly actions: readonly Action[];
  readonly heldBack: readonly HeldBack[];
  readonly state: ActionState;
}

/**
 * Decides what the alerts that fire now lead to. Pure: the state that comes out goes in the next time. An alert leads to one action of a rule for as long as
 * it fires, and to another only after it was quiet.
 */
export function decideActions(
  { rules }: ActionPolicy,
  state: ActionState,
  firing: readonly Alert[],
  nowMs: number,
): ActionDecision {
  const actions: Action[] = [];
  const heldBack: HeldBack[] = [];
  const subjects: Record<string, SubjectState> = { ...state.subjects };
  const taken: Record<string, readonly number[]> = {};
  for (const rule of rules) {
    const recent = (state.taken[rule.name] ?? []).filter((timeMs) => timeMs > nowMs - dayMs);
    const chosen = oldestBySubject(firing.filter((alert) => alert.state === "firing" && rule.when(alert)));
    const keyOf = (subject: string): string => JSON.stringify([rule.name, subject]);
    const asking = new Set([...chosen.keys()].map(keyOf));
    for (const [key, known] of Object.entries(subjects))
      if (ruleOf(key) === rule.name && !asking.has(key)) subjects[key] = quiet(rule, known, nowMs);
    for (const [subject, alert] of chosen) {
      const key = keyOf(subject);
      const known = asked(rule, subjects[key], alert, nowMs);
      subjects[key] = known;
      const gain = rule.gain?.(alert);
      const because = reasonAgainst(rule, known, alert, { recent, gain, nowMs });
      if (because !== undefined) {
        // What goes on after its action is not held back: it was acted on.
        if (known.armed || alert.sinceMs > (known.actedMs ?? nowMs))
          heldBack.push({ rule: rule.name, subject, because, summary: tell(because, rule, gain) });
        continue;
      }
      subjects[key] = { actedMs: nowMs, armed: false };
      recent.push(nowMs);
      const expected = {
        ...(gain === undefined ? {} : { gain }),
        ...(rule.cost === undefined ? {} : { cost: rule.cost }),
      };
      actions.push({ rule: rule.name, kind: rule.action, subject, alert, decidedMs: nowMs, ...expected });
    }
    taken[rule.name] = recent;
  }
  return { actions, heldBack, state: { formatVersion: 1, subjects: forgotten(subjects, rules, nowMs), taken } };
}

function oldestBySubject(alerts: readonly Alert[]): ReadonlyMap<string, Alert> {
  const bySubject = new Map<string, Alert>();
  for (const alert of alerts) {
    const known = bySubject.get(alert.subject);
    if (known === undefined || alert.sinceMs < known.sinceMs) bySubject.set(alert.subject, alert);
  }
  return bySubject;
}

/** After a look at which no alert of the subject fired. */
function quiet({ quietMs = 0 }: ActionRule, known: SubjectState, nowMs: number): SubjectState {
  const quietSinceMs = known.quietSinceMs ?? nowMs;
  return { ...known, quietSinceMs, armed: known.armed || nowMs - quietSinceMs >= quietMs };
}

/** As an alert finds the subject. */
function asked(
  { quietMs = 0 }: ActionRule,
  known: SubjectState | undefined,
  { sinceMs }: Alert,
  nowMs: number,
): SubjectState {
  if (known === undefined) return { armed: true };
  const { actedMs, quietSinceMs } = known;
  const wasQuiet = quietSinceMs !== undefined && nowMs - quietSinceMs >= quietMs;
  // What resolved and fired again between two looks is another alert.
  const isAnother = quietMs === 0 && actedMs !== undefined && sinceMs > actedMs;
  return { ...(actedMs === undefined ? {} : { actedMs }), armed: known.armed || wasQuiet || isAnother };
}

const ruleOf = (key: string): string => (JSON.parse(key) as [string, string])[0];

function reasonAgainst(
  rule: ActionRule,
  { armed, actedMs }: SubjectState,
  { sinceMs }: Alert,
  {
    recent,
    gain,
    nowMs,
  }: { readonly recent: readonly number[]; readonly gain: ExpectedGain | undefined; readonly nowMs: number },
): HeldBack["because"] | undefined {
  const { afterMs = 0, coolDownMs = 0, maxPerDay = 10, cost = 0 } = rule;
  if (!armed) return "not-quiet";
  if (nowMs - sinceMs < afterMs) return "too-short";
  if (actedMs !== undefined && nowMs - actedMs < coolDownMs) return "cool-down";
  if (recent.length >= maxPerDay) return "daily-limit";
  if (rule.gain === undefined) return undefined;
  if (gain === undefined) return "gain-unknown";
  return gain.low > cost ? undefined : "gain-too-small";
}

const shownMinutes = (durationMs: number): string => `${Math.round(durationMs / 60_000)} min`;

function tell(because: HeldBack["because"], rule: ActionRule, gain: ExpectedGain | undefined): string {
  const why: Record<HeldBack["because"], string> = {
    "too-short": `the alert has to fire for ${shownMinutes(rule.afterMs ?? 0)}`,
    "not-quiet": `its alerts were not quiet for ${shownMinutes(rule.quietMs ?? 0)}`,
    "cool-down": `the last one is less than ${shownMinutes(rule.coolDownMs ?? 0)} ago`,
    "daily-limit": `there were ${rule.maxPerDay ?? 10} within a day`,
    "gain-unknown": "what it would bring is not known",
    "gain-too-small": `it would surely bring only ${gain?.low ?? 0}, and costs ${rule.cost ?? 0}`,
  };
  return `The action ${rule.action} of "${rule.name}" is not taken: ${why[because]}.`;
}

/** Without the subjects that say nothing any more. */
function forgotten(
  subjects: Readonly<Record<string, SubjectState>>,
  rules: readonly ActionRule[],
  nowMs: number,
): Readonly<Record<string, SubjectState>> {
  const kept = new Map(
    rules.map(({ name, quietMs = 0, coolDownMs = 0 }) => [name, Math.max(dayMs, quietMs, coolDownMs)]),
  );
  return Object.fromEntries(
    Object.entries(subjects).filter(
      ([key, { quietSinceMs = nowMs }]) => nowMs - quietSinceMs <= (kept.get(ruleOf(key)) ?? 0),
    ),
  );
}
