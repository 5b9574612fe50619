/** The catalogues: same keys, same placeholders, French typography, and no words outside them. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import en from "../room/i18n/en.json";
import fr from "../room/i18n/fr.json";
import { chooseLanguage, t, useLanguage } from "../room/i18n";

const keys = Object.keys(fr) as (keyof typeof fr)[];
const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

describe("catalogues", () => {
  it("have the same keys", () => {
    expect(Object.keys(en).sort()).toEqual([...keys].sort());
  });

  it.each(keys)("%s: both are written, with the same values to fill in", (key) => {
    expect(fr[key]).not.toBe("");
    expect(en[key]).not.toBe("");
    const base = key.endsWith("_one") ? (key.slice(0, -4) as typeof key) : key;
    for (const text of [fr[key], en[key]]) expect(placeholders(fr[base])).toEqual(expect.arrayContaining(placeholders(text)));
  });

  it.each(keys)("%s: French spaces, apostrophes and words", (key) => {
    expect(fr[key]).not.toMatch(/[^\u202f;!?][;!?]/u);
    expect(fr[key]).not.toMatch(/[^\u00a0]:/u);
    expect(fr[key]).not.toMatch(/'/);
    expect(fr[key]).not.toMatch(/veuillez|erreur|invalide|utilisateur|\bPIN\b/i);
  });

  it("are used, and every key used exists", () => {
    const source = sources().map(({ text }) => text).join("\n");
    const unused = keys.filter((key) => !key.endsWith("_one") && !source.includes(`"${key}"`) && !source.includes(`:${key}}}`));
    const built = /^(trouble\.(mic|camera)\.|error\.|after\.)/;
    expect(unused.filter((key) => !built.test(key))).toEqual([]);
  });
});

function sources(): { name: string; text: string }[] {
  const root = new URL("../", import.meta.url);
  const files = ["room.html", ...["room", "protocol"].flatMap((folder) => readdirSync(new URL(`${folder}/`, root)).map((name) => `${folder}/${name}`))];
  return files.filter((name) => /\.(ts|html)$/.test(name)).map((name) => ({ name, text: readFileSync(new URL(name, root), "utf8") }));
}

describe("no words outside the catalogues", () => {
  it.each(sources())("$name", ({ text }) => {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
    expect(code).not.toMatch(/[àâçéèêëîïôùûœ«»]/i);
    for (const literal of code.match(/"[^"\n]*"|>[^<>{}\n]{2,}</g) ?? []) {
      expect(literal, "a sentence in the code").not.toMatch(/["> ](le|la|les|votre|vous|une|des|réunion|micro coupé)\s/i);
    }
  });
});

describe("names of controls", () => {
  it.each([
    ["mic.word", ["mic.mute", "mic.unmute"]], ["camera.word", ["camera.off", "camera.on"]], ["share.word", ["share.start", "share.stop"]],
    ["more.word", ["more.name"]], ["people.word", ["people.name", "people.name_one"]], ["leave.word", ["leave.name"]],
    ["layout.grid", ["layout.toSpeaker"]], ["layout.speaker", ["layout.toGrid"]], ["people.muteWord", ["people.mute"]],
  ] as const)("%s is in the accessible names", (word, names) => {
    for (const catalogue of [fr, en]) {
      for (const name of names) expect(catalogue[name].toLowerCase()).toContain(catalogue[word].toLowerCase());
    }
  });
});

describe("language", () => {
  it.each([
    ["?lang=en", ["fr-FR"], "en"], ["?lang=de", ["en-GB", "fr"], "en"], ["", ["de", "en-US"], "en"], ["", ["fr-CA"], "fr"], ["", ["it"], "fr"], ["?lang=FR", [], "fr"],
  ])("%s with %j: %s", (search, preferred, wanted) => {
    expect(chooseLanguage(search, preferred)).toBe(wanted);
  });

  it("takes the plural of the language", () => {
    useLanguage("fr");
    expect(t("time.seconds", { count: 1 })).toBe("1 seconde");
    expect(t("time.seconds", { count: 0 })).toBe("0 seconde");
    expect(t("time.seconds", { count: 2 })).toBe("2 secondes");
    useLanguage("en");
    expect(t("time.seconds", { count: 0 })).toBe("0 seconds");
  });
});
