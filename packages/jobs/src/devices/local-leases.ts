import type { LeaseStore } from "@millwright/contracts";

/** Leases among the jobs of one launcher: they last until they are released, for who holds them is this process. */
export function createLocalLeases(): LeaseStore {
  const held = new Set<string>();
  let fence = 0;
  return {
    async acquire(name) {
      if (held.has(name)) return undefined;
      held.add(name);
      fence += 1;
      let mine = true;
      return {
        name,
        fence,
        async renew() {},
        async release() {
          if (mine) held.delete(name);
          mine = false;
        },
      };
    },
  };
}
