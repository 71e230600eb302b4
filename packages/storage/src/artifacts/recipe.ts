import type { Digest } from "@millwright/contracts";
import { formatNewer, recipeCorrupt } from "../errors.ts";
import { hexOf } from "./artifact-digest.ts";

/** What an artifact is made of, in order. */
export interface RecipeChunk {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** A recipe begins with these bytes, the last of which is the version of the format; then each chunk: its SHA-256, and its size as 4 bytes little-endian. */
const formatVersion = 1;
const mark = Buffer.from("mwrecip");
const headerBytes = mark.length + 1;
const entryBytes = 36;

export function encodeRecipe(chunks: readonly RecipeChunk[]): Uint8Array {
  const recipe = Buffer.alloc(headerBytes + chunks.length * entryBytes);
  recipe.set(mark);
  recipe[mark.length] = formatVersion;
  for (const [index, { digest, sizeBytes }] of chunks.entries()) {
    const at = headerBytes + index * entryBytes;
    recipe.write(hexOf(digest), at, "hex");
    recipe.writeUInt32LE(sizeBytes, at + 32);
  }
  return recipe;
}

/** Throws `PORT_ARTIFACT_CORRUPT` and `STORAGE_FORMAT_NEWER`. */
export async function* decodeRecipe(
  digest: Digest,
  recipe: AsyncIterable<Uint8Array>,
): AsyncGenerator<RecipeChunk, void, undefined> {
  let rest = Buffer.alloc(0);
  let started = false;
  for await (const bytes of recipe) {
    rest = Buffer.concat([rest, bytes]);
    if (!started && rest.length >= headerBytes) {
      checkHeader(digest, rest);
      rest = rest.subarray(headerBytes);
      started = true;
    }
    if (!started) continue;
    let at = 0;
    for (; at + entryBytes <= rest.length; at += entryBytes) {
      const hex = rest.toString("hex", at, at + 32);
      yield { digest: `sha256:${hex}` as Digest, sizeBytes: rest.readUInt32LE(at + 32) };
    }
    rest = rest.subarray(at);
  }
  if (!started || rest.length > 0) throw recipeCorrupt(digest, "its list of chunks ends in the middle");
}

function checkHeader(digest: Digest, recipe: Buffer): void {
  if (!recipe.subarray(0, mark.length).equals(mark)) throw recipeCorrupt(digest, "its list of chunks is none");
  const version = recipe[mark.length] as number;
  if (version > formatVersion) throw formatNewer(`the list of chunks of ${digest}`, version, formatVersion);
}
