/** The two catalogues. `?lang=fr|en` wins, then the browser's languages, then French. */
import en from "./i18n/en.json";
import fr from "./i18n/fr.json";

export type Key = keyof typeof fr;
export type Language = "fr" | "en";
type Values = Record<string, string | number>;

const catalogues: Record<Language, Record<Key, string>> = { fr, en };

export function chooseLanguage(search: string, preferred: readonly string[]): Language {
  const asked = new URLSearchParams(search).get("lang");
  for (const tag of asked ? [asked, ...preferred] : preferred) {
    const language = tag.toLowerCase().split("-")[0];
    if (language === "fr" || language === "en") return language;
  }
  return "fr";
}

let current: Language = "fr";

export function useLanguage(language: Language): void {
  current = language;
}

export function language(): Language {
  return current;
}

/** The string of the chosen language with `{name}` replaced. With `count`, `key_one` is taken where the language says so. */
export function t(key: Key, values: Values = {}): string {
  let text = catalogues[current][key];
  const { count } = values;
  if (typeof count === "number" && new Intl.PluralRules(current).select(count) === "one") {
    text = catalogues[current][`${key}_one` as Key] ?? text;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export const clockTime = (date: Date): string => date.toLocaleTimeString(current, { hour: "2-digit", minute: "2-digit", hour12: false });
