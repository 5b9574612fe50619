/** After the call: what happened, and the way back. */
import { h, icon } from "./dom";
import type { Key } from "./i18n";
import { t } from "./i18n";

export type Ending = "left" | "closed" | "replaced" | "kicked" | "timeout";

export function afterPage(ending: Ending, roomName: string, back: () => void): HTMLElement {
  const title = h("h1", { tabindex: -1, id: "title" }, t(`after.${ending}` as Key));
  document.title = t("after.title");
  const element = h("main", { class: "page after", id: "content", tabindex: -1, "data-ending": ending },
    h("div", { class: "card stack after-card" }, title, h("p", { class: "muted" }, roomName),
      h("div", { class: "row" },
        ending === "closed" || ending === "kicked" ? null : h("button", { class: "btn btn-main btn-l", type: "button", "data-action": "rejoin", onclick: back }, icon("refresh"), t("after.back")),
        h("a", { class: "btn btn-l", href: "/" }, t("after.home")))));
  queueMicrotask(() => title.focus());
  return element;
}
