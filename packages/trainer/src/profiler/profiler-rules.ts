import { said } from "../debugger/training-rule.ts";

/** What the machine was doing at a moment; what was not measured is absent. Percent, 0 to 100. */
export interface SystemSample {
  /** UTC milliseconds. */
  readonly timeMs: number;
  /** Of all cores together. */
  readonly cpuPercent?: number | undefined;
  /** Time in which all cores waited for input and output. */
  readonly ioWaitPercent?: number | undefined;
  /** Of this process. */
  readonly rssBytes?: number | undefined;
  readonly gpus?: readonly { readonly utilizationPercent: number; readonly memoryPercent: number }[] | undefined;
}

/** What profiler rules look at. */
export interface ProfiledRun {
  /** In their order, evenly spaced. */
  readonly samples: readonly SystemSample[];
  /** Of each step, in their order. */
  readonly stepsMs: readonly number[];
  /** From the start of the process to the first step. */
  readonly initializationMs?: number | undefined;
}

/** SageMaker's profiler rules by name, with their parameters; percent where nothing else is said. */
export interface ProfilerRuleParameters {
  readonly CPUBottleneck: {
    /** Default: 50. */
    readonly threshold?: number | undefined;
    /** Default: 10. */
    readonly gpuThreshold?: number | undefined;
    /** Default: 90. */
    readonly cpuThreshold?: number | undefined;
    /** Samples. Default: 1,000. */
    readonly patience?: number | undefined;
  };
  readonly IOBottleneck: {
    /** Default: 50. */
    readonly threshold?: number | undefined;
    /** Default: 10. */
    readonly gpuThreshold?: number | undefined;
    /** Default: 50. */
    readonly ioThreshold?: number | undefined;
    /** Samples. Default: 1,000. */
    readonly patience?: number | undefined;
  };
  readonly LowGPUUtilization: {
    /** Default: 70. */
    readonly thresholdP95?: number | undefined;
    /** Default: 10. */
    readonly thresholdP5?: number | undefined;
    /** Samples. Default: 500. */
    readonly window?: number | undefined;
    /** Samples. Default: 1,000. */
    readonly patience?: number | undefined;
  };
  readonly GPUMemoryIncrease: {
    /** Percentage points between two windows. Default: 10. */
    readonly increase?: number | undefined;
    /** Samples. Default: 10. */
    readonly window?: number | undefined;
    /** Samples. Default: 1,000. */
    readonly patience?: number | undefined;
  };
  readonly BatchSize: {
    /** Default: 70. */
    readonly cpuThresholdP95?: number | undefined;
    /** Default: 70. */
    readonly gpuThresholdP95?: number | undefined;
    /** Default: 70. */
    readonly gpuMemoryThresholdP95?: number | undefined;
    /** Samples. Default: 500. */
    readonly window?: number | undefined;
    /** Samples. Default: 1,000. */
    readonly patience?: number | undefined;
  };
  readonly StepOutlier: {
    /** Standard deviations above the mean. Default: 3. */
    readonly stddev?: number | undefined;
    /** Steps that may lie above. Default: 10. */
    readonly nOutliers?: number | undefined;
  };
  readonly LoadBalancing: {
    /** Largest distance of two GPUs' histograms of utilization, 0 to 1. Default: 0.5. */
    readonly threshold?: number | undefined;
    /** Samples. Default: 1,000. */
    readonly patience?: number | undefined;
  };
  readonly MaxInitializationTime: {
    /** Minutes. Default: 20. */
    readonly threshold?: number | undefined;
  };
}

export type ProfilerRuleName = keyof ProfilerRuleParameters;

export interface ProfilerFinding {
  readonly rule: ProfilerRuleName;
  readonly message: string;
}

