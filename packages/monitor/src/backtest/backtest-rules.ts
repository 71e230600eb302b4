import { setImmediate as turn } from "node:timers/promises";
import { backtestInvalid } from "../errors.ts";
import { type HistoryItem, inOrder, type RuleHistory } from "./history-order.ts";
import { checkIncidents, createIncidentWatch, type KnownIncident } from "./known-incidents.ts";
import { checkDrift, driftOf, type ReplayedDrift } from "./replayed-drift.ts";
import { openRuleReplay, type ReplayOptions, type RuleReplay, type RuleSetup } from "./rule-replay.ts";
import { type RuleBacktestReport, ruleReport } from "./rule-report.ts";
import { type BacktestRunOptions, runOptionsOf } from "./run-options.ts";

export interface RuleBacktestOptions extends BacktestRunOptions<RuleBacktestProgress> {
  /** How often the monitor evaluates: at the multiples of it that the history spans. Default: 60,000. */
  readonly everyMs?: number | undefined;
  /** Begin of the history that is replayed and not judged, while windows fill. Default: 0. */
  readonly warmUpMs?: number | undefined;
  /** How late an answer or a label may stand among its like. Default: 60,000. */
  readonly disorderMs?: number | undefined;
  /** Replays the history a second time alongside, with this drift. Default: none. */
  readonly drift?: ReplayedDrift | undefined;
  /** What is known to have been wrong in the history as it was, by name: how each rule met it is told, and alarms outside of it are false ones. They begin in the span that is judged. Default: nothing is known. */
  readonly incidents?: Readonly<Record<string, KnownIncident>> | undefined;
  /** How long after the end of an incident an alarm may begin, or go on, because of it. Default: 3,600,000. */
  readonly graceMs?: number | undefined;
  /** Most alerts that are listed of a replay; all are counted. Default: 10,000. */
  readonly mostAlerts?: number | undefined;
}

export interface RuleBacktestProgress {
  /** The evaluation that is done, UTC milliseconds of the history. */
  readonly timeMs: number;
  readonly evaluations: number;
  readonly answers: number;
  readonly labels: number;
}

/** Evaluations between two answers from which on a time is taken for wrong. */
const mostEvaluationsBetween = 1_000_000;
const hourMs = 3_600_000;

/**
 * Replays captured answers and labels through a monitor whose clock is theirs, before its rules are enabled: the alerts that would have fired, how many in 30 days, how each rule met
 * known incidents, and how soon a drift would have been found. Nobody is told. A monitor that evaluated at the same times fired the same alerts. The history is walked once, and as much is kept as a monitor keeps.
 * @param setup Makes the rules and options, anew each time it is called: rules remember what they saw.
 *
 * Throws `MONITOR_BACKTEST_INVALID`, `MONITOR_INJECTION_INVALID`, what `openMonitor` and reading throw, and the signal's reason.
 */
export async function backtestRules(
  setup: () => RuleSetup,
  history: RuleHistory,
  options: RuleBacktestOptions = {},
): Promise<RuleBacktestReport> {
  const { signal } = options;
  signal?.throwIfAborted();
  const plan = planOf(setup, history, options);
  const items = inOrder(history, plan.disorderMs, signal);
  try {
    return await replayed(plan, items, options);
  } finally {
    await items.return();
  }
}

async function replayed(
  plan: Plan,
  items: AsyncGenerator<HistoryItem, void, undefined>,
  options: RuleBacktestOptions,
): Promise<RuleBacktestReport> {
  const { drift, signal } = options;
  const { everyMs, warmUpMs, mostAlerts, seed, confidence } = plan;
  const first = await items.next();
  if (first.done === true) throw backtestInvalid("the history holds no answer and no label");
  const startMs = Math.floor(first.value.timeMs / everyMs) * everyMs;
  const fromMs = startMs + warmUpMs;
  const [setup, second] = plan.setups;
  const site: ReplayOptions = { startMs, judgedAfterMs: fromMs, seed, mostAlerts, signal, driftMs: drift?.fromMs };
  const { incidents, graceMs = hourMs } = options;
  const watch = incidents && createIncidentWatch(incidents, { everyMs, graceMs, confidence });
  await using calm = openRuleReplay(setup as RuleSetup, { ...site, watch });
  await using other = second === undefined ? undefined : openRuleReplay(second, site);
  const drifted =
    drift === undefined || other === undefined
      ? undefined
      : { replay: other, fromMs: drift.fromMs, change: driftOf(drift, seed) };
  const walked = await walk(first.value, items, { calm, drifted, everyMs, site, options });
  const report = ruleReport({ seed, confidence, everyMs, fromMs, ...walked, calm, drifted });
  return watch === undefined ? report : { ...report, known: watch.report(calm.tallies.keys(), report) };
}

