import type { CallOptions, EventLog, Meter, MillwrightEvent } from "@millwright/contracts";

/** Metrics of what an event log tells: deployments, training runs, spending, drift. */
export interface LedgerMetrics {
  /** Counts what came since the last call. Throws what the log throws; what was counted is not counted again. */
  update(options?: CallOptions): Promise<void>;
}

type Counting = (event: MillwrightEvent) => void;

const textOf = (value: unknown): string => (typeof value === "string" && value !== "" ? value : "unknown");
const numberOf = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);

/**
 * Reads a log into a meter, from its beginning, so that counters hold after a restart: `millwright_ledger_deployments_total`,
 * `millwright_ledger_last_deployment_seconds`, `millwright_ledger_canary_share`, `millwright_ledger_runs_total`, `millwright_ledger_cost_total`
 * (of `budget.committed` with `amount`, `project`, `model`, which whoever pays appends: no package does), `millwright_ledger_drifting`.
 */
export function createLedgerMetrics({
  events,
  meter,
}: {
  readonly events: Pick<EventLog, "read">;
  readonly meter: Meter;
}): LedgerMetrics {
  const count = { ...deployments(meter), ...work(meter) };
  const types = Object.keys(count).map((family) => `${family}.*`);
  let after = 0;
  let turn: Promise<void> = Promise.resolve();
  const catchUp = async (options: CallOptions): Promise<void> => {
    for await (const { cursor, event } of events.read({ ...options, after, types })) {
      count[event.type.slice(0, event.type.indexOf("."))]?.(event);
      after = cursor;
    }
  };
  return {
    update(options = {}) {
      // One walk at a time: two would count the same events.
      const caughtUp = turn.then(() => catchUp(options));
      turn = caughtUp.catch(() => {});
      return caughtUp;
    },
  };
}

function deployments(meter: Meter): Readonly<Record<string, Counting>> {
  const told = meter.counter("millwright_ledger_deployments_total", {
    help: "What became of deployments, by endpoint.",
    labelNames: ["endpoint", "state"],
  });
  const last = meter.gauge("millwright_ledger_last_deployment_seconds", {
    help: "When a deployment last changed what an endpoint serves, Unix time.",
    labelNames: ["endpoint"],
  });
  const share = meter.gauge("millwright_ledger_canary_share", {
    help: "Share of an endpoint's requests that its candidate takes.",
    labelNames: ["endpoint"],
  });
  return {
    deployment({ type, subject: endpoint = "unknown", time, data }) {
      const state = type.slice("deployment.".length);
      // What a deployment came to changes nothing.
      if (state === "compared") return;
      told.add(1, { endpoint, state });
      last.set(Date.parse(time) / 1_000, { endpoint });
      const isUnderWay = state === "started" || state === "baking" || state === "shifted";
      share.set(isUnderWay ? numberOf(data["share"]) : 0, { endpoint });
    },
  };
}

function work(meter: Meter): Readonly<Record<string, Counting>> {
  const runs = meter.counter("millwright_ledger_runs_total", {
    help: "Training runs that ended, by experiment and how.",
    labelNames: ["experiment", "status"],
  });
  const cost = meter.counter("millwright_ledger_cost_total", {
    help: "What was spent, by project and model.",
    labelNames: ["project", "model"],
  });
  const drifting = meter.gauge("millwright_ledger_drifting", {
    help: "1 where drift was detected and has not ended.",
    labelNames: ["subject"],
  });
  const ends = new Set(["run.finished", "run.failed", "run.killed"]);
  return {
    run({ type, data }) {
      if (ends.has(type)) runs.add(1, { experiment: textOf(data["experiment"]), status: type.slice("run.".length) });
    },
    budget({ type, data }) {
      const { project, model, amount } = data;
      if (type === "budget.committed") cost.add(numberOf(amount), { project: textOf(project), model: textOf(model) });
    },
    drift({ type, subject = "unknown" }) {
      if (type !== "drift.checked") drifting.set(type === "drift.detected" ? 1 : 0, { subject });
    },
  };
}
