/** Version of the file's layout as a whole; a file with a greater one is refused. Kept in `PRAGMA user_version`. */
export const formatVersion = 1;

/** Marks the file as ours: "Mill" in ASCII, kept in `PRAGMA application_id`. */
export const applicationId = 0x4d696c6c;

/** What every file has from the start. Packages add their own tables by migrations. */
export const initialSchema = `
create table millwright_migrations (
  namespace text not null,
  position integer not null,
  name text not null,
  primary key (namespace, position)
) strict, without rowid;

create table millwright_events (
  cursor integer primary key autoincrement,
  id text not null unique,
  type text not null,
  body text not null,
  hash text not null
) strict;
create index millwright_events_type on millwright_events (type, cursor);

create table millwright_leases (
  name text primary key,
  fence integer not null,
  held integer not null,
  expires_ms integer not null
) strict, without rowid;

create table millwright_records (
  key text primary key,
  value text,
  version integer not null
) strict, without rowid;
`;