/** The percentile, interpolated. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = ((sorted.length - 1) * percent) / 100;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  return low + ((sorted[Math.ceil(place)] ?? low) - low) * (place % 1);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

type Gpus = NonNullable<SystemSample["gpus"]>;
const gpuMean = (gpus: Gpus): number => mean(gpus.map(({ utilizationPercent }) => utilizationPercent));

/** Samples in which GPUs were measured. */
const withGpus = (samples: readonly SystemSample[]): readonly (SystemSample & { readonly gpus: Gpus })[] =>
  samples.filter((sample): sample is SystemSample & { gpus: Gpus } => (sample.gpus?.length ?? 0) > 0);

/** Percent of the samples in which the GPUs idle while something else is busy. */
function idlingShare(
  samples: readonly SystemSample[],
  gpuThreshold: number,
  busy: (sample: SystemSample) => boolean,
): number {
  const measured = withGpus(samples);
  const idling = measured.filter((sample) => gpuMean(sample.gpus) < gpuThreshold && busy(sample));
  return measured.length === 0 ? 0 : (100 * idling.length) / measured.length;
}

type Judge<Name extends ProfilerRuleName> = (
  run: ProfiledRun,
  parameters: ProfilerRuleParameters[Name],
) => string | undefined;

const cpuBottleneck: Judge<"CPUBottleneck"> = ({ samples }, parameters) => {
  const { threshold = 50, gpuThreshold = 10, cpuThreshold = 90, patience = 1_000 } = parameters;
  if (withGpus(samples).length < patience) return undefined;
  const share = idlingShare(samples, gpuThreshold, ({ cpuPercent = 0 }) => cpuPercent > cpuThreshold);
  return share > threshold
    ? `In ${said(share)} % of the time the CPU was above ${cpuThreshold} % and the GPU below ${gpuThreshold} %.`
    : undefined;
};

const ioBottleneck: Judge<"IOBottleneck"> = ({ samples }, parameters) => {
  const { threshold = 50, gpuThreshold = 10, ioThreshold = 50, patience = 1_000 } = parameters;
  if (withGpus(samples).length < patience) return undefined;
  const share = idlingShare(samples, gpuThreshold, ({ ioWaitPercent = 0 }) => ioWaitPercent > ioThreshold);
  return share > threshold
    ? `In ${said(share)} % of the time the machine waited for input and output above ${ioThreshold} % and the GPU was below ${gpuThreshold} %.`
    : undefined;
};

/** Of each GPU what was measured of it. */
function byGpu(samples: readonly SystemSample[], read: (gpu: Gpus[number]) => number): readonly (readonly number[])[] {
  const measured = withGpus(samples);
  const count = Math.max(0, ...measured.map(({ gpus }) => gpus.length));
  return Array.from({ length: count }, (_, index) =>
    measured.flatMap(({ gpus }) => (gpus[index] === undefined ? [] : [read(gpus[index])])),
  );
}

const lowGpuUtilization: Judge<"LowGPUUtilization"> = ({ samples }, parameters) => {
  const { thresholdP95 = 70, thresholdP5 = 10, window = 500, patience = 1_000 } = parameters;
  for (const [index, all] of byGpu(samples, (gpu) => gpu.utilizationPercent).entries()) {
    if (all.length < patience) continue;
    const recent = all.slice(-window);
    const [low, high] = [percentile(recent, 5), percentile(recent, 95)];
    if (high < thresholdP95) return `The utilization of GPU ${index} is below ${said(high)} % in 95 % of the time.`;
    if (low < thresholdP5) return `The utilization of GPU ${index} goes from ${said(low)} % to ${said(high)} %.`;
  }
  return undefined;
};

const gpuMemoryIncrease: Judge<"GPUMemoryIncrease"> = ({ samples }, parameters) => {
  const { increase = 10, window = 10, patience = 1_000 } = parameters;
  for (const [index, all] of byGpu(samples, (gpu) => gpu.memoryPercent).entries()) {
    if (all.length < Math.max(patience, 2 * window)) continue;
    const before = mean(all.slice(-2 * window, -window));
    const now = mean(all.slice(-window));
    if (now - before > increase) return `The memory of GPU ${index} went from ${said(before)} % to ${said(now)} %.`;
  }
  return undefined;
};

