/** Super-block magic numbers of network file systems, from Linux's `linux/magic.h` and the file systems' own headers. */
const names: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
]);

/** @param type `statfs(...).type` on Linux. @returns the network file system's name; `undefined` where it is a local or an unknown one. */
export function networkFileSystem(type: number): string | undefined {
  // statfs gives a signed 32-bit number on some builds.
  return names.get(type >>> 0);
}
