// The language of the page: dates and numbers are written in it, and the region is the reader's where it speaks it.

const LANGUAGE = "en";

/** The locale of everything that is formatted: "en-GB" for a reader from Britain, "en" for one who reads German. */
export const LOCALE = navigator.languages?.find((one) => new Intl.Locale(one).language === LANGUAGE) ?? LANGUAGE;

const numbers = new Intl.NumberFormat(LOCALE);

/** A number with its thousands apart. */
export function numberText(number) {
  return numbers.format(number);
}
