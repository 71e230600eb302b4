/** Texts, and numbers, of JSON. A text is matched whole, so that what stands in it is left alone. */
const textsAndNumbers = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON whose integers of 16 digits or more, which a number need not hold, are texts. */
export const longIntegersAsTexts = (json: string): string =>
  json.replace(textsAndNumbers, (part) => (/^-?\d{16,20}$/.test(part) ? `"${part}"` : part));

const textsAndNames = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;

/** JSON as Python writes it, whose bare `NaN`, `Infinity` and `-Infinity` no strict parser reads: as null, and as numbers beyond the largest. */
export const withoutBareNames = (json: string): string =>
  json.replace(textsAndNames, (part) => {
    if (part.startsWith('"')) return part;
    return part === "NaN" ? "null" : part === "Infinity" ? "1e999" : "-1e999";
  });
