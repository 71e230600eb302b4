import type { Clock } from "@millwright/contracts";
import { ask, type Answer, cellsOf, numberIn } from "./nvidia-smi.ts";

/** What was measured of a device; a value that it does not tell is why, in nvidia-smi's words. */
export type GpuReadings = Readonly<Record<GpuReading, number | string>>;

export type GpuReading =
  | "utilization_percentage"
  | "memory_usage_bytes"
  | "memory_usage_percentage"
  | "power_usage_watts"
  | "temperature_celsius"
  | "ecc_corrected_errors"
  | "ecc_uncorrected_errors";

export interface SampledGpu {
  readonly index: string;
  readonly id: string;
  /** `domain:bus:device`, in lower case. */
  readonly bus: string;
  readonly readings: GpuReadings;
}

export type GpuSample =
  | { readonly state: "available"; readonly devices: readonly SampledGpu[] }
  | { readonly state: "unavailable"; readonly reason: string };

const fields = [
  "index",
  "uuid",
  "pci.bus_id",
  "utilization.gpu",
  "memory.used",
  "memory.total",
  "power.draw",
  "temperature.gpu",
  "ecc.errors.corrected.volatile.total",
  "ecc.errors.uncorrected.volatile.total",
];
const mebibyte = 1024 * 1024;
const asCsv = "--format=csv,noheader,nounits";

const busOf = (text: string): string => {
  const [, domain = "", bus = "", device = ""] = /^([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)/i.exec(text) ?? [];
  return `${domain.slice(-4)}:${bus}:${device}`.toLowerCase();
};

/** Reads what nvidia-smi writes of the devices, a line for each. */
export function samplesIn(text: string): readonly SampledGpu[] {
  return cellsOf(text).map(([index = "", id = "", bus = "", ...cells]) => {
    const [utilization, used, total, power, temperature, corrected, uncorrected] = cells.map(
      (cell) => numberIn(cell) ?? cell,
    );
    const scaled = (value: number | string | undefined, factor: number): number | string =>
      typeof value === "number" ? value * factor : (value ?? "[N/A]");
    const share =
      typeof used === "number" && typeof total === "number" && total > 0 ? (100 * used) / total : scaled(used, NaN);
    return {
      index,
      id,
      bus: busOf(bus),
      readings: {
        utilization_percentage: scaled(utilization, 1),
        memory_usage_bytes: scaled(used, mebibyte),
        memory_usage_percentage: typeof share === "number" && Number.isNaN(share) ? scaled(total, NaN) : share,
        power_usage_watts: scaled(power, 1),
        temperature_celsius: scaled(temperature, 1),
        ecc_corrected_errors: scaled(corrected, 1),
        ecc_uncorrected_errors: scaled(uncorrected, 1),
      },
    };
  });
}

/** The errors that the driver has told the kernel of, by the device's bus. @see https://docs.nvidia.com/deploy/xid-errors/ */
export function xidsIn(
  text: string,
): readonly { readonly bus: string; readonly line: string; readonly code: number }[] {
  return text.split("\n").flatMap((line) => {
    const [, bus, code] = /NVRM: Xid \(PCI:([0-9a-f:.]+)\): (\d+)/i.exec(line) ?? [];
    return bus === undefined ? [] : [{ bus: busOf(bus), line, code: Number(code) }];
  });
}

/** Asks for measurements, for all jobs of a launcher together. */
export interface GpuSampler {
  sample(): Promise<GpuSample>;
  /** Device memory in bytes by process id. */
  processMemory(): Promise<
    | { readonly state: "available"; readonly bytes: ReadonlyMap<number, number> }
    | { readonly state: "unavailable"; readonly reason: string }
  >;
  /** The kernel's log. */
  kernelLog(): Promise<Answer>;
}

/** Most of what one answer costs is the asking: jobs that ask within this time are given the same. */
const freshMs = 250;

export function createGpuSampler(
  nvidiaSmi: readonly [string, ...string[]],
  kernelLog: readonly [string, ...string[]],
  clock: Clock,
): GpuSampler {
  const kept = new Map<string, { readonly atMs: number; readonly answer: Promise<Answer> }>();
  const asked = (program: readonly [string, ...string[]], args: readonly string[]): Promise<Answer> => {
    const key = [program[0], ...args].join(" ");
    const before = kept.get(key);
    if (before !== undefined && clock.monotonicMs() - before.atMs < freshMs) return before.answer;
    const answer = ask(program, args).catch((error: unknown): Answer => ({
      state: "unavailable",
      reason: String(error),
    }));
    kept.set(key, { atMs: clock.monotonicMs(), answer });
    return answer;
  };
  return {
    async sample() {
      const answer = await asked(nvidiaSmi, [`--query-gpu=${fields.join(",")}`, asCsv]);
      return answer.state === "available" ? { state: "available", devices: samplesIn(answer.text) } : answer;
    },
    async processMemory() {
      const answer = await asked(nvidiaSmi, ["--query-compute-apps=pid,used_gpu_memory", asCsv]);
      if (answer.state === "unavailable") return answer;
      const bytes = new Map<number, number>();
      for (const [pid, mebibytes] of cellsOf(answer.text))
        bytes.set(Number(pid), (bytes.get(Number(pid)) ?? 0) + (numberIn(mebibytes) ?? 0) * mebibyte);
      return { state: "available", bytes };
    },
    kernelLog: () => asked(kernelLog, []),
  };
}
