import { FeatureStoreError } from "../errors.ts";
import { onlineBusy, onlineRefused, onlineUnreachable } from "../keyed/keyed-errors.ts";

/** What the server or the connection to it said, by the codes of PostgreSQL (appendix A of its manual) and of the system. */
export function postgresFailure(where: string, error: unknown): unknown {
  const { code, message = String(error) } = (error ?? {}) as { readonly code?: unknown; readonly message?: string };
  const text = typeof code === "string" ? code : "";
  // A class of its own for each: connections, resources, and what the operator does.
  if (text === "53100" || text === "25006") return writeRefused(where, text, message, error);
  if (text === "53300" || text === "55P03" || text === "57014" || text === "40P01" || text === "40001") {
    return onlineBusy(where, message, "Do it again later, with a larger pool or longer timeouts of the server.", error);
  }
  if (/^(?:08|57P|53|58|XX)/.test(text) || isConnectionFailure(text, message)) {
    return onlineUnreachable(where, message, error);
  }
  if (/^[0-9A-Z]{5}$/.test(text)) return onlineRefused(where, message, error);
  return error;
}

/** Codes of the operating system, and what `pg` says without one. */
const isConnectionFailure = (code: string, message: string): boolean =>
  /^E(?:CONN|PIPE|TIMEDOUT|HOST|NET|AI_|NOTFOUND)/.test(code) ||
  /connection terminated|connection ended|timeout exceeded when trying to connect|not queryable/i.test(message);

const writeRefused = (where: string, code: string, message: string, cause: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_WRITE_FAILED", `${where} takes no writes: ${message.replace(/\.$/, "")}.`, {
    category: code === "53100" ? "capacity" : "user",
    remedy:
      code === "53100" ? "Make room there, then do it again." : "Connect to the server that is written to, not a copy.",
    retryable: code === "53100",
    cause,
  });
