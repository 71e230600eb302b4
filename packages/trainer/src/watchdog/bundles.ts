import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Where the processes of a run write down what they were doing. */
export const diagnosticsIn = (directory: string): string => join(directory, "diagnostics");

/** The newest bundle of diagnostics of an attempt. @returns undefined where there is none. */
export async function newestBundle(directory: string, attempt: number): Promise<string | undefined> {
  const folder = diagnosticsIn(directory);
  const names = await readdir(folder).catch(() => [] as string[]);
  let newest: { readonly path: string; readonly timeMs: number } | undefined;
  for (const name of names.filter((one) => one.startsWith(`attempt-${attempt}-`))) {
    const path = join(folder, name);
    const timeMs = await stat(path)
      .then(({ mtimeMs }) => mtimeMs)
      .catch(() => 0);
    if (newest === undefined || timeMs > newest.timeMs) newest = { path, timeMs };
  }
  return newest?.path;
}
