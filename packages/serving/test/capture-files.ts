import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

export interface Folder extends AsyncDisposable {
  readonly path: string;
}

export async function temporary(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "millwright-capture-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Every file below, by its path from there. */
export async function filesBelow(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(relative(folder, path), await readFile(path));
  }
  return found;
}

export interface CapturedLine {
  readonly captureData: Readonly<
    Partial<
      Record<
        "endpointInput" | "endpointOutput",
        {
          readonly observedContentType: string;
          readonly mode: "INPUT" | "OUTPUT";
          readonly data: string;
          readonly encoding: "JSON" | "CSV" | "BASE64";
        }
      >
    >
  >;
  readonly eventMetadata: { readonly eventId: string; readonly inferenceId?: string; readonly inferenceTime: string };
  readonly eventVersion: string;
}

export async function capturedLines(folder: string): Promise<readonly CapturedLine[]> {
  const texts = [...(await filesBelow(folder)).values()].map(String);
  return texts.flatMap((text) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as CapturedLine),
  );
}
