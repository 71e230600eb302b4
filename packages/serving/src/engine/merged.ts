/**
 * `{ ...base, ...more }` for the path of requests: on Node 20 and 22 a literal that begins with a spread and goes on gets a hidden class of its own each time,
 * which keeps what it describes until the next full collection.
 */
export const merged = <Base extends object, More extends object>(
  base: Base,
  more: More,
): Omit<Base, keyof More> & More => Object.assign({}, base, more);
