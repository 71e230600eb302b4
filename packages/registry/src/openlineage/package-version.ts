import { readFileSync } from "node:fs";

let version: string | undefined;

/** This package's own version. */
export function packageVersion(): string {
  if (version === undefined) {
    const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    version = (manifest as { readonly version: string }).version;
  }
  return version;
}
