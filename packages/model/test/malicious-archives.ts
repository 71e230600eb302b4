import { gzipSync } from "node:zlib";
import { pax, tarEnd, tarOf, zipOf } from "./archives.ts";

export interface MaliciousArchive {
  readonly what: string;
  readonly bytes: Buffer;
  readonly code: "MODEL_ARCHIVE_UNSAFE" | "MODEL_ARCHIVE_TOO_LARGE" | "MODEL_ARCHIVE_INVALID";
}

const good = { name: "model.json", content: "{}" };
const unsafe = (what: string, bytes: Buffer): MaliciousArchive => ({ what, bytes, code: "MODEL_ARCHIVE_UNSAFE" });
const large = (what: string, bytes: Buffer): MaliciousArchive => ({ what, bytes, code: "MODEL_ARCHIVE_TOO_LARGE" });
const invalid = (what: string, bytes: Buffer): MaliciousArchive => ({ what, bytes, code: "MODEL_ARCHIVE_INVALID" });

const evil = "evil";
const zeros = (sizeBytes: number): Buffer => Buffer.alloc(sizeBytes);
/** A size that octal digits cannot say, in GNU's way. */
const hugeSize = Buffer.concat([Buffer.from([0x80]), Buffer.alloc(10, 0xff), Buffer.from([0xff])]);
const plainZip = zipOf([good]);
const plainTar = tarOf([good, { name: "weights.bin", content: zeros(3_000) }]);

/** Names that lead out, or that mean something else on some system. */
const names = [
  ["a path that leads up", "../evil"],
  ["a path that leads up from within", "a/../../evil"],
  ["an absolute path", "/etc/evil"],
  ["a drive of Windows", "C:/evil"],
  ["a drive of Windows and a backslash", "C:\\evil"],
  ["backslashes", "..\\..\\evil"],
  ["a share of Windows", "\\\\server\\evil"],
  ["a stream of NTFS", "model.json:evil"],
  ["a device of Windows", "folder/NUL.txt"],
  ["another device of Windows", "com1"],
  ["a name that ends with a dot", "evil."],
  ["a name that ends with a space", "evil "],
  ["a control character", "evil\u001b[2Jname"],
  ["letters that turn the direction around", "evil\u202egnp.exe"],
  ["an empty segment", "a//evil"],
  ["a segment longer than file systems take", "e".repeat(90) + "\u00e9".repeat(90)],
] as const;

const ofNames = names.flatMap(([what, name]) => [
  unsafe(`zip: ${what}`, zipOf([good, { name, content: evil }])),
  unsafe(`tar: ${what}`, tarOf([good, pax({ path: name }), { name: "x", content: evil }])),
]);

