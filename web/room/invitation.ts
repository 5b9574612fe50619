/** An invitation link: the room's address with its code in the fragment. */

/** The code in a fragment such as `#code=724913`; null when there is none that can be one (3 to 12 digits). */
export function invitedCode(fragment: string): string | null {
  const code = new URLSearchParams(fragment.replace(/^#/, "")).get("code") ?? "";
  return /^[0-9]{3,12}$/.test(code) ? code : null;
}
