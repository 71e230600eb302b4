import { isMillwrightError } from "@millwright/contracts";
import { diskFull, fileReadonly, fileUnreachable, ioFailed } from "./errors.ts";

/** The error of the house for what the file system said; any other error is passed on. */
export function errorOfFile(path: string, error: unknown): unknown {
  if (isMillwrightError(error) || !(error instanceof Error) || !("syscall" in error) || !("code" in error))
    return error;
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return diskFull(path, error);
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return fileReadonly(path, error);
    case "ENOENT":
    case "ENOTDIR":
    case "EEXIST":
    case "ENAMETOOLONG":
      return fileUnreachable(path, error.message, error);
    default:
      return ioFailed(path, error.message, error);
  }
}
