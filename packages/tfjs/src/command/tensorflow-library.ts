import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { provisionFailed } from "../errors.ts";
import { runProgram } from "./run-program.ts";

export interface TensorFlowLibrary {
  /** With `tensorflow/c/c_api.h` below it. */
  readonly include: string;
  /** To link with. */
  readonly files: readonly string[];
  /** Where the addon is to look for them when it is loaded. */
  readonly runFolder: string;
  /** Where it was installed by us and is yet to be put in its place. */
  readonly owned?: { readonly from: string; readonly to: string } | undefined;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Finds library and headers in a folder laid out as the published libtensorflow (`include`, `lib`) or as a Python package. */
export async function findTensorFlow(folder: string): Promise<TensorFlowLibrary> {
  const include = join(folder, "include");
  if (!(await exists(join(include, "tensorflow", "c", "c_api.h"))))
    throw provisionFailed(
      `"${folder}" has no include/tensorflow/c/c_api.h`,
      "Name the folder into which libtensorflow was unpacked, or site-packages/tensorflow of a Python with TensorFlow.",
    );
  for (const place of [join(folder, "lib"), folder]) {
    const names = await readdir(place).catch(() => []);
    const find = (stem: string): string | undefined =>
      names.filter((name) => name === `${stem}.so` || name.startsWith(`${stem}.so.`)).toSorted()[0];
    const main = find("libtensorflow_cc") ?? find("libtensorflow");
    const framework = find("libtensorflow_framework");
    if (main === undefined || framework === undefined) continue;
    return { include, files: [join(place, main), join(place, framework)], runFolder: place };
  }
  throw provisionFailed(
    `"${folder}" has no libtensorflow and libtensorflow_framework`,
    "Name the folder into which libtensorflow was unpacked, or site-packages/tensorflow of a Python with TensorFlow.",
  );
}

export interface WheelOptions {
  readonly wheel?: string | undefined;
  readonly python?: string | undefined;
  readonly staging: string;
  /** The folder in which the library is to lie in the end. */
  readonly place: string;
  readonly report: (step: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Has pip unpack TensorFlow's wheel, and keeps of it what the addon loads: all of it where it brings CUDA along. */
export async function installWheel({
  wheel = "tensorflow-cpu==2.21.0",
  python = "python3",
  staging,
  place,
  report,
  signal,
}: WheelOptions): Promise<TensorFlowLibrary> {
  if (!(await runProgram(python, ["-m", "pip", "--version"], { signal })).stdout.startsWith("pip "))
    throw provisionFailed(
      `${python} has no pip`,
      "Install it (Debian: python3-pip), name another Python with --python, or give a library with --libtensorflow.",
    );
  report(`Installing ${wheel} by pip`);
  const target = join(staging, "wheel");
  const extras = wheel.includes("[");
  const args = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--target", target];
  const { code, tail } = await runProgram(python, [...args, ...(extras ? [] : ["--no-deps"]), wheel], { signal });
  if (code !== 0)
    throw provisionFailed(
      `pip could not install ${wheel}: ${
        tail
          .split("\n")
          .filter((line) => line.trim() !== "")
          .at(-1) ?? ""
      }`,
      "Name a version that there is for this Python (--wheel tensorflow-cpu==2.21.0 is for 3.10 to 3.13), check the network, or give a library with --libtensorflow.",
    );
  const found = await findTensorFlow(join(target, "tensorflow"));
  const id = `tensorflow-${randomBytes(6).toString("hex")}`;
  const to = join(place, id);
  if (extras) return { ...found, runFolder: join(to, "tensorflow"), owned: { from: target, to } };
  const from = join(staging, "library");
  await mkdir(from);
  const files: string[] = [];
  for (const file of found.files) {
    const moved = join(from, file.slice(file.lastIndexOf("/") + 1));
    await rename(file, moved);
    files.push(moved);
  }
  return { include: found.include, files, runFolder: to, owned: { from, to } };
}
