import { describe, expect, it } from "vitest";
import { invitedCode } from "../room/invitation";

describe("the code of an invitation link", () => {
  it.each([
    ["#code=724913", "724913"],
    ["code=724913", "724913"],
    ["#lang=fr&code=248642374", "248642374"],
    ["", null],
    ["#", null],
    ["#code=", null],
    ["#code=12", null],
    ["#code=1234567890123", null],
    ["#code=<script>", null],
  ])("%s", (fragment, code) => {
    expect(invitedCode(fragment)).toBe(code);
  });
});
