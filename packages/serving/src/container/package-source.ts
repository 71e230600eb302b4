import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type ModelSource, hasCode } from "@millwright/contracts";
import { verifyModel } from "@millwright/model";

/** The one model package in a folder: the folder itself, or the only folder in it that is one. It never changes. */
export function onePackageSource(folder: string): ModelSource {
  const resolve: ModelSource["resolve"] = async (_ref, { signal } = {}) => {
    try {
      return await verifyModel(folder, { signal });
    } catch (error) {
      const within = await readdir(folder, { withFileTypes: true }).catch(() => []);
      const folders = within.filter((entry) => entry.isDirectory());
      const [only] = folders;
      if (!hasCode(error, "PORT_MODEL_CORRUPT") || only === undefined || folders.length > 1) throw error;
      return verifyModel(join(folder, only.name), { signal });
    }
  };
  return {
    resolve,
    async *watch(ref, { signal } = {}) {
      if (signal?.aborted !== true) yield await resolve(ref, { signal });
    },
  };
}
