import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { isMillwrightError } from "@millwright/contracts";
import { provisionFailed, writeFailure } from "../errors.ts";
import { compileAddon, findHeaders } from "./compile-addon.ts";
import { addonPath, packageFile, probeInProcess } from "./inspect-machine.ts";
import { findTensorFlow, installWheel } from "./tensorflow-library.ts";

export interface ProvisionOptions {
  /** The folder in whose node_modules the package is installed. */
  readonly folder: string;
  /** Default: `@tensorflow/tfjs-node-gpu`. */
  readonly packageName?: string | undefined;
  /** What pip is asked for. Default: `tensorflow-cpu==2.21.0`. */
  readonly wheel?: string | undefined;
  /** A folder with a TensorFlow library and its headers, in place of a wheel; it must stay where it is. */
  readonly libtensorflow?: string | undefined;
  /** The folder that holds `node_api.h`. Default: looked for. */
  readonly headers?: string | undefined;
  /** Default: `python3`. */
  readonly python?: string | undefined;
  /** Is told each step as it begins. */
  readonly report?: ((step: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Provisioned {
  readonly packageName: string;
  /** The compiled addon. */
  readonly addon: string;
  /** What the device `cpu` then said of itself. */
  readonly detail: string;
}

/**
 * Builds the addon of an installed native package, unchanged as it was published, against a TensorFlow library, and tries it. All or nothing: until the
 * addon has been built it is not put in its place, where it does not pass it is taken away again, and an abort leaves nothing behind.
 * Throws `TFJS_PROVISION_FAILED`, `TFJS_WRITE_FAILED`, and the reason of the signal.
 */
export async function provisionNative(options: ProvisionOptions): Promise<Provisioned> {
  const { folder, packageName = "@tensorflow/tfjs-node-gpu", report = () => {}, signal } = options;
  signal?.throwIfAborted();
  const root = await checkPackage(resolve(folder), packageName);
  const headers = await findHeaders(options.headers);
  const staging = join(root, `.provision-${randomBytes(6).toString("hex")}`);
  try {
    // Of earlier attempts that were killed.
    for (const name of await readdir(root)) {
      if (name.startsWith(".provision-")) await rm(join(root, name), { recursive: true, force: true });
    }
    await mkdir(staging);
    const library =
      options.libtensorflow === undefined
        ? await installWheel({ ...options, staging, report, place: join(root, "deps") })
        : await findTensorFlow(resolve(options.libtensorflow));
    report("Compiling the addon");
    const built = join(staging, "tfjs_binding.node");
    await compileAddon({ sources: root, headers, library, built, addon: join(root, addonPath()), signal });
    return await install({
      ...options,
      folder: resolve(folder),
      packageName,
      report,
      root,
      staging,
      built,
      wheelFolder: library.owned,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw isMillwrightError(error) ? error : writeFailure(root, error);
  } finally {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
  }
}

async function checkPackage(folder: string, name: string): Promise<string> {
  if (process.platform !== "linux")
    throw provisionFailed(
      `it is for Linux, and this is ${process.platform}`,
      "Let the package's own install script run.",
    );
  const path = packageFile(folder, name);
  if (path === undefined)
    throw provisionFailed(
      `${name} is not installed in ${folder}`,
      `Install it there: npm install --ignore-scripts ${name}@4.22.0.`,
    );
  const { version } = JSON.parse(await readFile(path, "utf8")) as { readonly version: string };
  const root = dirname(path);
  const hasSources = await access(join(root, "binding", "tfjs_backend.cc")).then(
    () => true,
    () => false,
  );
  if (version !== "4.22.0" || !hasSources)
    throw provisionFailed(
      `${name} of version ${version} is not the one whose addon this builds`,
      `Install it anew: npm install --ignore-scripts ${name}@4.22.0.`,
    );
  return root;
}

interface Install extends ProvisionOptions {
  readonly packageName: string;
  readonly report: (step: string) => void;
  readonly root: string;
  readonly staging: string;
  readonly built: string;
  /** The library that was installed, in `staging`, and where it goes. */
  readonly wheelFolder: { readonly from: string; readonly to: string } | undefined;
}

/** Puts library and addon in their places, tries them, and takes them out again where they do not work. */
async function install({
  folder,
  packageName,
  report,
  root,
  staging,
  built,
  wheelFolder,
  signal,
}: Install): Promise<Provisioned> {
  const addon = join(root, addonPath());
  const before = join(staging, "before.node");
  report("Trying it: one training step of each family of layers");
  await mkdir(dirname(addon), { recursive: true });
  const libraries = join(root, "deps");
  const older = await readdir(libraries).catch(() => []);
  if (wheelFolder !== undefined) {
    await mkdir(dirname(wheelFolder.to), { recursive: true });
    await rename(wheelFolder.from, wheelFolder.to);
  }
  let kept = false;
  const hadOne = await rename(addon, before).then(
    () => true,
    () => false,
  );
  try {
    await rename(built, addon);
    const probe = await probeInProcess("cpu", folder, signal);
    if (!probe.ok)
      throw provisionFailed(
        `what was built for ${relative(folder, root)} does not work: ${probe.detail}`,
        "Try another version of TensorFlow (--wheel, --libtensorflow); what was there before is there again.",
      );
    kept = true;
    for (const name of older)
      if (name.startsWith("tensorflow-")) await rm(join(libraries, name), { recursive: true, force: true });
    return { packageName, addon, detail: probe.detail };
  } finally {
    if (!kept) {
      await rm(addon, { force: true });
      if (hadOne) await rename(before, addon);
      if (wheelFolder !== undefined) await rm(wheelFolder.to, { recursive: true, force: true });
    }
  }
}
