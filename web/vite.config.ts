/**
 * Build of the browser pages: web/dist/room.html with hashed files in /assets, and the style sheet of every page unhashed in
 * /assets/ui (the server-rendered pages link to it). No inline script or style is emitted, so that the pages hold under a
 * strict Content-Security-Policy.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const catalogue = (language: string): Record<string, string> =>
  JSON.parse(readFileSync(here(`room/i18n/${language}.json`), "utf8")) as Record<string, string>;

/** Replaces `{{fr:key}}` and `{{en:key}}` in HTML by the catalogue's string: no words live in the pages themselves. */
function words(): Plugin {
  return {
    name: "massalia-words",
    transformIndexHtml: {
      order: "pre",
      handler: (html) =>
        html.replace(/\{\{(fr|en):([\w.]+)\}\}/g, (_, language: string, key: string) => {
          const text = catalogue(language)[key];
          if (text === undefined) throw new Error(`no string ${key} in ${language}.json`);
          return text;
        }),
    },
  };
}

/** Copies the shared style sheets and icons to fixed names. */
function sharedStyle(): Plugin {
  return {
    name: "massalia-shared-style",
    apply: "build",
    generateBundle() {
      for (const name of ["tokens.css", "components.css", "icons.svg", "logo.svg"]) {
        this.emitFile({ type: "asset", fileName: `assets/ui/${name}`, source: readFileSync(here(`ui/${name}`)) });
      }
    },
  };
}

export default defineConfig({
  root: here("."),
  plugins: [words(), sharedStyle()],
  build: {
    outDir: "dist",
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: { input: here("room.html") },
  },
  server: {
    proxy: {
      "/ws": { target: "wss://localhost:8443", ws: true, secure: false, changeOrigin: true },
      "/api": { target: "https://localhost:8443", secure: false, changeOrigin: true },
    },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
