/** Devices that are given whole or in shares. */
export interface Devices {
  fits(gpus: number): boolean;
  /** Numbers of the devices taken; the caller has asked whether they fit. */
  take(gpus: number): readonly number[];
  giveBack(taken: readonly number[], gpus: number): void;
  /** In devices. */
  used(): number;
}

/** Shares that add up to a device but for the last bits fill it. */
const rest = 1e-9;

export function createDevices(count: number): Devices {
  const free = new Float64Array(count).fill(1);
  const find = (gpus: number): readonly number[] | undefined => {
    if (gpus === 0) return [];
    if (gpus < 1) {
      // The fullest device that has room: whole ones stay whole for those that need them.
      let best: number | undefined;
      for (const [device, room] of free.entries()) {
        if (room >= gpus - rest && (best === undefined || room < (free[best] as number))) best = device;
      }
      return best === undefined ? undefined : [best];
    }
    const whole = [...free.keys()].filter((device) => free[device] === 1).slice(0, gpus);
    return whole.length === gpus ? whole : undefined;
  };
  return {
    fits: (gpus) => find(gpus) !== undefined,
    take(gpus) {
      const taken = find(gpus) ?? [];
      for (const device of taken) free[device] = Math.max(0, (free[device] as number) - Math.min(1, gpus));
      return taken;
    },
    giveBack(taken, gpus) {
      for (const device of taken) {
        const room = (free[device] as number) + Math.min(1, gpus);
        free[device] = room > 1 - rest ? 1 : room;
      }
    },
    used: () => free.reduce((sum, room) => sum + 1 - room, 0),
  };
}
