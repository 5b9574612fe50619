/** Toasts and spoken announcements. One toast at a time, above the bar, never stealing the focus, never the only way to something. */
import { h, icon, write } from "./dom";
import { t } from "./i18n";

export interface Toast {
  icon?: string;
  text: string;
  action?: { label: string; name: string; run: () => void };
  /** Milliseconds; until closed when left out. */
  lasts?: number;
  /** Toasts of the same sort replace one another. */
  sort: string;
}

export class Notices {
  private readonly place = h("div", { class: "toasts" });
  private readonly live = h("div", { class: "vh", role: "status", "aria-live": "polite" });
  private shown: { toast: Toast; element: HTMLElement; timer: number } | null = null;
  private waiting: Toast[] = [];
  private said: string[] = [];
  private speakTimer = 0;

  constructor() {
    document.body.append(this.place, this.live);
  }

  show(toast: Toast): void {
    this.close(toast.sort);
    this.waiting = [...this.waiting.filter(({ sort }) => sort !== toast.sort), toast];
    this.next();
    this.say(toast.text);
  }

  close(sort: string): void {
    this.waiting = this.waiting.filter((toast) => toast.sort !== sort);
    if (this.shown?.toast.sort !== sort) return;
    window.clearTimeout(this.shown.timer);
    this.shown.element.remove();
    this.shown = null;
    this.next();
  }

  /** Announces to screen readers; what comes within a short while is said together. */
  say(text: string): void {
    this.said.push(text);
    if (this.speakTimer) return;
    this.speakTimer = window.setTimeout(() => {
      write(this.live, this.said.join(" "));
      this.said = [];
      this.speakTimer = 0;
    }, 150);
  }

  destroy(): void {
    window.clearTimeout(this.speakTimer);
    if (this.shown) window.clearTimeout(this.shown.timer);
    this.place.remove();
    this.live.remove();
  }

  private next(): void {
    const toast = this.shown ? undefined : this.waiting.shift();
    if (!toast) return;
    const { sort, action } = toast;
    const element = h("div", { class: "toast", "data-toast": sort },
      toast.icon ? icon(toast.icon) : null, h("span", {}, toast.text),
      action ? h("button", {
        class: "btn btn-quiet btn-s", type: "button", "data-action": action.name,
        onclick: () => {
          this.close(sort);
          action.run();
        },
      }, action.label) : null,
      h("button", { class: "btn btn-quiet btn-s btn-icon", type: "button", "aria-label": t("app.close"), onclick: () => this.close(sort) }, icon("x")));
    const start = (): number => (toast.lasts ? window.setTimeout(() => this.close(sort), toast.lasts) : 0);
    const shown = { toast, element, timer: start() };
    const hold = (): void => window.clearTimeout(shown.timer);
    const release = (): void => {
      hold();
      shown.timer = start();
    };
    element.addEventListener("pointerenter", hold);
    element.addEventListener("focusin", hold);
    element.addEventListener("pointerleave", release);
    element.addEventListener("focusout", release);
    this.shown = shown;
    this.place.append(element);
  }
}
