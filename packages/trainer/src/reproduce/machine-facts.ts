import { cpus, release, totalmem } from "node:os";

/** Variables that change what a process computes, and may be told: none is a secret. */
export const toldVariables: readonly string[] = [
  "CUDA_VISIBLE_DEVICES",
  "LANG",
  "LC_ALL",
  "MKL_NUM_THREADS",
  "NODE_OPTIONS",
  "OMP_NUM_THREADS",
  "OPENBLAS_NUM_THREADS",
  "TF_CUDNN_DETERMINISTIC",
  "TF_DETERMINISTIC_OPS",
  "TF_ENABLE_ONEDNN_OPTS",
  "TZ",
  "UV_THREADPOOL_SIZE",
];

/** What this process runs on and with. */
export function machineFacts(): Readonly<Record<string, string>> {
  const { locale, timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const cores = cpus();
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    icu: process.versions["icu"] ?? "none",
    platform: `${process.platform}-${process.arch}`,
    kernel: release(),
    cpu: cores[0]?.model.trim() ?? "unknown",
    cpus: String(cores.length),
    memoryGiB: String(Math.round(totalmem() / 2 ** 30)),
    locale,
    timeZone,
    ...Object.fromEntries(
      toldVariables.flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[`variable.${name}`, value]];
      }),
    ),
  };
}
