/**
 * Taken by everything that waits. The signal is checked before work starts; on abort the call rejects with `signal.reason`
 * and releases what it holds.
 */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}
