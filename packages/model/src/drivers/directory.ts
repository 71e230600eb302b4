import { readFile, readdir } from "node:fs/promises";
import { join, resolve as absolute } from "node:path";
import {
  type CallOptions,
  type Clock,
  type ModelSource,
  type ResolvedModel,
  type ParsedModelRef,
  modelCorrupt,
  modelUnknown,
  parseModelRef,
  systemClock,
} from "@millwright/contracts";
import { stageModel } from "../trust/stage-model.ts";
import type { TrustPolicy } from "../trust/trust-policy.ts";
import { verifyModel } from "../verify-model.ts";

export interface DirectoryModelSourceOptions {
  /** How often `watch` looks, in milliseconds. Default: 1,000. */
  readonly pollMs?: number | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
  /** Whose signatures packages need; needs `staging`. Default: none. */
  readonly trust?: TrustPolicy | undefined;
  /**
   * A folder of this process's user, to which each package is copied and where the copy is verified: nobody who may write to `root` can change what is loaded.
   * Copies stay there; it may be emptied while nothing is loaded. Default: packages are verified and loaded where they lie.
   */
  readonly staging?: string | undefined;
}

/** What the reference says; undefined where it is none: nothing answers to it. */
function parseReference(ref: string): ParsedModelRef | undefined {
  try {
    return parseModelRef(ref);
  } catch {
    return undefined;
  }
}

/**
 * Finds model packages in a folder: `<root>/<name>/<version>/` each, and `<root>/<name>/aliases.json` (`{ "champion": 3 }`). Versions are
 * written once, by `packModel`; whoever moves an alias replaces `aliases.json` by a rename. Every package is verified when it is resolved.
 */
export function openDirectoryModelSource(
  root: string,
  { pollMs = 1_000, clock = systemClock, trust, staging }: DirectoryModelSourceOptions = {},
): ModelSource {
  if (trust !== undefined && staging === undefined)
    throw new TypeError("`trust` needs `staging`: a folder of its own, where what was verified is loaded from.");
  const base = absolute(root);
  const locate = async (ref: string): Promise<{ name: string; version: number; directory: string }> => {
    const reference = parseReference(ref);
    const version = reference === undefined ? undefined : await versionOf(base, reference);
    if (reference === undefined || version === undefined) throw modelUnknown(ref, await known(base, reference?.name));
    return { name: reference.name, version, directory: join(base, reference.name, String(version)) };
  };
  const resolve = async (ref: string, { signal }: CallOptions = {}): Promise<ResolvedModel> => {
    signal?.throwIfAborted();
    const { name, version, directory } = await locate(ref);
    try {
      const verified =
        staging === undefined
          ? await verifyModel(directory, { signal })
          : await stageModel(directory, staging, { trust, name, signal });
      return { ...verified, name, version };
    } catch (error) {
      signal?.throwIfAborted();
      // Looked for only now: a package that is there need not be looked for.
      if ((await versions(base, name)).includes(version)) throw error;
      throw modelUnknown(ref, await known(base, name));
    }
  };
  return {
    resolve,
    async *watch(ref, { signal } = {}) {
      if (signal?.aborted === true) return;
      let current = await resolve(ref, { signal }).catch(unlessAborted(signal));
      while (current !== undefined) {
        yield current;
        current = await changed(current);
      }
      async function changed(last: ResolvedModel): Promise<ResolvedModel | undefined> {
        for (;;) {
          await clock.sleep(pollMs, { signal }).catch(() => undefined);
          if (signal?.aborted === true) return undefined;
          // Whatever fails now may work at the next look: an alias is being moved, a package is being copied.
          const next = await lookAgain(last).catch(() => undefined);
          if (next !== undefined && next.digest !== last.digest) return next;
        }
      }
      // A version is written once: only when the reference moves is there anything to verify.
      async function lookAgain(last: ResolvedModel): Promise<ResolvedModel | undefined> {
        const { version } = await locate(ref);
        return version === last.version ? undefined : resolve(ref, { signal });
      }
    },
  };
}

const unlessAborted =
  (signal: AbortSignal | undefined) =>
  (error: unknown): undefined => {
    if (signal?.aborted !== true) throw error;
  };

/** The version that the reference means, whether or not it is there. */
async function versionOf(base: string, { name, version, alias }: ParsedModelRef): Promise<number | undefined> {
  const aliases = alias === undefined ? {} : await readAliases(base, name);
  return version ?? (alias !== undefined && Object.hasOwn(aliases, alias) ? aliases[alias] : undefined);
}

async function versions(base: string, name: string): Promise<number[]> {
  const entries = await readdir(join(base, name)).catch(absent<string[]>([]));
  return entries
    .filter((entry) => /^[1-9][0-9]*$/.test(entry))
    .map(Number)
    .toSorted((a, b) => a - b);
}

async function readAliases(base: string, name: string): Promise<Readonly<Record<string, number>>> {
  const path = join(base, name, "aliases.json");
  const text = await readFile(path, "utf8").catch(absent("{}"));
  try {
    const aliases = JSON.parse(text) as unknown;
    const whole = typeof aliases === "object" && aliases !== null && Object.values(aliases).every(Number.isSafeInteger);
    if (whole) return aliases as Readonly<Record<string, number>>;
  } catch (error) {
    throw modelCorrupt(name, `${path} is not JSON`, error);
  }
  throw modelCorrupt(name, `${path} is not an object from aliases to versions`);
}

const absent =
  <Value>(value: Value) =>
  (error: NodeJS.ErrnoException): Value => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return value;
    throw error;
  };

/** References that would have been answered: those of the name, else of every name. */
async function known(base: string, name: string | undefined): Promise<string[]> {
  const names =
    name !== undefined && (await versions(base, name)).length > 0
      ? [name]
      : (await readdir(base).catch(absent<string[]>([]))).toSorted();
  const references: string[] = [];
  for (const each of names) {
    references.push(...(await versions(base, each)).map((version) => `${each}/${version}`));
    references.push(...Object.keys(await readAliases(base, each)).map((alias) => `${each}@${alias}`));
  }
  return references;
}
