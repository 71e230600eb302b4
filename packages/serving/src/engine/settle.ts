/** What is there, or will be. On the path of requests most things are there: going on without a promise costs a tenth. */
export type Soon<Value> = Value | Promise<Value>;

/** Goes on with a value at once where it is there. */
export const whenThere = <Value, Next>(value: Soon<Value>, next: (value: Value) => Soon<Next>): Soon<Next> =>
  value instanceof Promise ? value.then(next) : next(value);

/** Runs `work`, and tells `ended` how it ended: `undefined` where it did well. What `work` throws is thrown on. */
export function watched<Value>(work: () => Soon<Value>, ended: (failure: unknown, value?: Value) => void): Soon<Value> {
  let value: Soon<Value>;
  try {
    value = work();
  } catch (error) {
    ended(error);
    throw error;
  }
  if (value instanceof Promise)
    return value.then(
      (there) => {
        ended(undefined, there);
        return there;
      },
      (error: unknown) => {
        ended(error);
        throw error;
      },
    );
  ended(undefined, value);
  return value;
}
