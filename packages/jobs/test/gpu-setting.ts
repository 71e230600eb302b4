import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LeaseStore } from "@millwright/contracts";
import { openFileLeaseStore } from "./fixtures/file-lease-store.js";
import { fixture, temporaryFolder } from "./setting.ts";

/** What the fake answers: a machine's devices, and what is measured of them. */
export interface FakeMachine {
  readonly query: string;
  readonly list?: string;
  readonly samples?: readonly string[];
  readonly apps?: string;
  readonly exitCode?: number;
  readonly stderr?: string;
}

/** Ids that no other test's jobs are leased under. */
export const newIds = (count: number): readonly string[] => Array.from({ length: count }, () => `GPU-${randomUUID()}`);

export const machineOf = (ids: readonly string[]): FakeMachine => ({
  query: ids.map((id, index) => `${index}, ${id}, NVIDIA H100 80GB HBM3, 81559, Disabled\n`).join(""),
});

/** A machine with a fake nvidia-smi, and a folder of leases that launchers share. */
export async function openGpuSetting(machine: FakeMachine) {
  const folder = await temporaryFolder();
  const answers = join(folder.path, "machine.json");
  await writeFile(answers, JSON.stringify(machine));
  const leaseFolder = join(folder.path, "leases");
  const marks = join(folder.path, "marks");
  for (const path of [leaseFolder, marks]) await mkdir(path);
  const leases: LeaseStore = openFileLeaseStore(leaseFolder);
  return {
    path: folder.path,
    leaseFolder,
    marks,
    leases,
    answers,
    nvidiaSmi: [process.execPath, fileURLToPath(fixture("fake-nvidia-smi.js")), answers] as const,
    answer: (other: FakeMachine) => writeFile(answers, JSON.stringify(other)),
    /** Everything that nvidia-smi was asked, in the order it was. */
    async calls(): Promise<readonly (readonly string[])[]> {
      const text = await readFile(`${answers}.calls`, "utf8").catch(() => "");
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as string[]);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
