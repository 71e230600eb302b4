import { foldedPath, portablePathProblem } from "../package-files.ts";
import { archiveTooLarge, archiveUnsafe } from "../trust-errors.ts";

/** How much an archive may hold. */
export interface ArchiveLimits {
  /** Files and folders. Default: 10,000. */
  readonly entries?: number | undefined;
  /** All files together, extracted. Default: 16 GiB. */
  readonly totalBytes?: number | undefined;
  /** One file, extracted. Default: 16 GiB. */
  readonly entryBytes?: number | undefined;
  /** Extracted bytes for each byte of the archive, counted from 16 MiB on. Default: 100. */
  readonly ratio?: number | undefined;
  /** Folders within each other. Default: 32. */
  readonly depth?: number | undefined;
}

export interface ArchiveEntry {
  /** As the archive spells it. */
  readonly name: string;
  readonly kind: "file" | "folder";
  readonly sizeBytes: number;
}

/** Decides entry by entry, and throws at the first that may not be extracted. */
export interface EntryPolicy {
  /** @returns where it goes, with `/`; `undefined` of the root folder itself. Throws `MODEL_ARCHIVE_UNSAFE`, `MODEL_ARCHIVE_TOO_LARGE`. */
  accept(entry: ArchiveEntry): string | undefined;
  /** Counts bytes as they are extracted. */
  count(bytes: number): void;
  /** Counts bytes as they are decompressed, headers and padding among them. */
  countRaw(bytes: number): void;
}

export const defaultEntries = 10_000;

const ratioFromBytes = 16 << 20;

/** @param archiveBytes The archive's own size. */
export function createEntryPolicy(limits: ArchiveLimits, archiveBytes: number): EntryPolicy {
  const {
    entries = defaultEntries,
    totalBytes = 16 * 2 ** 30,
    entryBytes = 16 * 2 ** 30,
    ratio = 100,
    depth = 32,
  } = limits;
  for (const [name, value] of Object.entries({ entries, totalBytes, entryBytes, ratio, depth }))
    if (!(value > 0)) throw new RangeError(`The limit \`${name}\` must be a number above 0; it is ${value}.`);
  const allowed = Math.max(ratioFromBytes, ratio * archiveBytes);
  /** What each folded path is: its first spelling, and whether it was an entry of its own. */
  const taken = new Map<string, { readonly spelling: string; readonly kind: "file" | "folder" }>();
  let seen = 0;
  let announced = 0;
  let extracted = 0;
  let raw = 0;
  const claim = (name: string, path: string, kind: "file" | "folder"): void => {
    const segments = path.split("/");
    for (let length = 1; length <= segments.length; length += 1) {
      const spelling = segments.slice(0, length).join("/");
      const isLast = length === segments.length;
      const wanted = isLast ? kind : "folder";
      const there = taken.get(foldedPath(spelling));
      if (there === undefined) taken.set(foldedPath(spelling), { spelling, kind: wanted });
      else if (there.spelling !== spelling)
        throw archiveUnsafe(name, `differs from "${there.spelling}" only in case or in its form of Unicode`);
      else if (there.kind !== wanted) throw archiveUnsafe(name, `makes "${spelling}" a file and a folder at once`);
      else if (isLast && kind === "file") throw archiveUnsafe(name, "is there twice");
    }
  };
  const withinTotal = (bytes: number): void => {
    if (bytes > totalBytes)
      throw archiveTooLarge(`its files have more than ${totalBytes} bytes together`, "totalBytes");
    if (bytes > allowed)
      throw archiveTooLarge(`it has ${archiveBytes} bytes, and its files more than ${ratio} times as many`, "ratio");
  };
  return {
    accept({ name, kind, sizeBytes }) {
      if ((seen += 1) > entries) throw archiveTooLarge(`it has more than ${entries} entries`, "entries");
      const path = relativePath(name, kind);
      if (path === undefined) return undefined;
      const problem = portablePathProblem(path);
      if (problem !== undefined) throw archiveUnsafe(name, `may not be written: ${problem}`);
      if (path.split("/").length > depth)
        throw archiveTooLarge(`"${path}" lies more than ${depth} folders deep`, "depth");
      claim(name, path, kind);
      if (sizeBytes > entryBytes) throw archiveTooLarge(`"${path}" has more than ${entryBytes} bytes`, "entryBytes");
      withinTotal((announced += sizeBytes));
      return path;
    },
    count: (bytes) => withinTotal((extracted += bytes)),
    countRaw(bytes) {
      // Headers of tar have as many bytes as small files themselves, and more.
      if ((raw += bytes) > 2 * Math.min(allowed, totalBytes) + ratioFromBytes)
        throw archiveTooLarge(
          `it has ${archiveBytes} bytes, and more than ${ratio} times as many decompressed`,
          "ratio",
        );
    },
  };
}

/** Without the `./` that tar writes before names, and the `/` after those of folders. */
function relativePath(name: string, kind: "file" | "folder"): string | undefined {
  const path = name.replace(/^(?:\.\/)+/, "");
  if (kind === "file") return path;
  const folder = path.replace(/\/$/, "");
  return folder === "" || folder === "." ? (name.startsWith(".") ? undefined : folder) : folder;
}