const batchSize: Judge<"BatchSize"> = ({ samples }, parameters) => {
  const { cpuThresholdP95 = 70, gpuThresholdP95 = 70, gpuMemoryThresholdP95 = 70 } = parameters;
  const { window = 500, patience = 1_000 } = parameters;
  const measured = withGpus(samples);
  if (measured.length < patience) return undefined;
  const recent = measured.slice(-window);
  const cpu = percentile(
    recent.map(({ cpuPercent = 100 }) => cpuPercent),
    95,
  );
  const gpu = percentile(
    recent.map(({ gpus }) => gpuMean(gpus)),
    95,
  );
  const memory = percentile(
    recent.map(({ gpus }) => mean(gpus.map(({ memoryPercent }) => memoryPercent))),
    95,
  );
  if (cpu >= cpuThresholdP95 || gpu >= gpuThresholdP95 || memory >= gpuMemoryThresholdP95) return undefined;
  return `CPU, GPU and its memory are below ${said(cpu)}, ${said(gpu)} and ${said(memory)} % in 95 % of the time: the batches may be larger.`;
};

const stepOutlier: Judge<"StepOutlier"> = ({ stepsMs }, { stddev = 3, nOutliers = 10 }) => {
  const middle = mean(stepsMs);
  const deviation = Math.sqrt(mean(stepsMs.map((ms) => (ms - middle) ** 2)));
  const outliers = stepsMs.filter((ms) => ms > middle + stddev * deviation);
  return outliers.length > nOutliers
    ? `${outliers.length} of ${stepsMs.length} steps took more than ${stddev} standard deviations above the mean, ${said(middle)} ms: up to ${said(Math.max(...outliers))} ms.`
    : undefined;
};

const bins = 10;
/** Shares of the values in bins of 10 percent. */
function histogram(values: readonly number[]): readonly number[] {
  const shares = Array.from({ length: bins }, () => 0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor((value * bins) / 100)));
    shares[bin] = (shares[bin] ?? 0) + 1 / values.length;
  }
  return shares;
}

const loadBalancing: Judge<"LoadBalancing"> = ({ samples }, { threshold = 0.5, patience = 1_000 }) => {
  const histograms = byGpu(samples, (gpu) => gpu.utilizationPercent)
    .filter((all) => all.length >= patience)
    .map(histogram);
  for (const [index, one] of histograms.entries()) {
    for (const [place, other] of histograms.slice(0, index).entries()) {
      // The total variation distance: half of the sum of the differences.
      const distance = one.reduce((sum, share, bin) => sum + Math.abs(share - (other[bin] ?? 0)), 0) / 2;
      if (distance > threshold)
        return `The utilizations of GPU ${place} and GPU ${index} are apart by ${said(distance)}.`;
    }
  }
  return undefined;
};

const maxInitializationTime: Judge<"MaxInitializationTime"> = ({ initializationMs = 0 }, { threshold = 20 }) =>
  initializationMs > threshold * 60_000
    ? `The first step came after ${said(initializationMs / 60_000)} minutes.`
    : undefined;

const judges: { readonly [Name in ProfilerRuleName]: Judge<Name> } = {
  CPUBottleneck: cpuBottleneck,
  IOBottleneck: ioBottleneck,
  LowGPUUtilization: lowGpuUtilization,
  GPUMemoryIncrease: gpuMemoryIncrease,
  BatchSize: batchSize,
  StepOutlier: stepOutlier,
  LoadBalancing: loadBalancing,
  MaxInitializationTime: maxInitializationTime,
};

/** What SageMaker's profiler rules say of a run. Those that need GPUs say nothing where none were measured. Pure. */
export function profilerFindings(
  run: ProfiledRun,
  parameters: { readonly [Name in ProfilerRuleName]?: ProfilerRuleParameters[Name] | undefined } = {},
): readonly ProfilerFinding[] {
  return (Object.keys(judges) as ProfilerRuleName[]).flatMap((rule) => {
    const judge = judges[rule] as Judge<ProfilerRuleName>;
    const message = judge(run, parameters[rule] ?? {});
    return message === undefined ? [] : [{ rule, message }];
  });
}
