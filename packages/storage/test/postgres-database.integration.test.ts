import { databaseSuite } from "./database-suite.ts";
import { postgresEngine } from "./engines.ts";
import { eventLogSuite } from "./event-log-suite.ts";
import { migrationsSuite } from "./migrations-suite.ts";
import { portsSuite } from "./ports-suite.ts";
import { writeOrderSuite } from "./write-order-suite.ts";

const postgres = postgresEngine("fsync = off");

databaseSuite(postgres);
writeOrderSuite(postgres);
eventLogSuite(postgres);
migrationsSuite(postgres);
portsSuite(postgres);
