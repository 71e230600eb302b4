import { type Logger, isMillwrightError } from "@millwright/contracts";

type Fields = Parameters<Logger["warn"]>[0];

/**
 * A logger that is told of errors by name and code alone: their messages and causes may quote what is to be masked. So may what somebody threw that is no
 * error: of it only the type is told.
 */
export function discreetLogger(logger: Logger): Logger {
  const quiet =
    (level: keyof Logger) =>
    (...given: Parameters<Logger["warn"]>): void => {
      const [fields, message] = given;
      logger[level](
        Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, discreet(name, value)])) as Fields,
        message,
      );
    };
  return { debug: quiet("debug"), info: quiet("info"), warn: quiet("warn"), error: quiet("error") };
}

function discreet(name: string, value: unknown): unknown {
  if (value instanceof Error) return toldOf(value);
  if (Array.isArray(value)) return value.map((each) => discreet(name, each));
  return name === "error" && value !== undefined ? { name: typeof value } : value;
}

/** What may be told of an error where values are masked. */
export const toldOf = (error: Error): { readonly name: string; readonly code?: string } =>
  isMillwrightError(error) ? { name: error.name, code: error.code } : { name: error.name };
