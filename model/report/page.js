// Maps: the picture of the garment under the pointer or reached by arrow keys, and values alone.
"use strict";
const thumbnails = JSON.parse(document.getElementById("thumbnails").textContent);
const tip = document.getElementById("tip");
const REACH = 14; // of the pointer, in the map's own units

for (const map of document.querySelectorAll(".map")) {
  const points = [...map.querySelectorAll("use")]
    .map((mark) => ({ mark, x: mark.x.baseVal.value, y: mark.y.baseVal.value }))
    .sort((a, b) => a.x - b.x);
  let pointed = -1;

  const shown = (point) =>
    !map.classList.contains("alone") || point.mark.parentNode.classList.contains("chosen");

  function point(index) {
    if (pointed >= 0) points[pointed].mark.classList.remove("pointed");
    pointed = index;
    tip.hidden = index < 0;
    if (index < 0) return;
    const mark = points[index].mark;
    mark.classList.add("pointed");
    const value = mark.parentNode.dataset.value;
    const picture = thumbnails[mark.dataset.row];
    const image = tip.querySelector("img");
    image.hidden = !picture;
    if (picture) image.src = picture;
    tip.querySelector("p").textContent = mark.dataset.read ? `${value}, read as ${mark.dataset.read}` : value;
    const box = mark.getBoundingClientRect();
    const left = box.right + 12 + tip.offsetWidth < innerWidth ? box.right + 12 : box.left - 12 - tip.offsetWidth;
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(8, Math.min(box.top - 50, innerHeight - tip.offsetHeight - 8))}px`;
  }

  map.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    let best = -1, least = REACH ** 2;
    points.forEach((each, index) => {
      const far = (each.x - at.x) ** 2 + (each.y - at.y) ** 2;
      if (far < least && shown(each)) [best, least] = [index, far];
    });
    if (best !== pointed || (best >= 0 && tip.hidden)) point(best);
  });
  map.addEventListener("pointerleave", () => point(-1));
  map.addEventListener("blur", () => point(-1));
  map.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") point(-1);
    if (!step) return;
    event.preventDefault();
    let index = pointed < 0 && step < 0 ? points.length : pointed;
    do index += step; while (points[index] && !shown(points[index]));
    if (points[index]) point(index);
  });

  const buttons = [...map.closest(".space").querySelectorAll("button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const press = button.getAttribute("aria-pressed") !== "true";
      for (const each of buttons) each.setAttribute("aria-pressed", String(press && each === button));
      map.classList.toggle("alone", press);
      for (const group of map.querySelectorAll("g"))
        group.classList.toggle("chosen", press && group.dataset.value === button.dataset.value);
      point(-1);
    });
  }
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
