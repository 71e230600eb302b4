/** Lets timers and messages of this process have their turn. */
export const yieldToEvents = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
