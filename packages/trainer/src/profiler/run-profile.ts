import { percentile, type ProfilerFinding, profilerFindings, type SystemSample } from "./profiler-rules.ts";
import { type Phase, type PhaseSpan, phases, type StepProfiler } from "./step-profiler.ts";

/** A distribution. */
export interface Spread {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** What a run's time went to; of this attempt alone. JSON. */
export interface RunProfile {
  /** In the loop, from its first step on. */
  readonly wallMs: number;
  /** Shares are of all phases together, 0 to 1; phases that took no time are left out. */
  readonly phases: Readonly<Partial<Record<Phase, { readonly ms: number; readonly share: number }>>>;
  /** From the gathering of a step's rows to the reading of its loss. */
  readonly stepMs: Spread & { readonly count: number };
  /**
   * Whether the device works by itself: `forward`, `backward` and `optimizer` are then the time to give it its work, and what it takes shows in `sync`.
   */
  readonly asynchronous: boolean;
  /** What the machine was doing, in percent and bytes (`OverallSystemUsage`); what was not measured is absent. */
  readonly system: Readonly<Record<string, Spread>>;
  /** What the profiler rules say. */
  readonly findings: readonly ProfilerFinding[];
  /** The file of a trace, where one was asked for. */
  readonly trace?: string | undefined;
}

const spreadOf = (values: readonly number[]): Spread => ({
  mean: values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length,
  p50: values.length === 0 ? 0 : percentile(values, 50),
  p95: values.length === 0 ? 0 : percentile(values, 95),
  max: values.reduce((most, value) => Math.max(most, value), 0),
});

export interface ProfileOptions {
  readonly asynchronous: boolean;
  readonly samples: readonly SystemSample[];
  readonly initializationMs?: number | undefined;
}

/** Pure but for what the profiler has kept. */
export function runProfile(
  profiler: Pick<StepProfiler, "sums" | "stepsMs" | "steps">,
  { asynchronous, samples, initializationMs }: ProfileOptions,
): RunProfile {
  const wallMs = [...profiler.sums.values()].reduce((sum, ms) => sum + ms, 0);
  const entries = phases.flatMap((phase) => {
    const ms = profiler.sums.get(phase) ?? 0;
    return ms === 0 ? [] : [[phase, { ms, share: ms / wallMs }] as const];
  });
  const { stepsMs } = profiler;
  return {
    wallMs,
    phases: Object.fromEntries(entries),
    stepMs: { count: profiler.steps, ...spreadOf(stepsMs) },
    asynchronous,
    system: systemUsage(samples),
    findings: profilerFindings({ samples, stepsMs, initializationMs }),
  };
}

function systemUsage(samples: readonly SystemSample[]): RunProfile["system"] {
  const columns: Record<string, number[]> = {};
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined) (columns[name] ??= []).push(value);
  };
  for (const { cpuPercent, ioWaitPercent, rssBytes, gpus = [] } of samples) {
    add("cpuPercent", cpuPercent);
    add("ioWaitPercent", ioWaitPercent);
    add("rssBytes", rssBytes);
    for (const [index, gpu] of gpus.entries()) {
      add(`gpu${index}.utilizationPercent`, gpu.utilizationPercent);
      add(`gpu${index}.memoryPercent`, gpu.memoryPercent);
    }
  }
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, spreadOf(values)]));
}

/** A profile for people, in lines. */
export function formatProfile({ wallMs, phases: split, stepMs, asynchronous, system, findings }: RunProfile): string {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
  const lines = [
    `${stepMs.count} steps in ${ms(wallMs)}: median ${ms(stepMs.p50)}, 95 % below ${ms(stepMs.p95)}, at most ${ms(stepMs.max)}`,
    ...(asynchronous ? ["The device works by itself: what its steps take shows in sync."] : []),
    ...Object.entries(split).map(
      ([phase, { ms: took, share }]) =>
        `${phase.padEnd(11)}${(100 * share).toFixed(1).padStart(5)} %  ${"█".repeat(Math.round(40 * share))} ${ms(took)}`,
    ),
    ...Object.entries(system).map(
      ([name, { p50, p95 }]) => `${name}: median ${p50.toPrecision(3)}, 95 % below ${p95.toPrecision(3)}`,
    ),
    ...findings.map(({ rule, message }) => `${rule}: ${message}`),
  ];
  return lines.join("\n");
}

/**
 * Stretches as Chrome's Trace Event Format writes them, for `chrome://tracing` and Perfetto.
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
export function chromeTrace(spans: readonly PhaseSpan[], name: string, pid: number): object {
  const place = { pid, tid: 1 };
  return {
    displayTimeUnit: "ms",
    traceEvents: [
      { ph: "M", name: "process_name", ...place, args: { name } },
      { ph: "M", name: "thread_name", ...place, args: { name: "training loop" } },
      ...spans.map(({ phase, step, startMs, durationMs }) => ({
        ph: "X",
        name: phase,
        cat: "training",
        ts: startMs * 1_000,
        dur: durationMs * 1_000,
        ...place,
        args: { step },
      })),
    ],
  };
}