const ofTar: readonly MaliciousArchive[] = [
  unsafe(
    "tar: a symbolic link, and a file through it",
    tarOf([
      { name: "link", type: "2", link: "/tmp" },
      { name: "link/evil", content: evil },
    ]),
  ),
  unsafe("tar: a hard link", tarOf([good, { name: "link", type: "1", link: "/etc/passwd" }])),
  unsafe("tar: a character device", tarOf([{ name: "null", type: "3" }])),
  unsafe("tar: a block device", tarOf([{ name: "disk", type: "4" }])),
  unsafe("tar: a pipe", tarOf([{ name: "pipe", type: "6" }])),
  unsafe("tar: a sparse file of GNU", tarOf([{ name: "sparse", type: "S" }])),
  unsafe("tar: a sparse file of pax", tarOf([pax({ "GNU.sparse.major": "1" }), { name: "sparse", content: "1" }])),
  unsafe("tar: an unknown type", tarOf([{ name: "what", type: "Z" }])),
  unsafe("tar: a path for all entries", tarOf([pax({ path: "../evil" }, "g"), { name: "x", content: evil }])),
  unsafe(
    "tar: GNU's long name leads up",
    tarOf([
      { name: "L", type: "L", content: "../evil\0" },
      { name: "x", content: evil },
    ]),
  ),
  unsafe("tar: a file twice", tarOf([good, good])),
  unsafe("tar: names that differ in case", tarOf([good, { name: "MODEL.json" }])),
  unsafe(
    "tar: names that differ in their form of Unicode",
    tarOf([pax({ path: "caf\u00e9" }), { name: "x" }, pax({ path: "cafe\u0301" }), { name: "y" }]),
  ),
  unsafe("tar: a file that is a folder", tarOf([{ name: "a" }, { name: "a/b" }])),
  unsafe(
    "tar: a second archive behind its end",
    tarOf([good], Buffer.concat([tarEnd, tarOf([{ name: "evil", content: evil }])])),
  ),
  large(
    "tar: a size of 2^80",
    tarOf([
      {
        name: "huge",
        sizeField: Buffer.concat([
          Buffer.from([0x80]),
          Buffer.from([0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ]),
      },
    ]),
  ),
  invalid("tar: a size beyond all numbers", tarOf([{ name: "huge", sizeField: hugeSize }])),
  invalid("tar: a wrong checksum", Buffer.concat([Buffer.from("x"), plainTar.subarray(1)])),
  invalid("tar: cut off in an entry", plainTar.subarray(0, 2_000)),
  invalid("tar: cut off between entries", plainTar.subarray(0, 1_024)),
  invalid("tar: cut off within its end", plainTar.subarray(0, plainTar.length - 512)),
  invalid("tar: attributes without end", tarOf([{ name: "pax", type: "x", content: "99999 path=a\n" }, { name: "x" }])),
  large("tar.gz: a bomb", gzipSync(tarOf([{ name: "zeros", content: zeros(40 << 20) }]))),
  large("tar.gz: a bomb in the padding behind its end", gzipSync(tarOf([good], zeros(80 << 20)))),
  invalid("tar.gz: cut off", gzipSync(plainTar).subarray(0, 60)),
  invalid("tar.gz: a wrong checksum", flipped(gzipSync(plainTar), -6)),
  unsafe("tar: an archive within", tarOf([{ name: "inner.tar.gz", content: gzipSync(plainTar) }])),
];

const bomb = { name: "zeros", content: zeros(20 << 20) };
const ofZip: readonly MaliciousArchive[] = [
  unsafe("zip: a symbolic link", zipOf([{ name: "link", content: "/etc/passwd", mode: 0o120777 }])),
  unsafe("zip: a device", zipOf([{ name: "null", mode: 0o020666 }])),
  unsafe("zip: a link of Windows", zipOf([{ name: "link", content: "C:", attributes: 0x400 }])),
  unsafe("zip: a folder that is a file", zipOf([{ name: "folder/", mode: 0o100644 }])),
  unsafe("zip: encrypted", zipOf([{ ...good, flags: 0x801 }])),
  unsafe("zip: encrypted by AES", zipOf([{ ...good, method: 99 }])),
  unsafe("zip: a method that is not read", zipOf([{ ...good, method: 12 }])),
  unsafe("zip: a file twice", zipOf([good, good])),
  unsafe("zip: names that differ in case", zipOf([good, { name: "Model.json" }])),
  unsafe("zip: names that differ in their form of Unicode", zipOf([{ name: "\u212b" }, { name: "\u00e5" }])),
  unsafe("zip: a folder and a file of one name", zipOf([{ name: "a/b" }, { name: "a" }])),
  unsafe("zip: its own header has another name", zipOf([{ ...good, localName: "../evil.js" }])),
  unsafe("zip: its own header has another size", zipOf([{ ...good, localSizeBytes: 1 << 20 }])),
  unsafe(
    "zip: entries that overlap: many names, one bomb",
    zipOf([bomb, { ...bomb, name: "more", offset: 0, localName: "zeros" }]),
  ),
  invalid("zip: a script before its entries", zipOf([good], { prefix: Buffer.from("#!/bin/sh\n") })),
  unsafe("zip: bytes before its entries", zipOf([good], { prefix: Buffer.from("PK hidden") })),
  unsafe("zip: bytes between entries and directory", zipOf([good], { gap: Buffer.from("hidden") })),
  unsafe("zip: bytes behind its end", zipOf([good], { suffix: Buffer.from("hidden") })),
  unsafe("zip: one of several parts", zipOf([good], { disk: 1 })),
  unsafe("zip: more bytes than it says", zipOf([{ name: "more", content: zeros(1 << 20), sizeBytes: 10 }])),
  unsafe("zip: a zip within", zipOf([{ name: "inner.zip", content: plainZip }])),
  unsafe("zip: bombs within bombs", zipOf([{ name: "inner.zip", content: zipOf([bomb]) }])),
  large("zip: a bomb", zipOf([{ name: "zeros", content: zeros(40 << 20) }])),
  large(
    "zip: a hundred small bombs",
    zipOf(Array.from({ length: 100 }, (_, index) => ({ name: `${index}`, content: zeros(1 << 19) }))),
  ),
  large("zip: 10,001 entries", zipOf(Array.from({ length: 10_001 }, (_, index) => ({ name: `${index}`, method: 0 })))),
  large("zip: forty folders deep", zipOf([{ name: `${"a/".repeat(40)}b` }])),
  invalid("zip: a wrong checksum", zipOf([{ ...good, crc: 1 }])),
  invalid("zip: fewer bytes than it says", zipOf([{ ...good, sizeBytes: 100 }])),
  invalid("zip: cut off", plainZip.subarray(0, plainZip.length - 30)),
  invalid("zip: deflated bytes that are none", zipOf([{ ...good, raw: Buffer.from([0xff, 0xff, 0xff]) }])),
  invalid("zip: another number of entries", zipOf([good], { count: 7 })),
  invalid("zip: a name that is not UTF-8", zipOf([{ name: Buffer.from([0x66, 0xff, 0xfe]) }])),
  invalid("neither tar nor zip", Buffer.from("MZ not an archive at all")),
  invalid("nothing", Buffer.alloc(0)),
];

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = copy.length + at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

export const maliciousArchives: readonly MaliciousArchive[] = [...ofNames, ...ofTar, ...ofZip];
