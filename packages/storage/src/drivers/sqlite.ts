export { openSqlite, type SqliteOptions } from "../sqlite-database.ts";
