import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import type { KeyedOnlineStore, OnlineStore } from "../src/index.ts";

export const onlineKinds = ["memory", "log", "keyed"] as const;
export type OnlineKind = (typeof onlineKinds)[number];

/** An online store, and what opens it again after a restart: of what is held in this process alone, nothing is closed. */
export interface OnlineHolder extends AsyncDisposable {
  readonly store: OnlineStore | KeyedOnlineStore;
  restart(): Promise<void>;
}

export async function holdOnline(kind: OnlineKind, directory: string): Promise<OnlineHolder> {
  const open = async (): Promise<OnlineStore | KeyedOnlineStore> => {
    if (kind === "memory") return openMemoryOnlineStore();
    return kind === "keyed" ? openMemoryKeyedOnlineStore() : await openLogOnlineStore(directory, { flush: "system" });
  };
  let store = await open();
  return {
    get store() {
      return store;
    },
    async restart() {
      if (kind !== "log") return;
      await store[Symbol.asyncDispose]();
      store = await open();
    },
    [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose](),
  };
}
