import { hasLuhnDigit, hasWeightedDigit, remainderBy97 } from "./check-digits.ts";
import type { Detector } from "./detector.ts";

const digitsOf = (text: string): string => text.replace(/\D/g, "");
const compact = (text: string): string => text.replace(/[ -]/g, "").toUpperCase();

/** United States, Social Security Number: written in groups; 000, 666 and 900 up are never issued as the first, 00 and 0000 as the others. */
const usSsn: Detector = {
  kind: "usSsn",
  pattern: /(?<![\w-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])/g,
};

/** United Kingdom, National Insurance number: HMRC, National Insurance Manual, NIM39110. */
const ukNino: Detector = {
  kind: "ukNino",
  pattern:
    /(?<![A-Z0-9])(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Z0-9])/gi,
};

/** Canada, Social Insurance Number: written in groups, with Luhn's digit. */
const caSin: Detector = {
  kind: "caSin",
  pattern: /(?<![\w-])[1-79]\d{2}([ -])\d{3}\1\d{3}(?![\w-])/g,
  accept: (match) => hasLuhnDigit(digitsOf(match)),
};

const dniLetters = "TRWAGMYFPDXBNJZSQVHLCKE";

/** Spain, DNI and NIE: the letter is that of the number's remainder by 23. */
const esDni: Detector = {
  kind: "esDni",
  pattern: /(?<![A-Z0-9])(?:\d{8}|[XYZ]-?\d{7})-?[A-Z](?![A-Z0-9])/gi,
  accept(match) {
    const text = compact(match);
    const number = text.slice(0, -1).replace(/^[XYZ]/, (letter) => String("XYZ".indexOf(letter)));
    return dniLetters[Number(number) % 23] === text.at(-1);
  },
};

/** France, numéro d'inscription au répertoire: its key is 97 less the remainder by 97; Corsica's 2A and 2B count as 19 and 18. */
const frNir: Detector = {
  kind: "frNir",
  pattern: /(?<![A-Z0-9])[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?![A-Z0-9])/gi,
  accept(match) {
    const text = compact(match).replace("2A", "19").replace("2B", "18");
    return 97 - remainderBy97(text.slice(0, 13)) === Number(text.slice(13));
  },
};

/** Values of the characters at odd places, for 0–9 and A–Z: Decreto Ministeriale 23 dicembre 1976. */
const oddValues = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/** Italy, codice fiscale, with its check letter. */
const itCodiceFiscale: Detector = {
  kind: "itCodiceFiscale",
  pattern: /(?<![A-Z0-9])[A-Z]{6}\d{2}[A-EHLMPRST](?:[04][1-9]|[1256]\d|[37][01])[A-Z]\d{3}[A-Z](?![A-Z0-9])/gi,
  accept(match) {
    const text = match.toUpperCase();
    const sum = Array.from(text.slice(0, 15)).reduce((total, character, index) => {
      const value = character >= "A" ? character.charCodeAt(0) - 65 : Number(character);
      return total + (index % 2 === 0 ? (oddValues[value] as number) : value);
    }, 0);
    return text.charCodeAt(15) - 65 === sum % 26;
  },
};

/** Poland, PESEL: a date of birth whose century is in the month, a serial number and a check digit. */
const plPesel: Detector = {
  kind: "plPesel",
  pattern: /(?<![\w-])\d{2}(?:[02468][1-9]|[13579][0-2])(?:0[1-9]|[12]\d|3[01])\d{5}(?![\w-])/g,
  accept: (match) => hasWeightedDigit(match, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]),
};

/** Those with the sharpest check come first. */
export const nationalIdDetectors: readonly Detector[] = [itCodiceFiscale, frNir, esDni, ukNino, usSsn, caSin, plPesel];
