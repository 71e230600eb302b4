import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Folders for what a job reads and writes. */
export async function folder(): Promise<
  { readonly root: string; readonly input: string; readonly output: string } & AsyncDisposable
> {
  const root = await mkdtemp(join(tmpdir(), "millwright-transform-"));
  const input = join(root, "in");
  const output = join(root, "out");
  await mkdir(input);
  await mkdir(output);
  return { root, input, output, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}
