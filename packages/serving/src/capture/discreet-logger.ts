import { type Logger, isMillwrightError } from "@millwright/contracts";

/** A logger that is told of errors by name and code alone: their messages and causes may quote what is to be masked. */
export function discreetLogger(logger: Logger): Logger {
  const quiet =
    (level: keyof Logger) =>
    (...given: Parameters<Logger["warn"]>): void => {
      const [fields, message] = given;
      logger[level](
        Object.fromEntries(
          Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? toldOf(value) : value]),
        ) as typeof fields,
        message,
      );
    };
  return { debug: quiet("debug"), info: quiet("info"), warn: quiet("warn"), error: quiet("error") };
}

const toldOf = (error: Error): { readonly name: string; readonly code?: string } =>
  isMillwrightError(error) ? { name: error.name, code: error.code } : { name: error.name };
