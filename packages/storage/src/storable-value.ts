/** Why a value cannot be bound; `undefined` where it can. All engines refuse the same, so that what one keeps another keeps too. */
export function problemOfValue(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return value.includes("\0") ? "the text has a NUL character" : undefined;
    case "boolean":
      return undefined;
    case "number":
      return Number.isNaN(value) ? "SQLite would turn NaN into null" : undefined;
    case "bigint":
      return value === BigInt.asIntN(64, value) ? undefined : `${value} needs more than 64 bits`;
    case "object":
      if (value === null || ArrayBuffer.isView(value)) return undefined;
      break;
    default:
  }
  return `a value of type ${typeof value} has no SQL type`;
}
