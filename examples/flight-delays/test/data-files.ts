import { dirname, join } from "node:path";
import { rawFlights } from "../dist/flights.js";

/** The raw flights, a Parquet file. */
export const flightsFile: string = rawFlights;
/** Every US airport: iata, name, city, state, country, latitude, longitude. */
export const airportsFile: string = join(dirname(rawFlights), "airports.csv");
