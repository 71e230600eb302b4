/** Freezes a JSON value with all that is in it: what is registered cannot be changed by whoever was given it. @returns the same value. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
