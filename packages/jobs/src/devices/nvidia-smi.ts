import { execFile } from "node:child_process";
import type { CallOptions } from "@millwright/contracts";

/** A device, or a MIG instance of one. */
export interface GpuDevice {
  /** `GPU-…` or `MIG-…`, as `CUDA_VISIBLE_DEVICES` takes it. */
  readonly id: string;
  /** Place in the machine as nvidia-smi counts, in the order of the PCI bus; of a MIG instance, that of its device. */
  readonly index?: number | undefined;
  readonly name?: string | undefined;
  /** All of its memory; of a MIG instance, what its profile is named after. */
  readonly memoryBytes?: number | undefined;
  /** Of a MIG instance, the id of the device that it is a part of. */
  readonly partOf?: string | undefined;
}

/** What this machine offers, or why nothing can be known of it. */
export type GpuDiscovery =
  | { readonly state: "available"; readonly devices: readonly GpuDevice[] }
  | { readonly state: "unavailable"; readonly reason: string };

export interface DiscoverGpusOptions extends CallOptions {
  /** The program that is asked. It only ever tells: nothing here sets or resets a device. Default: `["nvidia-smi"]`. */
  readonly nvidiaSmi?: readonly [string, ...string[]] | undefined;
  /** How long it may take. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
}

/** What a program wrote, or why it could not be asked. */
export type Answer =
  | { readonly state: "available"; readonly text: string }
  | { readonly state: "unavailable"; readonly reason: string };

const mebibyte = 1024 * 1024;

/** Runs a program that only tells. Rejects with `signal.reason` alone. */
export async function ask(
  [file, ...first]: readonly [string, ...string[]],
  more: readonly string[],
  { timeoutMs = 10_000, signal }: Pick<DiscoverGpusOptions, "timeoutMs" | "signal"> = {},
): Promise<Answer> {
  signal?.throwIfAborted();
  const unavailable = (error: Error, stdout = "", stderr = ""): Answer => ({
    state: "unavailable",
    reason: `"${file.slice(0, 200)}" ${whyNot(error, stdout, stderr, timeoutMs)}`,
  });
  const options = { timeout: timeoutMs, killSignal: "SIGKILL", windowsHide: true, maxBuffer: 16 * mebibyte } as const;
  const answer = await new Promise<Answer>((resolve) => {
    const settle = (error: Error | null, stdout: string, stderr: string): void =>
      resolve(error === null ? { state: "available", text: stdout } : unavailable(error, stdout, stderr));
    try {
      execFile(file, [...first, ...more], { ...options, ...(signal === undefined ? {} : { signal }) }, settle);
    } catch (error) {
      // What the system refuses outright; a wrong argument is the caller's mistake.
      if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
      resolve(unavailable(error));
    }
  });
  signal?.throwIfAborted();
  return answer;
}

function whyNot(
  error: Error & { readonly code?: unknown; readonly killed?: boolean },
  stdout: string,
  stderr: string,
  timeoutMs: number,
): string {
  if (error.code === "ENOENT") return "is not there";
  if (error.killed === true) return `gave no answer within ${timeoutMs} ms`;
  const [said = ""] = `${stderr.trim()}\n${stdout.trim()}`.trim().split("\n");
  const code = typeof error.code === "number" ? `ended with exit code ${error.code}` : `failed: ${error.message}`;
  return said === "" ? code : `${code}: ${said.slice(0, 200)}`;
}

/** The cells of the lines that nvidia-smi writes as CSV. No value of its has a comma in it. */
export const cellsOf = (text: string): readonly (readonly string[])[] =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.split(",").map((cell) => cell.trim()));

/** A number; undefined where the device says that it has none: `[N/A]`, `[Not Supported]`, `[Unknown Error]`. */
export const numberIn = (cell: string | undefined): number | undefined =>
  cell !== undefined && /^-?\d+(?:\.\d+)?$/.test(cell) ? Number(cell) : undefined;

const deviceQuery = "--query-gpu=index,uuid,name,memory.total,mig.mode.current";
const asCsv = "--format=csv,noheader,nounits";

/** The devices that `nvidia-smi` tells of. A device in MIG mode is its instances; one that has none is no device. */
export async function discoverGpus(options: DiscoverGpusOptions = {}): Promise<GpuDiscovery> {
  const { nvidiaSmi = ["nvidia-smi"], timeoutMs, signal } = options;
  const told = await ask(nvidiaSmi, [deviceQuery, asCsv], { timeoutMs, signal });
  if (told.state === "unavailable") return told;
  const found = cellsOf(told.text).map(([index, id = "", name = "", memory, mig]) => ({
    device: { id, index: numberIn(index), name, memoryBytes: bytesOf(memory) } satisfies GpuDevice,
    split: mig === "Enabled",
  }));
  const strange = found.find(({ device }) => !device.id.startsWith("GPU-"));
  if (strange !== undefined)
    return { state: "unavailable", reason: `"${nvidiaSmi[0]}" tells of no devices: ${told.text.slice(0, 200).trim()}` };
  if (!found.some(({ split }) => split)) return { state: "available", devices: found.map(({ device }) => device) };
  const listed = await ask(nvidiaSmi, ["-L"], { timeoutMs, signal });
  const instances = listed.state === "available" ? instancesOf(listed.text) : [];
  const devices = found.flatMap(({ device, split }): readonly GpuDevice[] =>
    split
      ? instances.filter(({ partOf }) => partOf === device.id).map((instance) => ({ ...instance, index: device.index }))
      : [device],
  );
  return { state: "available", devices };
}

const bytesOf = (cell: string | undefined): number | undefined => {
  const mebibytes = numberIn(cell);
  return mebibytes === undefined ? undefined : mebibytes * mebibyte;
};

/** The MIG instances in what `nvidia-smi -L` writes, under the device that stands above them. */
function instancesOf(text: string): readonly GpuDevice[] {
  const instances: GpuDevice[] = [];
  let partOf: string | undefined;
  for (const line of text.split("\n")) {
    partOf = /^GPU \d+:.*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1] ?? partOf;
    const [, name, id] = /^\s+(MIG \S+)\s+Device\s+\d+:\s*\(UUID: (MIG-[^)]+)\)/.exec(line) ?? [];
    if (id === undefined || partOf === undefined) continue;
    const gigabytes = /\.(\d+)gb/.exec(name ?? "")?.[1];
    const memoryBytes = gigabytes === undefined ? undefined : Number(gigabytes) * 1024 * mebibyte;
    instances.push({ id, name, memoryBytes, partOf });
  }
  return instances;
}
