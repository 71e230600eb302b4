/** Ends the process or thread by itself where nothing is left to do, and soon in any case: a forgotten timer must not keep a job from ending. */
export function leave(code: number): void {
  process.exitCode = code;
  // oxlint-disable-next-line no-process-exit -- this process is the job's own, and the job has ended
  setTimeout(() => process.exit(code), 1_000).unref();
}
