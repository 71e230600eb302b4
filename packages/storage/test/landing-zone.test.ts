import { createManualClock, digestOf } from "@millwright/contracts";
import {
  createLandingZone,
  type LandedObject,
  type LandingZone,
  openDirectoryArtifactStore,
  openMemoryArtifactStore,
  openMemoryRecordStore,
  openSqlite,
  openRecordStore,
} from "@millwright/storage";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

const openZone = () => {
  const [artifacts, records] = [openMemoryArtifactStore(), openMemoryRecordStore()];
  return {
    artifacts,
    records,
    zone: createLandingZone({ artifacts, records, clock: createManualClock(1_700_000_000_000) }),
  };
};

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function all(objects: AsyncIterable<LandedObject>): Promise<LandedObject[]> {
  const found: LandedObject[] = [];
  for await (const each of objects) found.push(each);
  return found;
}

const nameAndVersion = ({ name, version }: LandedObject): string => `${name}@${version}`;

test("DQ-18: a second landing of a name makes version 2, and version 1 keeps its bytes", async () => {
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  const artifacts = await openDirectoryArtifactStore(folder.file("artifacts"));
  const zone = createLandingZone({ artifacts, records: openRecordStore(database) });
  const metadata = { source: "ftp", parts: [1, 2] };
  const first = await zone.land("flights/2013-01.csv", Buffer.from("one"), { mediaType: "text/csv", metadata });
  expect(first).toMatchObject({
    name: "flights/2013-01.csv",
    version: 1,
    digest: digestOf("one"),
    sizeBytes: 3,
    mediaType: "text/csv",
    metadata,
  });
  const second = await zone.land("flights/2013-01.csv", Buffer.from("two, and longer"));
  expect(second.version).toBe(2);
  expect(await zone.describe("flights/2013-01.csv", { version: 1 })).toEqual(first);
  expect(await zone.describe("flights/2013-01.csv")).toEqual(second);
  expect(await textOf(zone.open("flights/2013-01.csv", { version: 1 }))).toBe("one");
  expect(await textOf(zone.open("flights/2013-01.csv"))).toBe("two, and longer");
  // Another opening of the same files sees the same.
  await using again = await openSqlite(folder.file("a.db"));
  const other = createLandingZone({ artifacts, records: openRecordStore(again) });
  expect(await all(other.versions("flights/2013-01.csv"))).toEqual([first, second]);
});

test("DQ-18: overwriting a version is an error that names it, and landing the same again under its version is not", async () => {
  const { zone } = openZone();
  const first = await zone.land("a", Buffer.from("one"), { version: 1 });
  expect(await zone.land("a", Buffer.from("one"), { version: 1 })).toEqual(first);
  await expect(zone.land("a", Buffer.from("forged"), { version: 1 })).rejects.toMatchObject({
    code: "STORAGE_LANDING_IMMUTABLE",
    message: expect.stringMatching(/Version 1 of "a"/),
  });
  await expect(zone.land("a", Buffer.from("x"), { version: 5 })).rejects.toMatchObject({
    code: "PORT_VERSION_CONFLICT",
  });
  expect(await all(zone.versions("a"))).toEqual([first]);
  expect(await textOf(zone.open("a"))).toBe("one");
});

test("DQ-18: writers in two processes never share a version, and none is lost", { timeout: 600_000 }, async () => {
  await using folder = await temporaryFolder();
  const [path, artifacts] = [folder.file("a.db"), folder.file("artifacts")];
  const children = ["left", "right"].map((label) => startChild("lander.mjs", [path, artifacts, "40", label]));
  for (const child of children) expect(await child.ended).toEqual({ code: 0, signal: null, errors: "" });
  await using database = await openSqlite(path);
  const zone = createLandingZone({
    artifacts: await openDirectoryArtifactStore(artifacts),
    records: openRecordStore(database),
  });
  const versions = await all(zone.versions("shared"));
  expect(versions.map(({ version }) => version)).toEqual(Array.from({ length: 80 }, (_, at) => at + 1));
  const texts = await Promise.all(versions.map(({ version }) => textOf(zone.open("shared", { version }))));
  for (const label of ["left", "right"]) {
    expect(texts.filter((text) => text.startsWith(label))).toEqual(
      Array.from({ length: 40 }, (_, at) => `${label} ${at + 1}`),
    );
  }
});

test("a manifest is found though its writer died before the name's record, and equal bytes are stored once", async () => {
  const { zone, records, artifacts } = openZone();
  await zone.land("a", Buffer.from("one"));
  await zone.land("b", Buffer.from("one"));
  await records.write("landing/names/a", 0);
  expect((await zone.describe("a")).version).toBe(1);
  expect((await zone.land("a", Buffer.from("one"))).version).toBe(2);
  const stored = [];
  for await (const { digest } of artifacts.list()) stored.push(digest);
  expect(stored).toEqual([digestOf("one")]);
});

test("names of any text are kept apart and listed by prefix", async () => {
  const { zone } = openZone();
  const names = ["a", "a/1", "1/a", "a%2F1", "ä/🛫", "b"];
  for (const name of names) await zone.land(name, Buffer.from(name));
  await zone.land("a/1", Buffer.from("again"));
  expect((await all(zone.list())).map(nameAndVersion)).toEqual(["1/a@1", "a@1", "a%2F1@1", "a/1@2", "b@1", "ä/🛫@1"]);
  expect((await all(zone.list("a/"))).map(nameAndVersion)).toEqual(["a/1@2"]);
  for (const name of names.filter((each) => each !== "a/1")) expect(await textOf(zone.open(name))).toBe(name);
});

test("what is not there, and names that are none, have errors of their own", async () => {
  const { zone, records } = openZone();
  const code = async (call: (zone: LandingZone) => Promise<unknown>): Promise<unknown> =>
    call(zone).then(
      () => "nothing",
      (error: { code?: string; name: string }) => error.code ?? error.name,
    );
  await zone.land("a", Buffer.from("one"));
  expect(await code((each) => each.describe("b"))).toBe("STORAGE_LANDING_UNKNOWN");
  expect(await code((each) => each.describe("a", { version: 2 }))).toBe("STORAGE_LANDING_UNKNOWN");
  expect(await code((each) => textOf(each.open("b")))).toBe("STORAGE_LANDING_UNKNOWN");
  expect(await code((each) => each.describe("a", { version: 0 }))).toBe("RangeError");
  for (const name of ["", "a\nb", "x".repeat(513), "\ud800"])
    expect(await code((each) => each.land(name, Buffer.from("x")))).toBe("STORAGE_LANDING_NAME_INVALID");
  await records.write("landing/versions/1/a", { formatVersion: 2 });
  expect(await code((each) => each.describe("a"))).toBe("STORAGE_LANDING_MANIFEST_INVALID");
});
