import type { CallOptions, Digest } from "@millwright/contracts";
import type { RandomBytes } from "../random-bytes.ts";
import type { Observation } from "./observation.ts";
import { scanFile } from "./scan-file.ts";

/** What files without a fault were found to be, by their digest and path: the same bytes are the same when they are met again. */
const clean = new Map<string, Observation>();

const mostRemembered = 4096;

/** As `scanFile`, of bytes whose digest was taken; looks at the same bytes under the same name once. */
export async function scanDigested(
  bytes: RandomBytes,
  path: string,
  digest: Digest,
  options: CallOptions,
): Promise<Observation> {
  const key = `${digest} ${path}`;
  const known = clean.get(key);
  const observation = known ?? (await scanFile(bytes, path, options));
  clean.delete(key);
  if (observation.problems.length > 0) return observation;
  clean.set(key, observation);
  const [oldest] = clean.keys();
  if (clean.size > mostRemembered && oldest !== undefined) clean.delete(oldest);
  return observation;
}