interface Plan {
  /** One for each replay. */
  readonly setups: readonly RuleSetup[];
  readonly everyMs: number;
  readonly warmUpMs: number;
  readonly disorderMs: number;
  readonly mostAlerts: number;
  readonly confidence: number;
  readonly seed: number;
}

function planOf(setup: () => RuleSetup, history: RuleHistory, options: RuleBacktestOptions): Plan {
  const {
    everyMs = 60_000,
    warmUpMs = 0,
    disorderMs = 60_000,
    mostAlerts = 10_000,
    drift,
    incidents = {},
    graceMs = hourMs,
  } = options;
  if (typeof setup !== "function") throw backtestInvalid("the setup must be a function that makes rules");
  if (typeof history !== "object" || history === null || !("answers" in history))
    throw backtestInvalid("the history has no answers");
  if (!(everyMs >= 1 && Number.isFinite(everyMs)))
    throw backtestInvalid(`everyMs must be at least 1 millisecond, not ${everyMs}`);
  for (const [name, value] of Object.entries({ warmUpMs, disorderMs }))
    if (!(value >= 0 && Number.isFinite(value)))
      throw backtestInvalid(`${name} must be a number of milliseconds of at least 0, not ${value}`);
  if (!(Number.isSafeInteger(mostAlerts) && mostAlerts >= 0))
    throw backtestInvalid(`mostAlerts must be a whole number of at least 0, not ${mostAlerts}`);
  const run = runOptionsOf(options);
  checkIncidents(incidents, graceMs);
  if (drift !== undefined) checkDrift(drift);
  const setups = Array.from({ length: drift === undefined ? 1 : 2 }, () => setup());
  for (const each of setups)
    if (typeof each !== "object" || each === null || (each.rules ?? []).length + (each.slos ?? []).length === 0)
      throw backtestInvalid("the setup has no rules and no objectives");
  const [{ rules = [] }, other] = setups as [RuleSetup, RuleSetup | undefined];
  const shared = rules.find((rule) => other?.rules?.includes(rule));
  if (shared !== undefined)
    throw backtestInvalid(`the setup gives the rule "${shared.name}" twice, and must make it anew each time`);
  return { setups, everyMs, warmUpMs, disorderMs, mostAlerts, ...run };
}

interface Running {
  readonly calm: RuleReplay;
  readonly drifted: { readonly replay: RuleReplay; readonly change: (item: HistoryItem) => HistoryItem } | undefined;
  readonly everyMs: number;
  readonly site: ReplayOptions;
  readonly options: RuleBacktestOptions;
}

/** An evaluation sees what came before its time. */
async function walk(
  first: HistoryItem,
  rest: AsyncIterable<HistoryItem>,
  { calm, drifted, everyMs, site, options: { onProgress, signal } }: Running,
): Promise<Pick<RuleBacktestReport, "toMs" | "evaluations" | "answers" | "labels">> {
  let [nextMs, evaluations, judged, answers, labels] = [site.startMs + everyMs, 0, 0, 0, 0];
  const evaluate = async (): Promise<void> => {
    await calm.evaluate(nextMs, signal);
    await drifted?.replay.evaluate(nextMs, signal);
    evaluations += 1;
    if (nextMs > site.judgedAfterMs) judged += 1;
    onProgress?.({ timeMs: nextMs, evaluations, answers, labels });
    nextMs = site.startMs + (evaluations + 1) * everyMs;
    await turn();
    signal?.throwIfAborted();
  };
  const take = async (item: HistoryItem): Promise<void> => {
    if ((item.timeMs - nextMs) / everyMs > mostEvaluationsBetween)
      throw backtestInvalid(
        `nothing comes for more than ${mostEvaluationsBetween} evaluations, between ${nextMs} and ${item.timeMs}`,
      );
    while (nextMs <= item.timeMs) await evaluate();
    await calm.take(item);
    await drifted?.replay.take(drifted.change(item));
    if ("answer" in item) answers += 1;
    else labels += 1;
  };
  await take(first);
  for await (const item of rest) await take(item);
  await evaluate();
  calm.finish();
  drifted?.replay.finish();
  return { toMs: nextMs - everyMs, evaluations: judged, answers, labels };
}
