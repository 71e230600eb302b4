import {
  type AlertSource,
  type CallOptions,
  type Clock,
  type JsonObject,
  type Logger,
  type Meter,
  type RecordStore,
  abortable,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { actionUnhandled } from "../errors.ts";
import { repeat } from "../schedule/repeat.ts";
import {
  type Action,
  type ActionDecision,
  type ActionKind,
  type ActionPolicy,
  type ActionState,
  type HeldBack,
  decideActions,
  emptyActionState,
} from "./action-policy.ts";

/** Does what was decided. Where it throws, the action counts as taken all the same: what failed half-way is not repeated by itself. */
export type ActionHandler = (action: Action, options: CallOptions) => unknown;

export interface ActionRunnerOptions {
  readonly policy: ActionPolicy;
  /** Where the alerts are. */
  readonly alerts: AlertSource;
  /** Subjects that are looked at, with all below: `endpoint/late`. */
  readonly subjects: readonly string[];
  /** One for each action that the policy has. */
  readonly handlers: Readonly<Partial<Record<ActionKind, ActionHandler>>>;
  /** Keeps what was done, written before it is done, so that no action is taken twice after a crash. Default: this process's memory. */
  readonly records?: RecordStore | undefined;
  /** The key of the record. Default: `monitor-actions`. */
  readonly name?: string | undefined;
  /** Looks by itself this often. Default: only when `look` is called. */
  readonly everyMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

/** Takes actions when alerts ask for them. */
export interface ActionRunner extends AsyncDisposable {
  /** Decides, and waits for the handlers. @returns what was done, and what was not. */
  look(options?: CallOptions): Promise<Pick<ActionDecision, "actions" | "heldBack">>;
}

/** Throws `MONITOR_ACTION_UNHANDLED` where an action of the policy has no handler. */
export function createActionRunner(options: ActionRunnerOptions): ActionRunner {
  const { policy, alerts, subjects, handlers, records, name = "monitor-actions", everyMs } = options;
  const { clock = systemClock, logger = silentLogger, meter = silentMeter } = options;
  for (const { name: rule, action } of policy.rules)
    if (handlers[action] === undefined) throw actionUnhandled(rule, action);
  const counted = meter.counter("millwright_monitor_actions_total", {
    help: "Actions that alerts led to, by what came of them.",
    labelNames: ["rule", "action", "outcome"],
  });
  let state: ActionState | undefined;
  const stopped = new AbortController();
  const take = async (action: Action, { signal }: CallOptions): Promise<void> => {
    let outcome = "taken";
    try {
      await handlers[action.kind]?.(action, { signal });
    } catch (error) {
      outcome = "failed";
      logger.error({ ...told(action), error: String(error) }, "An action failed.");
    }
    counted.add(1, { rule: action.rule, action: action.kind, outcome });
  };
  const lookOnce = async ({ signal }: CallOptions): Promise<Pick<ActionDecision, "actions" | "heldBack">> => {
    state ??= await readState(records, name, { signal });
    const lists = await Promise.all(subjects.map((subject) => alerts.alerts(subject, { signal })));
    const firing = [
      ...new Map(
        lists.flat().map((alert) => [JSON.stringify([alert.name, alert.subject, alert.severity]), alert]),
      ).values(),
    ];
    const decided = decideActions(policy, state, firing, clock.nowMs());
    // Kept before it is done: a process that is killed in between leaves an action out rather than take it twice.
    if (decided.actions.length > 0) await records?.write(name, decided.state as unknown as JsonObject, { signal });
    state = decided.state;
    for (const held of decided.heldBack) tellHeld(held, logger);
    for (const action of decided.actions) {
      logger.info(told(action), "An action is taken.");
      await take(action, { signal: stopped.signal });
    }
    return { actions: decided.actions, heldBack: decided.heldBack };
  };
  let turn: Promise<unknown> = Promise.resolve();
  const look: ActionRunner["look"] = ({ signal } = {}) => {
    const looked = turn.then(() => lookOnce({ signal }));
    turn = looked.catch(() => {});
    return abortable(looked, signal);
  };
  const { signal } = stopped;
  const failed = "Alerts could not be looked at.";
  const loop =
    everyMs === undefined ? undefined : repeat(everyMs, () => look({ signal }), { clock, logger, signal, failed });
  return {
    look,
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await loop;
      await turn;
    },
  };
}

const told = ({ rule, kind, subject, alert }: Action): Readonly<Record<string, unknown>> => ({
  rule,
  action: kind,
  subject,
  alert: alert.name,
});

const tellHeld = ({ rule, subject, because, summary }: HeldBack, logger: Logger): void =>
  logger.debug({ rule, subject, because }, summary);

async function readState(records: RecordStore | undefined, name: string, options: CallOptions): Promise<ActionState> {
  const kept = (await records?.read(name, options))?.value as unknown as Partial<ActionState> | undefined;
  return kept?.formatVersion === 1 ? (kept as ActionState) : emptyActionState();
}
