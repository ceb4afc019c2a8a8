"""The body picture embedded in a page, in real Chromium: focused, pressed and coloured."""

import pytest
from playwright.async_api import expect

from src.anatomy.body_picture import BODY_PICTURE
from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

# As strict as a policy can be that allows this one page its own style and script.
POLICY = "default-src 'none'; style-src 'nonce-page'; script-src 'nonce-page'"
PAGE = f"""<!doctype html><html lang="en"><title>Body</title>
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<style nonce="page">
  body {{ margin: 0; color: rgb(40, 60, 80); }}
  .region:focus-visible {{ outline: none; stroke: rgb(0, 90, 200); stroke-width: 6; }}
  .region[aria-pressed=true] {{ fill: rgb(200, 80, 60); fill-opacity: .6; }}
</style>
<body>{BODY_PICTURE.svg.decode()}
<script nonce="page">
  const press = (region) => region.setAttribute(
    "aria-pressed", String(region.getAttribute("aria-pressed") !== "true"));
  const picture = document.querySelector(".body-picture");
  picture.addEventListener("click", ({{ target }}) => {{
    const region = target.closest(".region");
    if (region) press(region);
  }});
  picture.addEventListener("keydown", (event) => {{
    const region = event.target.closest(".region");
    if (!region || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    press(region);
  }});
</script>"""

# Asked at the points of a grid, in the units of each figure: which regions are painted there?
OVERLAPS = """
() => [...document.querySelectorAll(".region")].flatMap((region, index, all) => {
  const path = region.querySelector("path");
  const box = path.getBBox();
  const near = all.slice(index + 1).filter((other) => {
    if (other.dataset.view !== region.dataset.view) return false;
    const its = other.getBBox();
    return its.x < box.x + box.width && box.x < its.x + its.width
      && its.y < box.y + box.height && box.y < its.y + its.height;
  });
  const found = [];
  for (let x = box.x; x < box.x + box.width; x += 4.3)
    for (let y = box.y; y < box.y + box.height; y += 4.3) {
      const point = new DOMPoint(x, y);
      if (near.length && path.isPointInFill(point))
        for (const other of near)
          if (other.querySelector("path").isPointInFill(point))
            found.push(`${region.id} ${other.id} ${Math.round(x)} ${Math.round(y)}`);
    }
  return found;
})
"""
# On the lines between the middles of neighbours the body is painted without a break.
GAPS = """
(lines) => lines.flatMap(([from, to]) => {
  const middle = (id) => {
    const { x, y, width, height } = document.getElementById(id).getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  };
  const [[x1, y1], [x2, y2]] = [middle(from), middle(to)];
  return Array.from({ length: 60 }, (_, step) => step / 59)
    .map((t) => [x1 + (x2 - x1) * t, y1 + (y2 - y1) * t])
    .filter(([x, y]) => !document.elementFromPoint(x, y)?.closest(".region"))
    .map(([x, y]) => `${from} ${to} ${Math.round(x)} ${Math.round(y)}`);
})
"""
DOWN_THE_BODY = [
    ["front-head", "front-neck"],
    ["front-neck", "front-chest"],
    ["front-chest", "front-abdomen"],
    ["front-abdomen", "front-pelvis"],
    ["front-left-thigh", "front-left-knee"],
    ["front-right-knee", "front-right-lower-leg"],
    ["front-left-shoulder", "front-left-upper-arm"],
    ["front-right-upper-arm", "front-right-elbow"],
    ["front-right-elbow", "front-right-forearm"],
    ["back-head", "back-neck"],
    ["back-neck", "back-upper-back"],
    ["back-upper-back", "back-lower-back"],
    ["back-left-buttock", "back-right-buttock"],
    ["back-left-thigh", "back-left-knee"],
]


async def test_a_region_is_focused_pressed_and_coloured_under_a_strict_policy(tab: Tab) -> None:
    page = tab.page
    await page.set_viewport_size({"width": 320, "height": 480})
    await page.set_content(PAGE)
    knee = page.get_by_role("button", name="Left knee, front", exact=True)
    path = knee.locator("path")
    await expect(path).to_have_css("fill", "rgb(40, 60, 80)")

    await page.get_by_role("button", name="Right thigh, front").focus()
    await page.keyboard.press("Tab")
    await expect(knee).to_be_focused()
    await expect(path).to_have_css("stroke", "rgb(0, 90, 200)")
    await page.keyboard.press("Enter")
    await expect(path).to_have_css("fill", "rgb(200, 80, 60)")

    chest = page.get_by_role("button", name="Chest, front")
    await chest.click()
    await expect(chest).to_have_attribute("aria-pressed", "true")
    assert "sternum" in (await chest.get_attribute("data-parts") or "").split()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    assert tab.complaints == []


async def test_regions_neither_overlap_nor_leave_a_gap(tab: Tab) -> None:
    page = tab.page
    await page.set_viewport_size({"width": 960, "height": 1200})
    await page.set_content(PAGE)
    assert await page.evaluate(OVERLAPS) == []
    assert await page.evaluate(GAPS, DOWN_THE_BODY) == []
