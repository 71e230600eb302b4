/** What `node:fs` throws where no space is left: error number 28 of POSIX, negated as in libuv. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
  readonly code = "ENOSPC";
  readonly errno = -28;
  readonly syscall = "write";

  constructor(fault: string) {
    super(`ENOSPC: no space left on device, write (injected by the fault "${fault}")`);
  }
}
