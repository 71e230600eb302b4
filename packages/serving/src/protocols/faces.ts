import type { ModelServer } from "../model-server.ts";
import type { ServerFace } from "./open-inference.ts";

/** Where a server keeps what protocols beside HTTP need of it: found by every copy of this package, as bundlers make one for each entry. */
const key = Symbol.for("@millwright/serving face");

export const keepFace = (server: ModelServer, face: ServerFace): void => {
  Object.defineProperty(server, key, { value: face });
};

/** Throws a `TypeError` for what `openModelServer` did not open. */
export function faceOf(server: ModelServer): ServerFace {
  const face = (server as { readonly [key]?: ServerFace } | undefined | null)?.[key];
  if (face === undefined) throw new TypeError("server is nothing that openModelServer opened.");
  return face;
}
