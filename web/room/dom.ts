/** Small helpers to build pages. No HTML strings, no inline style: everything holds under a strict Content-Security-Policy. */
import sprite from "../ui/icons.svg?raw";

type Value = string | number | boolean | null | undefined | ((event: never) => void);
export type Child = Node | string | null | undefined | false;

/** An element; `on…` keys are listeners, true is an empty attribute, false and null leave the attribute out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Record<string, Value> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else set(element, name, value);
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets, empties or removes an attribute; does nothing when it is already so. */
export function set(element: Element, name: string, value: string | number | boolean | null | undefined): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Sets the text only when it differs, so that live regions stay quiet. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(name: string, className = "i"): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(svg: SVGSVGElement, name: string): void {
  const use = svg.firstElementChild;
  if (use) set(use, "href", `#i-${name}`);
}

/** Puts the icons into the page once. */
export function installIcons(): void {
  const parsed = new DOMParser().parseFromString(sprite, "image/svg+xml").documentElement;
  const holder = document.importNode(parsed, true);
  holder.setAttribute("width", "0");
  holder.setAttribute("height", "0");
  holder.setAttribute("class", "sprite");
  holder.setAttribute("aria-hidden", "true");
  document.body.append(holder);
}

/** The City's sign: sun over water, coloured by the charter's tokens (ui.css `.logo`). */
export function logo(): SVGSVGElement {
  const svg = icon("logo", "logo");
  svg.setAttribute("viewBox", "0 0 40 40");
  return svg;
}
